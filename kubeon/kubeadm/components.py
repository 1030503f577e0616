"""Configuration of the kubelet and of kube-proxy, which kubeadm puts into the cluster for all nodes."""

from collections.abc import Mapping
from typing import Any

from kubeon.spec.model import ClusterSpec
from kubeon.spec.versions import has_no_swap_behavior, refuses_cgroup_v1


def kubelet_configuration(
    spec: ClusterSpec, wanted: Mapping[str, object], *, cgroup_driver: str, cgroup_v1: bool
) -> dict[str, Any]:
    """KubeletConfiguration: kubeon's fields, then `wanted` of the hosts, then those of the spec.

    serverTLSBootstrap stays unset: with it the kubelet would not use the serving certificate that is put in place.
    """
    document: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": cgroup_driver,
        "rotateCertificates": True,
    }
    if spec.hosts.swap == "keep":
        document["failSwapOn"] = False
        if has_no_swap_behavior(spec.kubernetes):
            document["memorySwap"] = {"swapBehavior": "NoSwap"}  # the host's services may swap, pods do not
    if cgroup_v1 and refuses_cgroup_v1(spec.kubernetes):
        document["failCgroupV1"] = False
    return _merged(_merged(document, wanted), spec.kubelet)


def kube_proxy_configuration(spec: ClusterSpec, *, keep_conntrack: bool) -> dict[str, Any]:
    """KubeProxyConfiguration; the mode is Kubernetes' default.

    `keep_conntrack` leaves the kernel's limits as they are: in a container they cannot be set, and kube-proxy ends
    when it fails to set them.
    """
    document: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clusterCIDR": str(spec.networking.pod_subnet),
    }
    if keep_conntrack:
        document["conntrack"] = {"maxPerCore": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"}
    return document


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, field by field at every depth; `more` wins. Lists are replaced, as kubectl does with most of them."""
    result = dict(base)
    for name, value in more.items():
        below = result.get(name)
        result[name] = _merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
