"""What `kubeon cluster-info --output json` prints, from which the screen is drawn, too."""

from datetime import datetime

from kubeon.console.shapes import cluster_info as shapes
from kubeon.etcd.members import peer_url
from kubeon.lb import LBS
from kubeon.operations.cluster_info import ClusterInfo, Gathered
from kubeon.operations.cluster_info.gathered import (
    EtcdView,
    api_servers,
    clocks,
    etcd_view,
    from_workers,
    pod_groups,
    soonest,
)
from kubeon.spec.model import NodeSpec


def cluster_info_value(info: ClusterInfo) -> shapes.ClusterInfo:
    """The whole answer, for programs; the screen is drawn from it. Moments are in UTC; null: nobody could say."""
    found = info.found
    spec = found.spec
    return {
        "cluster": spec.name,
        "verdict": info.verdict.value,
        "reasons": [
            {
                "severity": reason.severity.value,
                "check": reason.check,
                "nodes": list(reason.nodes),
                "what": reason.what,
                "hint": reason.hint,
            }
            for reason in info.reasons
        ],
        "asked": _moment(found.now),
        "seconds": round(found.seconds, 2),
        "version": spec.version,
        "nodes": [_node(found, node) for node in spec.nodes],
        "api": {
            "endpoint": str(LBS[spec.load_balancer.mode].endpoint(spec)),
            "loadBalancer": spec.load_balancer.mode,
            "servers": [{"node": each.node, "ready": each.works, "text": each.text} for each in api_servers(found)],
            "workers": [{"node": each.node, "works": each.works, "text": each.text} for each in from_workers(found)],
        },
        "etcd": _etcd(found, etcd_view(found)),
        "certificates": _certificates(found),
        "clocks": {"skewSeconds": _rounded(clocks(found).skew)},
        "pods": _pods(found),
        "operation": _operation(found),
    }


def _node(found: Gathered, node: NodeSpec) -> shapes.NodeInfo:
    name, health, state = found.name_of(node), found.answers.get(str(node.address)), found.state_of(node)
    error = found.silent.get(str(node.address))
    offset = clocks(found).offsets.get(name)
    return {
        "name": name,
        "address": str(node.address),
        "role": node.role.value,
        "answers": health is not None,
        "error": str(error) if error else "",
        "marked": None if health is None or not found.marks else health.mark in found.marks,
        "ready": state.ready if state else None,
        "notReady": state.why if state else "",
        "pressures": list(state.pressures) if state else [],
        "cordoned": state.cordoned if state else None,
        "created": _moment(state.created) if state else None,
        "kubelet": state.kubelet if state else "",
        "runtime": state.runtime if state else "",
        "os": (state.os_name if state else "") or (health.os_name if health else ""),
        "kernel": (state.kernel if state else "") or (health.kernel if health else ""),
        "uptimeSeconds": health.uptime if health else None,
        "units": {unit.name: unit.active for unit in health.units.values()} if health else {},
        "clockOffsetSeconds": _rounded(offset),
        "disks": [
            {
                "folder": disk.folder,
                "mount": disk.mount,
                "totalKiB": disk.total_kib,
                "freeKiB": disk.free_kib,
                "usedPercent": disk.used_percent,
                "scarce": disk.scarce,
            }
            for disk in (health.disks if health else ())
        ],
    }


def _etcd(found: Gathered, view: EtcdView) -> shapes.EtcdInfo:
    quorum = view.quorum
    at = {peer_url(str(node.address)): found.name_of(node) for node in found.spec.control_planes}
    members: list[shapes.EtcdMemberInfo] = []
    for member in view.members:
        status = view.statuses.get(member.id)
        members.append(
            {
                "id": f"{member.id:x}",
                "name": member.name,
                "node": next((at[url] for url in member.peer_urls if url in at), None),
                "healthy": member.healthy,
                "learner": member.learner,
                "leader": member.id == view.leader,
                "version": status.version if status else "",
                "dbSizeBytes": status.db_size if status else None,
                "dbInUseBytes": status.in_use if status else None,
            }
        )
    return {
        "voters": quorum.voters,
        "answering": quorum.healthy,
        "needed": quorum.needed,
        "mayFail": max(0, quorum.tolerates),
        "hasQuorum": quorum.tolerates >= 0,
        "summary": str(quorum),
        "alarms": [{"member": f"{identifier:x}", "alarm": alarm} for identifier, alarm in view.alarms],
        "members": members,
    }


def _certificates(found: Gathered) -> shapes.CertificatesInfo:
    first = soonest(found)
    return {
        "count": len(found.certificates),
        "first": {
            "node": first.node,
            "path": first.path,
            "subject": first.subject,
            "expires": _moment(first.not_after),
            "daysLeft": (first.not_after - found.now).days,
        }
        if first
        else None,
    }


def _pods(found: Gathered) -> list[shapes.PodGroup]:
    return [
        {
            "component": group.component,
            "image": group.image,
            "ready": sum(pod.ready for pod in group.pods),
            "total": len(group.pods),
            "restarts": sum(pod.restarts for pod in group.pods),
            "notReady": [{"name": pod.name, "node": pod.node, "why": pod.why} for pod in group.pods if not pod.ready],
        }
        for group in pod_groups(found.pods)
    ]


def _operation(found: Gathered) -> shapes.OperationInfo:
    last, holder = found.last, found.holder
    return {
        "last": {
            "operation": last.operation,
            "who": last.who,
            "begun": last.begun,
            "seconds": last.seconds,
            "command": list(last.words),
            "result": last.result,
            "error": last.error,
        }
        if last
        else None,
        "running": {"operation": holder.doing, "who": holder.who, "pid": holder.pid, "since": holder.since}
        if holder
        else None,
        "unfinished": bool(found.unfinished),
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
