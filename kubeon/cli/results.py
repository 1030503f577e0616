"""Answers of operations, as a value for programs and a text for people that ends with the next command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubeon.console.outputs import Kept, folded
from kubeon.console.progress import duration
from kubeon.console.summary import columns
from kubeon.operations.base import CreateResult, DeleteResult, DestroyResult, UpgradeResult
from kubeon.operations.lb_switch import SwitchResult
from kubeon.remote.cp import CopyResult
from kubeon.remote.execute import ExecResult

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


def upgraded_to(result: UpgradeResult) -> Answer:
    """What `upgrade` says at the end."""
    nodes = CreateResult(result.cluster, result.changed, result.nodes, result.seconds, None, result.log)
    value = _nodes_value(nodes) | {
        "version": result.version,
        "left": list(result.left),
        "paused_after": result.paused_after or None,
        "snapshot": _path(result.snapshot),
    }
    del value["kubeconfig"]
    taken = duration(result.seconds)
    again = f"kubeon upgrade {result.cluster} {result.version}"
    if result.paused_after:
        first = f"Paused after {result.paused_after}; {len(result.left)} to go: {again} ({taken})."
    elif result.left:
        first = f"Cluster {result.cluster} has {result.version} but for {', '.join(result.left)} ({taken}): {again}"
    elif result.changed:
        first = f"Cluster {result.cluster} has {result.version} ({taken})."
    else:
        first = f"Cluster {result.cluster} has {result.version} already; nothing was changed ({taken})."
    kept = ["", f"etcd as it was before: {result.snapshot}"] if result.snapshot else []
    return value, "\n".join([first, "", _nodes_table(nodes), *kept])


def switched_to(result: SwitchResult) -> Answer:
    """What `lb switch` says at the end."""
    nodes = CreateResult(result.cluster, result.changed, result.nodes, result.seconds, result.kubeconfig, result.log)
    value = _nodes_value(nodes) | {"mode": result.mode, "endpoint": result.endpoint, "left": list(result.left)}
    taken = duration(result.seconds)
    if not result.changed:
        return value, f"Cluster {result.cluster} has mode {result.mode} already; nothing was changed ({taken})."
    lines = [f"Nodes of {result.cluster} reach the API by mode {result.mode} now ({taken}).", "", _nodes_table(nodes)]
    if result.left:
        lines += ["", f"Left out: {', '.join(result.left)}. When they are back: kubeon create {result.cluster}"]
    return value, "\n".join(lines)


def deleted(result: DeleteResult) -> Answer:
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


def executed(result: ExecResult, kept: Kept | None) -> Answer:
    """What `exec` says at the end: how it ended on the hosts where it did not end well; `kept` has their outputs."""
    kept = kept or Kept()
    hosts = [
        {
            "name": each.name,
            "address": each.address,
            **({"error": each.error} if each.error else {"exitCode": each.exit_code}),
            "stdout": kept.of(each.name).decode(errors="replace"),
            "stderr": kept.of(each.name, is_error=True).decode(errors="replace"),
            "seconds": round(each.seconds, 1),
        }
        for each in result.answers
    ]
    total, failed = len(result.answers), len(result.failed)
    value = {
        "cluster": result.cluster,
        "command": list(result.words),
        "hosts": hosts,
        "summary": {"hosts": total, "ok": total - failed, "failed": failed},
        "seconds": round(result.seconds, 1),
    }
    hows: dict[str, list[str]] = {}
    for answer in result.failed:
        hows.setdefault(answer.how, []).append(answer.name)
    lines = [f"    {folded(names)}: {how}" for how, names in hows.items()]
    of = f"{total} host{'' if total == 1 else 's'}"
    first = f"{failed} of {of} failed" if failed else f"{of}: ok"
    return value, "\n".join([f"{first} ({duration(result.seconds)})", *lines])


def copied(result: CopyResult) -> Answer:
    """What `cp` says at the end."""
    hosts = [
        {"name": a.name, "address": a.address, "copied": a.copied, "unchanged": a.unchanged, "bytes": a.size}
        for a in result.answers
    ]
    value = {"cluster": result.cluster, "hosts": hosts, "seconds": round(result.seconds, 1)}
    alike: dict[tuple[int, int], list[str]] = {}
    for answer in result.answers:
        alike.setdefault((answer.copied, answer.unchanged), []).append(answer.name)
    lines = [f"{folded(names)}: {copies} copied, {same} unchanged" for (copies, same), names in alike.items()]
    return value, "\n".join([*lines, f"({duration(result.seconds)})"])


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
