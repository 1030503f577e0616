"""Nodes and system pods as the API has them, cut down to what tells how they are. Pure: JSON in, values out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeon.kube.kubectl import READY

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class NodeState:
    """A Node object."""

    name: str
    address: str = ""
    ready: bool = False
    why: str = ""  # it is not Ready, in the kubelet's or the controller manager's words
    since: datetime | None = None  # when Ready last changed
    pressures: tuple[str, ...] = ()  # conditions that are true and should not be
    cordoned: bool = False
    created: datetime | None = None
    kubelet: str = ""  # v1.20.2
    runtime: str = ""  # containerd://1.6.20
    os_name: str = ""
    kernel: str = ""


@dataclass(frozen=True)
class PodState:
    """A pod of kube-system."""

    name: str
    component: str  # what it is one of: coredns, kube-apiserver ...
    node: str = ""
    phase: str = ""
    ready: bool = False
    restarts: int = 0
    images: tuple[str, ...] = ()
    why: str = ""  # it is not ready: CrashLoopBackOff, or the scheduler's words
    since: datetime | None = None  # when it, or the newest of its containers, began
    last_end: datetime | None = None  # when one of its containers last ended
    leaving: bool = False

    @property
    def ended(self) -> bool:
        """Is it over, as a job's pod is, or one that was evicted?"""
        return self.phase in ("Succeeded", "Failed")


def parse_objects(listed: Mapping[str, Any]) -> tuple[dict[str, NodeState], tuple[PodState, ...]]:
    """Nodes by name, and pods, of one `kubectl get nodes,pods -o json`."""
    items: list[Mapping[str, Any]] = listed.get("items", [])
    nodes = [_node(item) for item in items if item["kind"] == "Node"]
    return {node.name: node for node in nodes}, tuple(_pod(item) for item in items if item["kind"] == "Pod")


def pressures(node: Mapping[str, Any]) -> dict[str, str]:
    """Conditions of a Node that are true and should not be, each with the kubelet's words."""
    conditions = node.get("status", {}).get("conditions", [])
    found = {each["type"]: str(each.get("message", "")) for each in conditions if each.get("status") == "True"}
    return {name: found[name] for name in _PRESSURES if name in found}


def _node(item: Mapping[str, Any]) -> NodeState:
    status, spec = item.get("status", {}), item.get("spec", {})
    info = status.get("nodeInfo", {})
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    ready = conditions.get(READY, {})
    is_ready = ready.get("status") == "True"
    why = str(ready.get("message") or ready.get("reason") or "its kubelet has not reported yet")
    addresses = (each["address"] for each in status.get("addresses", []) if each["type"] == "InternalIP")
    return NodeState(
        name=item["metadata"]["name"],
        address=next(addresses, ""),
        ready=is_ready,
        why="" if is_ready else why,
        since=_moment(ready.get("lastTransitionTime")),
        pressures=tuple(pressures(item)),
        cordoned=bool(spec.get("unschedulable", False)),
        created=_moment(item["metadata"].get("creationTimestamp")),
        kubelet=str(info.get("kubeletVersion", "")),
        runtime=str(info.get("containerRuntimeVersion", "")),
        os_name=str(info.get("osImage", "")),
        kernel=str(info.get("kernelVersion", "")),
    )


def _pod(item: Mapping[str, Any]) -> PodState:
    metadata, spec, status = item["metadata"], item.get("spec", {}), item.get("status", {})
    containers = status.get("containerStatuses", [])
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    ready = conditions.get(READY, {}).get("status") == "True"
    starts = [_moment(metadata.get("creationTimestamp"))]
    starts += [_moment(each.get("state", {}).get("running", {}).get("startedAt")) for each in containers]
    ends = [
        _moment(each.get(state, {}).get("terminated", {}).get("finishedAt"))
        for each in containers
        for state in ("state", "lastState")
    ]
    return PodState(
        name=metadata["name"],
        component=_component(metadata, str(spec.get("nodeName", ""))),
        node=str(spec.get("nodeName", "")),
        phase=str(status.get("phase", "")),
        ready=ready,
        restarts=sum(int(each.get("restartCount", 0)) for each in containers),
        images=tuple(dict.fromkeys(each["image"] for each in spec.get("containers", []))),
        why="" if ready else _why(containers, conditions, str(status.get("phase", ""))),
        since=_newest(starts),
        last_end=_newest(ends),
        leaving="deletionTimestamp" in metadata,
    )


def _why(containers: Iterable[Mapping[str, Any]], conditions: Mapping[str, Mapping[str, Any]], phase: str) -> str:
    for each in containers:
        state = each.get("state", {})
        if reason := state.get("waiting", {}).get("reason"):
            return str(reason)
        if "terminated" in state:
            return f"{state['terminated'].get('reason', 'ended')} (exit code {state['terminated'].get('exitCode')})"
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("message") or scheduled.get("reason") or "not scheduled")
    return "not ready" if phase == "Running" else phase


def _component(metadata: Mapping[str, Any], node: str) -> str:
    """By its labels; a static pod has its node's name at the end of its own."""
    labels = metadata.get("labels") or {}
    if _MIRROR in (metadata.get("annotations") or {}):
        return str(metadata["name"]).removesuffix(f"-{node}")
    owner = next((each["name"] for each in metadata.get("ownerReferences", [])), metadata["name"])
    # kubeadm's CoreDNS says kube-dns of itself, for the sake of those who look for its predecessor
    names = [labels.get(label) for label in ("app.kubernetes.io/name", "k8s-app", "app")]
    name = next((each for each in names if each and each != "kube-dns"), None)
    hashed = labels.get("pod-template-hash")
    return str(name or (owner.removesuffix(f"-{hashed}") if hashed else owner))


def _newest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((each for each in moments if each), default=None)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
