"""Answers of operations, as a value for programs and a text for people that ends with the next command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kubeon.console.outputs import Kept, folded
from kubeon.console.progress import duration
from kubeon.console.shapes import operations as shapes
from kubeon.console.summary import columns
from kubeon.operations.base import CreateResult, DeleteResult, DestroyResult, NodeResult, UpgradeResult
from kubeon.operations.lb_switch import SwitchResult
from kubeon.operations.rename import RenameResult
from kubeon.remote.cp import CopyResult
from kubeon.remote.execute import ExecResult


class _WithNodes(Protocol):
    """What the results of operations on nodes have in common."""

    @property
    def cluster(self) -> str: ...
    @property
    def changed(self) -> bool: ...
    @property
    def nodes(self) -> Sequence[NodeResult]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def log(self) -> Path | None: ...


def created(result: CreateResult, kubectl: str) -> tuple[shapes.Created, str]:
    """What `create` says at the end; `kubectl` is how to reach the cluster."""
    taken = duration(result.seconds)
    if result.changed:
        first = f"Cluster {result.cluster} is up ({taken})."
    else:
        first = f"Cluster {result.cluster} is as described; nothing was changed ({taken})."
    following = [f"    {kubectl} get nodes", f"    kubeon destroy {result.cluster}"]
    return _created(result), "\n".join([first, "", _nodes_table(result), "", "Next:", *following])


def adopted(result: CreateResult) -> tuple[shapes.Created, str]:
    """What `adopt` says at the end."""
    if not result.changed:
        return _created(result), f"Cluster {result.cluster} is adopted already; nothing was changed."
    first = f"Cluster {result.cluster} is adopted ({duration(result.seconds)})."
    following = [f"    kubeon create {result.cluster} --dry-run", f"    kubeon add {result.cluster} -w ADDRESS"]
    return _created(result), "\n".join([first, "", _nodes_table(result), "", "Next:", *following])


def added(result: CreateResult) -> tuple[shapes.Created, str]:
    """What `add` says at the end, about the new nodes."""
    count = f"{len(result.nodes)} node{'' if len(result.nodes) == 1 else 's'}"
    how = f"has {count} more" if result.changed else f"had {count} already; nothing was changed"
    first = f"Cluster {result.cluster} {how} ({duration(result.seconds)})."
    return _created(result), "\n".join([first, "", _nodes_table(result)])


def upgraded_to(result: UpgradeResult) -> tuple[shapes.Upgraded, str]:
    """What `upgrade` says at the end."""
    value: shapes.Upgraded = {
        **_with_nodes(result),
        "version": result.version,
        "left": result.left,
        "pausedAfter": result.paused_after or None,
        "snapshot": _path(result.snapshot),
    }
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
    return value, "\n".join([first, "", _nodes_table(result), *kept])


def switched_to(result: SwitchResult) -> tuple[shapes.Switched, str]:
    """What `lb switch` says at the end."""
    value: shapes.Switched = {
        **_with_nodes(result),
        "kubeconfig": _path(result.kubeconfig),
        "mode": result.mode,
        "endpoint": result.endpoint,
        "left": result.left,
    }
    taken = duration(result.seconds)
    if not result.changed:
        return value, f"Cluster {result.cluster} has mode {result.mode} already; nothing was changed ({taken})."
    lines = [f"Nodes of {result.cluster} reach the API by mode {result.mode} now ({taken}).", "", _nodes_table(result)]
    if result.left:
        lines += ["", f"Left out: {', '.join(result.left)}. When they are back: kubeon create {result.cluster}"]
    return value, "\n".join(lines)


def deleted(result: DeleteResult) -> tuple[shapes.Deleted, str]:
    """What `del` says at the end."""
    value: shapes.Deleted = {
        "cluster": result.cluster,
        "removed": result.nodes,
        "stays": result.stays,
        "seconds": round(result.seconds, 1),
        "log": _path(result.log),
    }
    first = f"{', '.join(result.nodes)} left cluster {result.cluster} ({duration(result.seconds)})."
    return value, _with_rest(first, result.stays)


def destroyed(result: DestroyResult) -> tuple[shapes.Destroyed, str]:
    """What `destroy` says at the end."""
    value: shapes.Destroyed = {
        "cluster": result.cluster,
        "hosts": result.hosts,
        "stays": result.stays,
        "seconds": round(result.seconds, 1),
    }
    count = len(result.hosts)
    hosts = f"{count} host{'' if count == 1 else 's'}"
    first = f"Cluster {result.cluster} is gone from {hosts} ({duration(result.seconds)})."
    if not count:
        first = f"Cluster {result.cluster} is forgotten; nothing of it was left on its hosts."
    return value, _with_rest(first, result.stays)


def renamed(result: RenameResult) -> tuple[shapes.Renamed, str]:
    """What `rename` says at the end."""
    value: shapes.Renamed = {
        "cluster": result.cluster,
        "was": result.was,
        "hosts": result.hosts,
        "seconds": round(result.seconds, 1),
    }
    return value, f"Cluster {result.was} is called {result.cluster} now ({duration(result.seconds)})."


def executed(result: ExecResult, kept: Kept | None) -> tuple[shapes.Executed, str]:
    """What `exec` says at the end: how it ended on the hosts where it did not end well; `kept` has their outputs."""
    kept = kept or Kept()
    hosts: list[shapes.ExecHost] = []
    for each in result.answers:
        host: shapes.ExecHost = {
            "name": each.name,
            "address": each.address,
            "stdout": kept.of(each.name).decode(errors="replace"),
            "stderr": kept.of(each.name, is_error=True).decode(errors="replace"),
            "seconds": round(each.seconds, 1),
        }
        if each.error or each.exit_code is None:
            host["error"] = each.error
        else:
            host["exitCode"] = each.exit_code
        hosts.append(host)
    total, failed = len(result.answers), len(result.failed)
    value: shapes.Executed = {
        "cluster": result.cluster,
        "command": result.words,
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


def copied(result: CopyResult) -> tuple[shapes.Copied, str]:
    """What `cp` says at the end."""
    hosts: list[shapes.CopyHost] = [
        {"name": a.name, "address": a.address, "copied": a.copied, "unchanged": a.unchanged, "bytes": a.size}
        for a in result.answers
    ]
    value: shapes.Copied = {"cluster": result.cluster, "hosts": hosts, "seconds": round(result.seconds, 1)}
    alike: dict[tuple[int, int], list[str]] = {}
    for answer in result.answers:
        alike.setdefault((answer.copied, answer.unchanged), []).append(answer.name)
    lines = [f"{folded(names)}: {copies} copied, {same} unchanged" for (copies, same), names in alike.items()]
    return value, "\n".join([*lines, f"({duration(result.seconds)})"])


def _with_rest(first: str, stays: Sequence[str]) -> str:
    return "\n".join([first, *(["", *stays] if stays else [])])


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _created(result: CreateResult) -> shapes.Created:
    return {**_with_nodes(result), "kubeconfig": _path(result.kubeconfig)}


def _with_nodes(result: _WithNodes) -> shapes.WithNodes:
    nodes: list[shapes.Node] = [
        {"name": node.name, "address": node.address, "role": node.role, "version": node.version, "ready": node.ready}
        for node in result.nodes
    ]
    return {
        "cluster": result.cluster,
        "changed": result.changed,
        "nodes": nodes,
        "seconds": round(result.seconds, 1),
        "log": _path(result.log),
    }


def _nodes_table(result: _WithNodes) -> str:
    rows: list[tuple[str, ...]] = [("NAME", "ADDRESS", "ROLE", "VERSION", "READY")]
    rows += [(n.name, n.address, n.role, n.version, "yes" if n.ready else "no") for n in result.nodes]
    return columns(rows)
