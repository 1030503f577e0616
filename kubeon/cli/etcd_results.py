"""Answers of `kubeon etcd`, as a value for programs and a text for people."""

from collections.abc import Sequence

from kubeon.console.progress import duration
from kubeon.console.shapes import etcd as shapes
from kubeon.console.summary import columns
from kubeon.etcd.quorum import Quorum
from kubeon.operations.etcd import DefragResult, EtcdReport, MemberReport
from kubeon.operations.etcd_restore import RestoreResult
from kubeon.operations.etcd_snapshots import SnapshotResult
from kubeon.state.snapshots import Snapshot


def members_of(report: EtcdReport) -> tuple[shapes.Etcd, str]:
    """`etcd members`."""
    rows: list[tuple[str, ...]] = [("NODE", "ID", "ROLE", "PEER URL", "CLIENT URL", "ANSWERS")]
    rows += [_member_row(each) for each in report.members]
    return _value(report), f"{columns(rows)}\n\n{report.quorum}"


def status_of(report: EtcdReport) -> tuple[shapes.Etcd, str]:
    """`etcd status`."""
    leader = next((each.status for each in report.members if each.status and each.role == "leader"), None)
    rows: list[tuple[str, ...]] = [
        ("NODE", "ANSWERS", "ROLE", "VERSION", "SIZE", "IN USE", "TERM", "INDEX", "LAG", "PROBLEM")
    ]
    for each in report.members:
        status = each.status
        facts = ("-",) * 6
        if status:
            lag = str(max(0, leader.index - status.index)) if leader else "-"
            sizes = (_size(status.db_size), _size(status.in_use))
            facts = (status.version, *sizes, str(status.term), str(status.index), lag)
        rows.append((each.node, _answers(each), each.role, *facts, each.problem or "-"))
    verdict = "healthy" if report.healthy else "NOT healthy"
    lines = [columns(rows), "", f"etcd of {report.cluster} is {verdict}: {report.quorum}"]
    return _value(report), "\n".join([*lines, *(f"    {problem}" for problem in report.problems)])


def defragmented(result: DefragResult) -> tuple[shapes.Defrag, str]:
    """`etcd defrag`."""
    value: shapes.Defrag = {
        "cluster": result.cluster,
        "members": [{"node": node, "before": before, "after": after} for node, before, after in result.sizes],
        "seconds": round(result.seconds, 1),
        "log": str(result.log) if result.log else None,
    }
    rows: list[tuple[str, ...]] = [("NODE", "BEFORE", "AFTER")]
    rows += [(node, _size(old), _size(new)) for node, old, new in result.sizes]
    first = f"etcd of {result.cluster} is defragmented ({duration(result.seconds)})."
    return value, f"{first}\n\n{columns(rows, numbers_from=1)}"


def saved(result: SnapshotResult) -> tuple[shapes.Saved, str]:
    """`etcd snapshot save`."""
    found = result.snapshot
    value: shapes.Saved = {
        **_snapshot(found),
        "pruned": [str(path) for path in result.pruned],
        "seconds": round(result.seconds, 1),
        "log": str(result.log) if result.log else None,
    }
    lines = [
        f"Snapshot of {found.cluster}: {found.path}",
        f"    revision {found.revision}, {found.keys} keys, {_size(found.size)}, from {found.member}"
        f" ({duration(result.seconds)})",
        *(f"    removed {path.name}" for path in result.pruned),
        "It holds every Secret of the cluster: keep it where nobody else reads it.",
    ]
    return value, "\n".join(lines)


