"""Hosts that belong to somebody else."""

from typing import Any

import pytest

from kubeon.hosts.marks import Mark
from tests.preflight.factory import MEMBER, a_spec, findings, some_facts, told


@pytest.mark.parametrize(
    "changes",
    [
        {"mark": Mark("b", "00ff")},
        {"mark": Mark("a", "1111"), "ca_fingerprint": "1111"},  # a namesake
        {"mark": Mark("a", "00ff"), "ca_fingerprint": "1111"},  # a namesake's certificates under our marker
        {"ca_fingerprint": "1111"},
        {"kubelet_kubeconfig": True},
        {"static_pods": ("etcd.yaml",)},
        {"etcd_data": True},
    ],
)
def test_another_clusters_host_is_refused(changes: dict[str, Any]) -> None:
    """Whatever the traces, and although "all" is ignored; only the very word makes it a warning."""
    spec, facts = a_spec(), some_facts(**changes)

    assert told(findings(spec, facts, ca_fingerprint="00ff")) == ["error AnotherCluster n1"]
    assert told(findings(spec, facts, ca_fingerprint="00ff", ignore=["all"])) == ["error AnotherCluster n1"]
    ignored = findings(spec, facts, ca_fingerprint="00ff", ignore=["anothercluster"])
    assert told(ignored) == ["warning AnotherCluster n1"]


@pytest.mark.parametrize(
    "changes",
    [
        MEMBER,
        {"mark": Mark("a", "00ff")},
        {"ca_fingerprint": "00ff", "etcd_data": True},  # interrupted before the marker was written
    ],
)
def test_our_own_host_passes(changes: dict[str, Any]) -> None:
    """Whole or half done, its components running, there is nothing to say."""
    units = frozenset({"kubelet", "containerd"})
    facts = some_facts(
        **changes, active_units=units, containers=9, ports_in_use={6443: "kube-apiserver"}, static_pods=("etcd.yaml",)
    )

    assert findings(a_spec(), facts, ca_fingerprint="00ff") == []


def test_a_lost_record_is_found_again_by_most_markers() -> None:
    """Without a known CA the one that most hosts name is ours; the odd one out is another's."""
    odd = some_facts(3, mark=Mark("a", "1111"), ca_fingerprint="1111", kubelet_kubeconfig=True)

    found = findings(a_spec(1, 2), some_facts(1, **MEMBER), some_facts(2, **MEMBER), odd)

    assert told(found) == ["error AnotherCluster n3"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"active_units": frozenset({"k3s"})}, ["error OtherKubernetes n1"]),
        ({"active_units": frozenset({"rke2-agent", "rke2-server"})}, ["error OtherKubernetes n1"]),
        ({"active_units": frozenset({"kubelet"})}, ["warning OtherKubernetes n1"]),
        ({"active_units": frozenset({"docker"})}, ["warning Docker n1"]),
        ({"active_units": frozenset({"crio"})}, ["warning CRIO n1"]),
        (
            {"active_units": frozenset({"containerd"}), "containerd_unit": "/lib/systemd/system/containerd.service"},
            ["warning Containerd n1"],
        ),
        (
            {
                "active_units": frozenset({"containerd"}),
                "containerd_unit": "/lib/systemd/system/containerd.service",
                "containers": 2,
            },
            ["error Containerd n1"],
        ),
        (
            {"active_units": frozenset({"containerd"}), "containerd_unit": "/etc/systemd/system/containerd.service"},
            [],
        ),
        ({"active_units": frozenset()}, []),
    ],
)
def test_other_installations(changes: dict[str, Any], wanted: list[str]) -> None:
    """Other distributions are refused; other runtimes may stay beside."""
    assert told(findings(a_spec(), some_facts(**changes))) == wanted
