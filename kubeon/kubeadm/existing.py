"""A cluster that plain kubeadm has made, read from its own objects: what kubeon has to know to look after it.

ClusterConfiguration is in the ConfigMap kubeadm-config, the kubelets' common configuration in kubelet-config (before
1.24 kubelet-config-1.X). Fields: cmd/kubeadm/app/apis/kubeadm/{v1beta2,v1beta3,v1beta4}/types.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kubeon import quick_yaml
from kubeon.spec.endpoints import api_server
from kubeon.spec.versions import OLDEST, Version

PKI = "/etc/kubernetes/pki"
ETCD_DATA = "/var/lib/etcd"
# Of KubeletConfiguration: what has a place of its own in the description, and what kubeadm fills in for every cluster
# (cmd/kubeadm/app/componentconfigs/kubelet.go).
_NOT_SETTINGS = frozenset(
    {
        *("apiVersion", "kind", "cgroupDriver", "containerRuntimeEndpoint", "resolvConf"),
        *("authentication", "authorization", "clusterDNS", "clusterDomain", "healthzBindAddress", "healthzPort"),
        *("rotateCertificates", "staticPodPath"),
    }
)
_ROLES = tuple(f"node-role.kubernetes.io/{name}" for name in ("control-plane", "master"))


@dataclass(frozen=True)
class ExistingNode:
    """A member, by its Node object."""

    name: str
    address: str  # InternalIP
    control_plane: bool
    version: str  # of its kubelet
    runtime: str  # containerd://1.6.20
    machine_id: str
    schedulable: bool


@dataclass(frozen=True)
class ExistingCluster:
    """`problems` is what kubeon cannot look after; nothing else here means much where there are any."""

    version: str
    endpoint: str  # host:port, "" where kubeadm-config has none
    pod_subnet: str  # "" where kubeadm was not told
    service_subnet: str
    dns_domain: str
    sans: tuple[str, ...]  # more names in the API server's certificate
    image_repository: str
    cgroup_driver: str  # of the kubelets, "" where nobody says it
    kubelet: Mapping[str, object]  # what else they were told
    nodes: tuple[ExistingNode, ...]
    problems: tuple[str, ...]


def read_existing(configuration: str, kubelet: str, nodes: Mapping[str, Mapping[str, Any]]) -> ExistingCluster:
    """Read the two documents (YAML) and the Node objects by name."""
    config, kubelets = _mapping(configuration), _mapping(kubelet)
    version, networking = str(config.get("kubernetesVersion", "")), config.get("networking") or {}
    members = tuple(_node(name, node) for name, node in nodes.items())
    pods, services = str(networking.get("podSubnet", "")), str(networking.get("serviceSubnet", "10.96.0.0/12"))
    problems = [
        *([] if config else ["it has no ClusterConfiguration in the ConfigMap kube-system/kubeadm-config"]),
        *_version_problems(version, members),
        *_layout_problems(config),
        *(
            f"{what} {text}: IPv6 is not supported yet"
            for what, text in (("pods", pods), ("Services", services))
            if ":" in text
        ),
        *(problem for node in members for problem in _node_problems(node)),
    ]
    return ExistingCluster(
        version=version,
        endpoint=_endpoint(str(config.get("controlPlaneEndpoint", ""))),
        pod_subnet=pods,
        service_subnet=services,
        dns_domain=str(networking.get("dnsDomain", "cluster.local")),
        sans=tuple(str(name) for name in (config.get("apiServer") or {}).get("certSANs") or ()),
        image_repository=str(config.get("imageRepository", "")),
        cgroup_driver=str(kubelets.get("cgroupDriver") or ""),
        kubelet=kubelet_settings(kubelet),
        nodes=members,
        problems=tuple(problems),
    )


def kubelet_config_names(version: str) -> tuple[str, ...]:
    """Names that the kubelets' ConfigMap may have in a release (kubernetes/kubernetes#105741), the likely one first."""
    minor = ".".join(version.removeprefix("v").split(".")[:2])
    return ("kubelet-config", f"kubelet-config-{minor}")


def kubelet_settings(kubelet: str) -> dict[str, object]:
    """What a KubeletConfiguration (YAML) says beyond kubeadm's defaults, as the description's `kubelet` has it."""
    settings = {name: _told(value) for name, value in _mapping(kubelet).items() if name not in _NOT_SETTINGS}
    return {name: value for name, value in settings.items() if value is not None}


def _told(value: object) -> object:
    """Without what Go writes for fields that nobody has set; None when that is all of it."""
    if isinstance(value, Mapping):
        told = {name: below for name, each in value.items() if (below := _told(each)) is not None}
        return told or None
    unset = value is None or value in ("", "0", "0s", []) or (value == 0 and value is not False)
    return None if unset else value


def _version_problems(version: str, nodes: tuple[ExistingNode, ...]) -> list[str]:
    try:
        Version.parse(version)
    except ValueError as error:
        supported = f"kubeon looks after v{OLDEST[0]}.{OLDEST[1]} and newer"
        return [f"its version: {error}" if version else f"its version is not known; {supported}"]
    mixed = [f"{node.name} {node.version}" for node in nodes if node.version != version]
    how = "finish that upgrade first, with kubeadm"
    return [f"the cluster is {version}, but the kubelet of {', '.join(mixed)}: {how}"] if mixed else []


def _layout_problems(config: Mapping[str, Any]) -> list[str]:
    etcd = config.get("etcd") or {}
    folder = str(config.get("certificatesDir") or PKI).rstrip("/")
    data = str((etcd.get("local") or {}).get("dataDir") or ETCD_DATA).rstrip("/")
    found = []
    if etcd.get("external"):
        found.append("its etcd is an external one; kubeon looks after etcd on the control planes only")
    if folder != PKI:
        found.append(f"its certificates are in {folder}; kubeon knows {PKI} only")
    if data != ETCD_DATA:
        found.append(f"etcd's data is in {data}; kubeon knows {ETCD_DATA} only")
    return found


def _node_problems(node: ExistingNode) -> list[str]:
    found = []
    if not node.address or ":" in node.address:
        found.append(f"node {node.name} has no IPv4 address of type InternalIP")
    if not node.runtime.startswith("containerd://"):
        found.append(f"node {node.name} runs on {node.runtime.partition(':')[0] or 'nothing known'}, not on containerd")
    return found


def _node(name: str, node: Mapping[str, Any]) -> ExistingNode:
    status, labels = node.get("status", {}), node.get("metadata", {}).get("labels") or {}
    info = status.get("nodeInfo", {})
    addresses = [each["address"] for each in status.get("addresses", []) if each.get("type") == "InternalIP"]
    return ExistingNode(
        name=name,
        address=next((address for address in addresses if ":" not in address), ""),
        control_plane=any(role in labels for role in _ROLES),
        version=str(info.get("kubeletVersion", "")),
        runtime=str(info.get("containerRuntimeVersion", "")),
        machine_id=str(info.get("machineID", "")),
        schedulable=not node.get("spec", {}).get("unschedulable"),
    )


def _endpoint(text: str) -> str:
    """kubeadm takes a host without a port, and means its own then."""
    return str(api_server(text)) if text and ":" not in text else text


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = quick_yaml.load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}