def restored(result: RestoreResult) -> tuple[shapes.Restored, str]:
    """`etcd snapshot restore`."""
    value: shapes.Restored = {
        "cluster": result.cluster,
        "restored": list(result.restored),
        "gone": list(result.gone),
        "oldData": dict(result.old or {}),
        "snapshot": str(result.snapshot) if result.snapshot else None,
        "todo": result.todo or None,
        "seconds": round(result.seconds, 1),
        "log": str(result.log) if result.log else None,
    }
    count = len(result.restored)
    lines = [
        f"etcd of {result.cluster} is restored on {count} control plane{'' if count == 1 else 's'}"
        f" ({duration(result.seconds)}).",
        "",
        "The data that was there is kept, until you remove it:",
        *(f"    {node}: {folder}" for node, folder in (result.old or {}).items()),
        "",
        "Pods outside kube-system that watch the API (operators, ingress controllers) may not notice that it went",
        "back: start them anew.",
        "",
        "Next:",
    ]
    if result.gone:
        lines.append(f"    kubeon del {result.cluster} @{'+'.join(result.gone)} --dead")
    if result.todo:
        lines.append(f"    {result.todo}    # the data is of before a rotation: tells nodes and pods of the CA of now")
    lines.append(f"    kubeon create {result.cluster}    # looks at every node, and mends what it lacks")
    return value, "\n".join(lines)


def snapshots_in(cluster: str, snapshots: Sequence[Snapshot]) -> tuple[shapes.Snapshots, str]:
    """`etcd snapshot list`."""
    value: shapes.Snapshots = {"cluster": cluster, "snapshots": [_snapshot(each) for each in snapshots]}
    if not snapshots:
        return value, f"No snapshots of {cluster} yet: kubeon etcd snapshot save {cluster}"
    rows: list[tuple[str, ...]] = [("TAKEN", "REVISION", "KEYS", "SIZE", "KUBERNETES", "FILE")]
    rows += [
        (each.taken, str(each.revision), str(each.keys), _size(each.size), each.kubernetes, str(each.path))
        for each in snapshots
    ]
    return value, columns(rows)


def _snapshot(found: Snapshot) -> shapes.Snapshot:
    return {
        "path": str(found.path),
        "cluster": found.cluster,
        "ca": found.ca,
        "kubernetes": found.kubernetes,
        "etcd": found.etcd,
        "revision": found.revision,
        "hash": found.hash,
        "keys": found.keys,
        "size": found.size,
        "sha256": found.sha256,
        "member": found.member,
        "members": found.members,
        "taken": found.taken,
    }


def _value(report: EtcdReport) -> shapes.Etcd:
    leader = next((each.status for each in report.members if each.status and each.role == "leader"), None)
    return {
        "cluster": report.cluster,
        "healthy": report.healthy,
        "quorum": _quorum(report.quorum),
        "members": [_member(each, leader.index if leader else None) for each in report.members],
        "problems": list(report.problems),
    }


def _quorum(quorum: Quorum) -> shapes.EtcdQuorum:
    return {
        "voters": quorum.voters,
        "healthy": quorum.healthy,
        "needed": quorum.needed,
        "mayFail": max(0, quorum.tolerates),
        "lost": quorum.tolerates < 0,
    }


def _member(report: MemberReport, last: int | None) -> shapes.EtcdMember:
    member, status = report.member, report.status
    value: shapes.EtcdMember = {
        "node": report.node,
        "address": report.address,
        "healthy": bool(member and member.healthy),
        "role": report.role,
        "problem": report.problem,
        "id": f"{member.id:x}" if member else f"{status.id:x}" if status else None,
        "peerURLs": list(member.peer_urls) if member else [],
        "clientURLs": list(member.client_urls) if member else [],
        "status": None,
    }
    if status:
        value["status"] = {
            "version": status.version,
            "dbSize": status.db_size,
            "dbSizeInUse": status.in_use,
            "leader": f"{status.leader:x}" if status.leader else None,
            "raftTerm": status.term,
            "raftIndex": status.index,
            "raftAppliedIndex": status.applied,
            "revision": status.revision,
            "lag": None if last is None else max(0, last - status.index),
            "errors": list(status.errors),
            "alarms": [{"member": f"{owner:x}", "alarm": kind} for owner, kind in status.alarms],
        }
    return value


def _member_row(report: MemberReport) -> tuple[str, ...]:
    member = report.member
    if member is None:
        return (report.node, "-", "-", "-", "-", "no")
    urls = (",".join(member.peer_urls), ",".join(member.client_urls) or "-")
    return (report.node, f"{member.id:x}", report.role, *urls, _answers(report))


def _answers(report: MemberReport) -> str:
    return "yes" if report.member and report.member.healthy else "no"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
