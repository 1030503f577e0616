"""Answers of operations, as a value for programs and a text for people that ends with the next command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubeon.console.progress import duration
from kubeon.console.summary import columns
from kubeon.operations import CreateResult, DestroyResult, RemoveResult

Answer = tuple[dict[str, Any], str]


def created(result: CreateResult, kubectl: str) -> Answer:
    """What `create` says at the end; `kubectl` is how to reach the cluster."""
    taken = duration(result.seconds)
    if result.changed:
        first = f"Cluster {result.cluster} is up ({taken})."
    else:
        first = f"Cluster {result.cluster} is as described; nothing was changed ({taken})."
    following = [f"    {kubectl} get nodes", f"    kubeon destroy {result.cluster}"]
    return _nodes_value(result), "\n".join([first, "", _nodes_table(result), "", "Next:", *following])


def adopted(result: CreateResult) -> Answer:
    """What `adopt` says at the end."""
    if not result.changed:
        return _nodes_value(result), f"Cluster {result.cluster} is adopted already; nothing was changed."
    first = f"Cluster {result.cluster} is adopted ({duration(result.seconds)})."
    following = [f"    kubeon create {result.cluster} --dry-run", f"    kubeon add {result.cluster} -w ADDRESS"]
    return _nodes_value(result), "\n".join([first, "", _nodes_table(result), "", "Next:", *following])


def added(result: CreateResult) -> Answer:
    """What `add` says at the end, about the new nodes."""
    count = f"{len(result.nodes)} node{'' if len(result.nodes) == 1 else 's'}"
    how = f"has {count} more" if result.changed else f"had {count} already; nothing was changed"
    first = f"Cluster {result.cluster} {how} ({duration(result.seconds)})."
    return _nodes_value(result), "\n".join([first, "", _nodes_table(result)])


def removed(result: RemoveResult) -> Answer:
    """What `del` says at the end."""
    value = {
        "cluster": result.cluster,
        "removed": list(result.nodes),
        "stays": list(result.stays),
        "seconds": round(result.seconds, 1),
        "log": _path(result.log),
    }
    first = f"{', '.join(result.nodes)} left cluster {result.cluster} ({duration(result.seconds)})."
    return value, _with_rest(first, result.stays)


def destroyed(result: DestroyResult) -> Answer:
    """What `destroy` says at the end."""
    value = {
        "cluster": result.cluster,
        "hosts": list(result.hosts),
        "stays": list(result.stays),
        "seconds": round(result.seconds, 1),
    }
    count = len(result.hosts)
    hosts = f"{count} host{'' if count == 1 else 's'}"
    first = f"Cluster {result.cluster} is gone from {hosts} ({duration(result.seconds)})."
    if not count:
        first = f"Cluster {result.cluster} is forgotten; nothing of it was left on its hosts."
    return value, _with_rest(first, result.stays)


def _with_rest(first: str, stays: Sequence[str]) -> str:
    return "\n".join([first, *(["", *stays] if stays else [])])


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _nodes_value(result: CreateResult) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = [
        {"name": node.name, "address": node.address, "role": node.role, "version": node.version, "ready": node.ready}
        for node in result.nodes
    ]
    return {
        "cluster": result.cluster,
        "changed": result.changed,
        "nodes": nodes,
        "seconds": round(result.seconds, 1),
        "kubeconfig": _path(result.kubeconfig),
        "log": _path(result.log),
    }


def _nodes_table(result: CreateResult) -> str:
    rows: list[tuple[str, ...]] = [("NAME", "ADDRESS", "ROLE", "VERSION", "READY")]
    rows += [(n.name, n.address, n.role, n.version, "yes" if n.ready else "no") for n in result.nodes]
    return columns(rows)
