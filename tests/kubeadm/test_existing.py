"""What plain kubeadm has written about a cluster, read."""

from typing import Any

import pytest
import yaml

from kubeon.kubeadm.existing import ExistingCluster, kubelet_config_names, read_existing


def a_node(**changes: Any) -> dict[str, Any]:
    """A worker."""
    info = {"kubeletVersion": "v1.20.2", "containerRuntimeVersion": "containerd://1.6.20", "machineID": "m"}
    addresses = [{"type": "Hostname", "address": "w1"}, {"type": "InternalIP", "address": "10.0.1.1"}]
    return {"metadata": {"labels": {}}, "spec": {}, "status": {"nodeInfo": info, "addresses": addresses}} | changes


def read(kubelet: str = "", **config: Any) -> ExistingCluster:
    """With one worker."""
    document = {"kubernetesVersion": "v1.20.2", "networking": {"podSubnet": "10.244.0.0/16"}, **config}
    return read_existing(yaml.safe_dump(document), kubelet, {"w1": a_node()})


def test_defaults_are_kubeadms() -> None:
    """What nobody wrote."""
    found = read()

    assert (found.service_subnet, found.dns_domain, found.cgroup_driver) == ("10.96.0.0/12", "cluster.local", "")
    assert (found.endpoint, found.sans, found.problems) == ("", (), ())
    assert found.nodes[0].address == "10.0.1.1"
    assert not found.nodes[0].control_plane
    assert found.nodes[0].schedulable


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [("lb.example.org", "lb.example.org:6443"), ("lb.example.org:8443", "lb.example.org:8443"), ("10.0.0.1:6443",) * 2],
)
def test_an_endpoint_without_a_port_has_kubeadms(text: str, endpoint: str) -> None:
    """As `kubeadm init --control-plane-endpoint` takes it."""
    assert read(controlPlaneEndpoint=text).endpoint == endpoint


@pytest.mark.parametrize("role", ["master", "control-plane"])
def test_control_planes_are_told_by_either_label(role: str) -> None:
    """Up to 1.23 `master`, from 1.24 on `control-plane`."""
    node = a_node(metadata={"labels": {f"node-role.kubernetes.io/{role}": ""}}, spec={"unschedulable": True})

    found = read_existing(yaml.safe_dump({"kubernetesVersion": "v1.20.2"}), "cgroupDriver: systemd", {"cp1": node})

    assert found.nodes[0].control_plane
    assert not found.nodes[0].schedulable
    assert found.cgroup_driver == "systemd"


@pytest.mark.parametrize("configuration", ["", "- a\n", "a: [", "text"])
def test_what_is_no_configuration_is_a_problem(configuration: str) -> None:
    """Whoever made that cluster, it was not kubeadm."""
    found = read_existing(configuration, "", {})

    assert "no ClusterConfiguration" in found.problems[0]


def test_the_kubelets_configmap_has_two_names() -> None:
    """With the minor release until 1.23."""
    assert kubelet_config_names("v1.20.2") == ("kubelet-config", "kubelet-config-1.20")


# Of kubeadm 1.37, with three fields that a user has set.
KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 0s, enabled: true}}
authorization: {mode: Webhook, webhook: {cacheAuthorizedTTL: 0s}}
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionHard: {memory.available: 5%}
failCgroupV1: false
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
imageMaximumGCAge: 0s
kind: KubeletConfiguration
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {infoBufferSize: "0"}}, verbosity: 0}
maxPods: 200
memorySwap: {}
resolvConf: /run/systemd/resolve/resolv.conf
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
"""


def test_what_a_user_told_the_kubelets_is_told_from_what_kubeadm_did() -> None:
    """False is told, zero is not."""
    found = read(KUBELET)

    assert found.cgroup_driver == "systemd"
    assert found.kubelet == {"evictionHard": {"memory.available": "5%"}, "failCgroupV1": False, "maxPods": 200}
