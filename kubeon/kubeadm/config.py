"""kubeadm's configuration files, for every API version, from the spec and what only the operation knows.

Fields: cmd/kubeadm/app/apis/kubeadm/{v1beta2,v1beta3,v1beta4}/types.go, staging/src/k8s.io/kubelet/config/v1beta1 and
staging/src/k8s.io/kube-proxy/config/v1alpha1 in kubernetes/kubernetes. What is not said here is left to kubeadm.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kubeon import quick_yaml
from kubeon.kubeadm.components import kube_proxy_configuration, kubelet_configuration
from kubeon.spec.endpoints import API_PORT, Endpoint
from kubeon.spec.model import ClusterSpec, ExtraArgs, Role
from kubeon.spec.versions import (
    ca_validity,
    has_validity_periods,
    image_repository,
    kubeadm_api,
    lists_flags,
    parse_duration,
    signing_duration_flag,
)

TOKEN_TTL = timedelta(hours=2)
SHUTDOWN_DELAY = 5
"""Seconds for which an API server that was asked to end goes on serving, but is not ready any more and has left the
endpoints: so load balancers and kube-proxy hear of it before its port is closed (kubernetes/kubernetes#74416)."""


@dataclass(frozen=True)
class NodeHandoff:
    """What the operation knows about one node and the cluster, and the spec does not say.

    Discovery is by token and `ca_hash`, or by `discovery_file`, a path on the host (see `discovery_kubeconfig`);
    the token is what the kubelet asks for its certificate with in both cases.
    """

    name: str
    address: str
    endpoint: str  # host:port by which nodes reach the API
    token: str = field(repr=False)
    cri_socket: str
    ca_hash: str = ""  # "sha256:..."
    discovery_endpoint: str = ""  # host:port to join through, when it is not the endpoint
    discovery_file: str = ""
    cgroup_driver: str = "systemd"
    cgroup_v1: bool = False  # a host of the cluster has cgroup v1
    image_repository: str = ""  # where it is not the release's own
    keep_conntrack: bool = False  # hosts where the limits of conntrack cannot be set (containers as hosts)
    certificate_sans: tuple[str, ...] = ()  # of the load balancer, besides those of the spec
    plugin_args: ExtraArgs = field(default_factory=ExtraArgs)  # flags the network plug-in wants; the spec's win
    kubelet: Mapping[str, object] = field(default_factory=dict)  # fields the hosts want; the spec's win
    kubelet_args: Mapping[str, str] = field(default_factory=dict)  # flags of this node's kubelet


def init_config(spec: ClusterSpec, node: NodeHandoff) -> str:
    """The file for `kubeadm init --config`."""
    return _documents(
        _init_configuration(spec, node),
        _cluster_configuration(spec, node),
        kubelet_configuration(spec, node.kubelet, cgroup_driver=node.cgroup_driver, cgroup_v1=node.cgroup_v1),
        kube_proxy_configuration(spec, keep_conntrack=node.keep_conntrack),
    )


def join_config(spec: ClusterSpec, node: NodeHandoff, role: Role) -> str:
    """The file for `kubeadm join --config`. A control plane needs the CAs in place: no certificate key is used."""
    control_plane = role is Role.CONTROL_PLANE
    document = {
        **_type(spec, "JoinConfiguration"),
        "discovery": _discovery(node),
        "nodeRegistration": _registration(spec, node, control_plane=control_plane),
    }
    if control_plane:
        document["controlPlane"] = {"localAPIEndpoint": _local_endpoint(node)}
    return _documents(document)


def token_config(spec: ClusterSpec, node: NodeHandoff) -> str:
    """The file for `kubeadm token create --config` on a control plane: the token in it, not on a command line.

    It says the version too, or kubeadm would look on the Internet for the newest.
    """
    cluster = {**_type(spec, "ClusterConfiguration"), "kubernetesVersion": spec.version}
    return _documents(_init_configuration(spec, node), cluster)


def discovery_kubeconfig(server: str, ca: bytes) -> str:
    """A discovery file: where the API is (https://host:port) and which CA (PEM) to trust; no credentials.

    The shape is that of the ConfigMap kube-public/cluster-info: one cluster without a name. A context without a user
    would be refused (clientcmd.Validate).
    """
    data = base64.b64encode(ca).decode()
    cluster = {"server": server, "certificate-authority-data": data}
    return _documents({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]})


