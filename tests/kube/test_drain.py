"""Pods of a node that leaves: which of them have to go, which are lost, and what is left of the node in the API."""

from typing import Any

import pytest

from kubeon.errors import OperationError
from kubeon.kube.cluster_status import forget_control_plane, remember_control_plane
from kubeon.kube.drain import drain, forget_node, pods_on, unmanaged
from tests.kube.test_tokens import an_api


def a_pod(name: str, *owners: str, phase: str = "Running", static: bool = False) -> dict[str, Any]:
    """In namespace shop."""
    metadata: dict[str, Any] = {"namespace": "shop", "name": name}
    if owners:
        metadata["ownerReferences"] = [{"kind": kind, "name": "x"} for kind in owners]
    if static:
        metadata["annotations"] = {"kubernetes.io/config.mirror": "0123"}
    return {"metadata": metadata, "status": {"phase": phase}}


PODS = [
    a_pod("web-1", "ReplicaSet"),
    a_pod("db-0", "StatefulSet"),
    a_pod("alone"),
    a_pod("kube-proxy-1", "DaemonSet"),
    a_pod("local-haproxy-w1", "Node", static=True),
    a_pod("done-1", "Job", phase="Succeeded"),
    a_pod("broken", phase="Failed"),
    a_pod("waiting", "ReplicaSet", phase="Pending"),
]


def test_which_pods_a_drain_concerns() -> None:
    """Neither those of a DaemonSet nor static ones, which would be there again, nor those that have ended."""
    api, kubectl, _ = an_api()
    api.workloads["w1"] = PODS

    found = pods_on(kubectl, "w1")

    assert [pod["metadata"]["name"] for pod in found] == ["web-1", "db-0", "alone", "waiting"]
    assert pods_on(kubectl, "w2") == []
    assert unmanaged(found) == ["shop/alone"]


def test_a_drain_that_is_blocked_names_the_pods() -> None:
    """With kubectl's words, which are never dropped; the node stays cordoned."""
    api, kubectl, _ = an_api()
    api.register("w1", "v1.34.1", ready=True, address="10.0.1.1", machine_id="1")
    api.workloads["w1"] = PODS
    api.blocked.add("w1")

    with pytest.raises(OperationError, match=r"4 pods did not leave within 7 s: shop/web-1, .*") as caught:
        drain(kubectl, "w1", seconds=7)

    assert "disruption budget" in caught.value.why
    assert api.nodes["w1"]["spec"]["unschedulable"]
    assert [words[-1] for words in api.writes if words[0] == "drain"] == ["--timeout=7s"]


def test_a_node_is_forgotten_once() -> None:
    """With pods that no kubelet is left to end; again there is nothing to say."""
    api, kubectl, _ = an_api()
    api.register("w1", "v1.34.1", ready=True, address="10.0.1.1", machine_id="1")
    api.workloads["w1"] = PODS

    assert forget_node(kubectl, "w1") == ["Node object removed"]
    assert (api.nodes, api.workloads) == ({}, {})
    assert forget_node(kubectl, "w1") == []


@pytest.mark.parametrize(
    ("before", "after", "writes"),
    [
        (None, None, 0),  # a release without the list
        ({}, {}, 0),
        ({"apiEndpoints": None}, {"apiEndpoints": None}, 0),
        ({"apiEndpoints": {"cp10": {}}}, {"apiEndpoints": {"cp10": {}}}, 0),  # its name is longer
        ({"apiEndpoints": {"cp1": {}, "cp2": {}}, "kind": "x"}, {"apiEndpoints": {"cp2": {}}, "kind": "x"}, 1),
    ],
)
def test_kubeadms_list_of_control_planes(before: Any, after: Any, writes: int) -> None:
    """Only its own entry goes, and nothing is written where there is none."""
    api, kubectl, _ = an_api()
    api.cluster_status = before

    forget_control_plane(kubectl, "cp1")
    forget_control_plane(kubectl, "cp1")

    assert api.cluster_status == after
    assert len(api.writes) == writes


def test_a_control_plane_comes_onto_kubeadms_list_once() -> None:
    """Where there is a list; a second time nothing is written."""
    api, kubectl, _ = an_api()
    remember_control_plane(kubectl, "cp1", "10.0.0.1")
    assert api.cluster_status is None

    api.cluster_status = {"apiEndpoints": {}, "kind": "ClusterStatus"}
    remember_control_plane(kubectl, "cp1", "10.0.0.1")
    remember_control_plane(kubectl, "cp1", "10.0.0.1")

    assert api.cluster_status["apiEndpoints"] == {"cp1": {"advertiseAddress": "10.0.0.1", "bindPort": 6443}}
    assert len(api.writes) == 1
