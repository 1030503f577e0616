"""kubeadm's configuration files."""

from datetime import timedelta
from typing import Any

import pytest
import yaml

from kubeon.kubeadm.config import (
    NodeHandoff,
    discovery_kubeconfig,
    go_duration,
    init_config,
    join_config,
    token_config,
)
from kubeon.spec.model import ClusterSpec, ExtraArgs, Role
from tests.golden import assert_golden

VERSIONS = {"v1beta2": "v1.20.2", "v1beta3": "v1.28.5", "v1beta4": "v1.34.1"}


def a_spec(version: str = "v1.34.1", **fields: Any) -> ClusterSpec:
    """One control plane and one worker."""
    nodes = [
        {"address": "10.0.0.11", "name": "cp1", "role": "control-plane"},
        {"address": "10.0.0.21", "name": "w1", "role": "worker"},
    ]
    return ClusterSpec.model_validate({"name": "test", "version": version, "nodes": nodes, **fields})


def a_handoff(**fields: Any) -> NodeHandoff:
    """A node that joins by token."""
    values: dict[str, Any] = {
        "name": "cp1",
        "address": "10.0.0.11",
        "endpoint": "apiserver.cluster.local:6443",
        "token": "abcdef.0123456789abcdef",
        "ca_hash": "sha256:" + "0" * 64,
        "cri_socket": "unix:///run/containerd/containerd.sock",
    }
    return NodeHandoff(**{**values, **fields})


def documents(text: str) -> dict[str, Any]:
    """Parsed documents by kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize(("api", "version"), VERSIONS.items())
def test_init_is_as_reviewed(api: str, version: str) -> None:
    """Each API has its own form of the same cluster."""
    text = init_config(a_spec(version), a_handoff())

    assert_golden(text, f"kubeadm/init-{api}.yaml")
    parsed = documents(text)
    assert parsed["InitConfiguration"]["apiVersion"] == f"kubeadm.k8s.io/{api}"
    assert list(parsed) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
        "KubeProxyConfiguration",
    ]


@pytest.mark.parametrize(("api", "version"), VERSIONS.items())
@pytest.mark.parametrize("role", Role)
def test_join_is_as_reviewed(api: str, version: str, role: Role) -> None:
    """Only a control plane has an API endpoint of its own."""
    text = join_config(a_spec(version), a_handoff(name="n2", address="10.0.0.12"), role)

    assert_golden(text, f"kubeadm/join-{role}-{api}.yaml")
    assert ("controlPlane" in yaml.safe_load(text)) == (role is Role.CONTROL_PLANE)


def test_everything_set_is_as_reviewed() -> None:
    """Swap kept, conntrack kept, cgroup v1, schedulable control planes, flags for every component."""
    args = {name: {"v": "2"} for name in ("apiServer", "controllerManager", "scheduler", "etcd")}
    spec = a_spec(
        "v1.35.0",
        hosts={"swap": "keep"},
        schedulableControlPlanes=True,
        extraArgs=args,
        kubelet={"maxPods": 200, "evictionHard": {"memory.available": "5%"}},
        certificates={"validity": "1y", "sans": ["203.0.113.7"]},
    )
    node = a_handoff(
        cgroup_driver="cgroupfs",
        cgroup_v1=True,
        keep_conntrack=True,
        image_repository="registry.local:5000",
        plugin_args=ExtraArgs(controller_manager={"allocate-node-cidrs": "false", "v": "1"}),
        kubelet={"evictionHard": {"nodefs.available": "1%", "memory.available": "1%"}},
        kubelet_args={"v": "3"},
        certificate_sans=("10.103.97.2",),
    )

    assert_golden(init_config(spec, node), "kubeadm/init-everything.yaml")


def test_the_users_words_win() -> None:
    """Flags and kubelet fields of the spec override those of kubeon, hosts and plug-ins."""
    spec = a_spec(
        "v1.28.5",
        kubelet={"cgroupDriver": "cgroupfs"},
        extraArgs={"controllerManager": {"cluster-signing-duration": "24h"}},
    )
    parsed = documents(init_config(spec, a_handoff(kubelet={"cgroupDriver": "systemd"})))

    assert parsed["KubeletConfiguration"]["cgroupDriver"] == "cgroupfs"
    flags = parsed["ClusterConfiguration"]["controllerManager"]["extraArgs"]
    assert flags["cluster-signing-duration"] == "24h"


def test_a_discovery_file_replaces_the_hash() -> None:
    """With a file kubeadm needs no signed cluster-info; the token is for the kubelet's certificate only."""
    node = a_handoff(discovery_file="/etc/kubernetes/discovery.conf")
    discovery = yaml.safe_load(join_config(a_spec(), node, Role.WORKER))["discovery"]

    assert discovery == {
        "file": {"kubeConfigPath": "/etc/kubernetes/discovery.conf"},
        "tlsBootstrapToken": "abcdef.0123456789abcdef",
    }


def test_a_discovery_kubeconfig_has_one_unnamed_cluster() -> None:
    """kubeadm takes the cluster without a name and refuses a context without a user."""
    document = yaml.safe_load(discovery_kubeconfig("https://10.0.0.11:6443", b"PEM"))

    assert document["clusters"] == [
        {"name": "", "cluster": {"server": "https://10.0.0.11:6443", "certificate-authority-data": "UEVN"}}
    ]
    assert "contexts" not in document


def test_a_token_file_says_the_version() -> None:
    """Otherwise kubeadm asks the Internet for the newest release."""
    parsed = documents(token_config(a_spec("v1.20.2"), a_handoff()))

    assert parsed["ClusterConfiguration"]["kubernetesVersion"] == "v1.20.2"
    assert parsed["InitConfiguration"]["bootstrapTokens"][0]["token"] == "abcdef.0123456789abcdef"


def test_a_handoff_does_not_show_its_token() -> None:
    """It may end up in a log."""
    assert "abcdef" not in repr(a_handoff())


@pytest.mark.parametrize(
    ("duration", "text"),
    [(timedelta(days=36500), "876000h0m0s"), (timedelta(minutes=90), "1h30m0s"), (timedelta(hours=2), "2h0m0s")],
)
def test_durations_are_gos(duration: timedelta, text: str) -> None:
    """Go knows no days."""
    assert go_duration(duration) == text