def go_duration(duration: timedelta) -> str:
    """A duration as Go writes it: "876000h0m0s"."""
    seconds = int(duration.total_seconds())
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"


def _init_configuration(spec: ClusterSpec, node: NodeHandoff) -> dict[str, Any]:
    return {
        **_type(spec, "InitConfiguration"),
        "bootstrapTokens": [{"token": node.token, "ttl": go_duration(TOKEN_TTL), "description": "kubeon"}],
        "localAPIEndpoint": _local_endpoint(node),
        "nodeRegistration": _registration(spec, node, control_plane=True),
    }


def _cluster_configuration(spec: ClusterSpec, node: NodeHandoff) -> dict[str, Any]:
    validity = parse_duration(spec.certificates.validity)
    manager = {
        signing_duration_flag(spec.kubernetes): go_duration(validity),
        "node-cidr-mask-size": str(spec.networking.node_mask_size),
    }
    server = {"shutdown-delay-duration": f"{SHUTDOWN_DELAY}s"}
    plugin, user = node.plugin_args, spec.extra_args
    document: dict[str, Any] = {
        **_type(spec, "ClusterConfiguration"),
        "kubernetesVersion": spec.version,
        "controlPlaneEndpoint": node.endpoint,
        "imageRepository": node.image_repository or image_repository(spec.kubernetes),
        "networking": {
            "dnsDomain": spec.networking.dns_domain,
            "podSubnet": str(spec.networking.pod_subnet),
            "serviceSubnet": str(spec.networking.service_subnet),
        },
        "apiServer": {
            "certSANs": _names(spec, node),
            **_extra_args(spec, server | plugin.api_server | user.api_server),
        },
        "controllerManager": _extra_args(spec, manager | plugin.controller_manager | user.controller_manager),
        "scheduler": _extra_args(spec, plugin.scheduler | user.scheduler),
        "etcd": {"local": {"dataDir": "/var/lib/etcd", **_extra_args(spec, plugin.etcd | user.etcd)}},
    }
    if has_validity_periods(kubeadm_api(spec.kubernetes)):
        document["certificateValidityPeriod"] = go_duration(validity)
        document["caCertificateValidityPeriod"] = go_duration(ca_validity(validity))
    return document


def _registration(spec: ClusterSpec, node: NodeHandoff, *, control_plane: bool) -> dict[str, Any]:
    flags = {"node-ip": node.address, **node.kubelet_args}
    registration: dict[str, Any] = {
        "name": node.name,
        "criSocket": node.cri_socket,
        "kubeletExtraArgs": _flags(spec, flags),
    }
    if control_plane and spec.schedulable_control_planes:
        registration["taints"] = []  # not saying anything would mean kubeadm's own taints
    return registration


def _discovery(node: NodeHandoff) -> dict[str, Any]:
    if node.discovery_file:
        return {"file": {"kubeConfigPath": node.discovery_file}, "tlsBootstrapToken": node.token}
    return {
        "bootstrapToken": {
            "apiServerEndpoint": node.discovery_endpoint or node.endpoint,
            "caCertHashes": [node.ca_hash],
            "token": node.token,
        }
    }


def _local_endpoint(node: NodeHandoff) -> dict[str, Any]:
    return {"advertiseAddress": node.address, "bindPort": API_PORT}


def _names(spec: ClusterSpec, node: NodeHandoff) -> list[str]:
    endpoint = Endpoint.parse(node.endpoint).host
    names = ("127.0.0.1", "localhost", endpoint, *node.certificate_sans, *spec.certificates.sans)
    return list(dict.fromkeys(names))


def _extra_args(spec: ClusterSpec, flags: Mapping[str, str]) -> dict[str, Any]:
    return {"extraArgs": _flags(spec, flags)} if flags else {}


def _flags(spec: ClusterSpec, flags: Mapping[str, str]) -> dict[str, str] | list[dict[str, str]]:
    """A list or a mapping."""
    ordered = sorted(flags.items())
    if lists_flags(kubeadm_api(spec.kubernetes)):
        return [{"name": name, "value": value} for name, value in ordered]
    return dict(ordered)


def _type(spec: ClusterSpec, kind: str) -> dict[str, Any]:
    return {"apiVersion": f"kubeadm.k8s.io/{kubeadm_api(spec.kubernetes)}", "kind": kind}


def _documents(*documents: Mapping[str, Any]) -> str:
    return quick_yaml.dump(*documents, sort_keys=False, width=120)
