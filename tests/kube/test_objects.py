"""Nodes and pods out of what `kubectl get nodes,pods -o json` answers."""

from datetime import UTC, datetime
from typing import Any

from kubeon.kube.objects import NodeState, PodState, parse_objects

NODE: dict[str, Any] = {
    "kind": "Node",
    "metadata": {"name": "w1", "creationTimestamp": "2026-01-30T09:00:00Z"},
    "spec": {"unschedulable": True},
    "status": {
        "addresses": [{"type": "Hostname", "address": "w1"}, {"type": "InternalIP", "address": "10.0.1.1"}],
        "nodeInfo": {
            "kubeletVersion": "v1.20.2",
            "containerRuntimeVersion": "containerd://1.6.20",
            "osImage": "Debian GNU/Linux 12 (bookworm)",
            "kernelVersion": "6.1.0",
        },
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "DiskPressure", "status": "True"},
            {
                "type": "Ready",
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": "2026-01-31T11:59:00Z",
            },
        ],
    },
}


def a_pod(name: str, **parts: Any) -> dict[str, Any]:
    """A Pod object."""
    metadata = {"name": name, "creationTimestamp": "2026-01-30T09:00:00Z", **parts.get("metadata", {})}
    spec = {"nodeName": "w1", "containers": [{"image": "k8s.gcr.io/coredns:1.7.0"}], **parts.get("spec", {})}
    return {
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Running", **parts.get("status", {})},
    }


def the_pod(pod: dict[str, Any]) -> PodState:
    """The one pod."""
    (found,) = parse_objects({"items": [pod]})[1]
    return found


def test_a_node() -> None:
    """What tells how it is."""
    nodes, pods = parse_objects({"items": [NODE]})

    assert pods == ()
    assert nodes == {
        "w1": NodeState(
            name="w1",
            address="10.0.1.1",
            ready=False,
            why="Kubelet stopped posting node status.",
            since=datetime(2026, 1, 31, 11, 59, tzinfo=UTC),
            pressures=("DiskPressure",),
            cordoned=True,
            created=datetime(2026, 1, 30, 9, tzinfo=UTC),
            kubelet="v1.20.2",
            runtime="containerd://1.6.20",
            os_name="Debian GNU/Linux 12 (bookworm)",
            kernel="6.1.0",
        )
    }


def test_a_node_that_has_just_registered() -> None:
    """No condition, no address yet."""
    nodes, _ = parse_objects({"items": [{"kind": "Node", "metadata": {"name": "w1"}}]})

    assert nodes["w1"].why == "its kubelet has not reported yet"


def test_a_pod_that_is_ready() -> None:
    """With restarts long ago."""
    ended = {"terminated": {"finishedAt": "2026-01-31T10:00:00Z"}}
    container = {"restartCount": 2, "state": {"running": {"startedAt": "2026-01-31T10:00:01Z"}}, "lastState": ended}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [container]}

    assert the_pod(a_pod("coredns-7d9-x", metadata={"labels": {"app": "coredns"}}, status=status)) == PodState(
        name="coredns-7d9-x",
        component="coredns",
        node="w1",
        phase="Running",
        ready=True,
        restarts=2,
        images=("k8s.gcr.io/coredns:1.7.0",),
        since=datetime(2026, 1, 31, 10, 0, 1, tzinfo=UTC),
        last_end=datetime(2026, 1, 31, 10, tzinfo=UTC),
    )


def test_why_a_pod_is_not_ready() -> None:
    """The kubelet's reason, the container's end, or the scheduler's words."""

    def why(**status: Any) -> str:
        return the_pod(a_pod("x", status=status)).why

    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    ended = {"state": {"terminated": {"reason": "Error", "exitCode": 2}}}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    assert why(containerStatuses=[waiting]) == "CrashLoopBackOff"
    assert why(containerStatuses=[ended]) == "Error (exit code 2)"
    assert why(conditions=[unscheduled], phase="Pending") == "0/3 nodes are available"
    assert why(phase="Pending") == "Pending"
    assert why() == "not ready"


def test_what_a_pod_is_one_of() -> None:
    """A static pod, one of a Deployment that only says kube-dns, one of a DaemonSet, one of nobody."""

    def component(name: str, **metadata: Any) -> str:
        return the_pod(a_pod(name, metadata=metadata)).component

    mirror = {"kubernetes.io/config.mirror": "x"}
    owned = {
        "labels": {"k8s-app": "kube-dns", "pod-template-hash": "74ff"},
        "ownerReferences": [{"name": "coredns-74ff"}],
    }
    assert component("kube-apiserver-w1", annotations=mirror) == "kube-apiserver"
    assert component("coredns-74ff-abc", **owned) == "coredns"
    assert component("kube-proxy-x", labels={"k8s-app": "kube-proxy"}) == "kube-proxy"
    assert component("lonely") == "lonely"
