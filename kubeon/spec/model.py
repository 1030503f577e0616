"""cluster.yaml as frozen values. Names are kubeadm's where it has one (podSubnet, serviceSubnet, dnsDomain)."""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from kubeon.spec.versions import Version, parse_duration

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Model(BaseModel):
    """Frozen, strict about unknown fields, camelCase in YAML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, str_strip_whitespace=True
    )


def _dns_label(value: str) -> str:
    if not DNS_LABEL.fullmatch(value):
        msg = "must be lower-case letters, digits and '-', at most 63, and begin and end with a letter or digit"
        raise ValueError(msg)
    return value


def _dns_name(value: str) -> str:
    if len(value) > 253 or not all(DNS_LABEL.fullmatch(label) for label in value.split(".")):
        msg = "must be a lower-case DNS name (labels of letters, digits and '-' joined by dots), at most 253 characters"
        raise ValueError(msg)
    return value


def _version(value: str) -> str:
    return str(Version.parse(value))


def _duration(value: str) -> str:
    parse_duration(value)
    return value


ClusterName = Annotated[str, AfterValidator(_dns_label)]
NodeName = Annotated[str, AfterValidator(_dns_name)]
DnsName = Annotated[str, AfterValidator(_dns_name)]
KubernetesVersion = Annotated[str, AfterValidator(_version)]
Duration = Annotated[str, AfterValidator(_duration)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Role(StrEnum):
    """What a node is for."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class Login(Model):
    """How a host is reached. Passwords are not part of a cluster's description and are never stored."""

    user: str | None = Field(default=None, description="login name; default: root")
    port: Port | None = Field(default=None, description="SSH port; default: 22")
    key: str | None = Field(default=None, description="private key file on the control machine")
    jump: str | None = Field(default=None, description="jump host, [user@]address[:port]")


class SSH(Login):
    """How every host is reached, unless a node says otherwise."""

    strict_host_keys: bool = Field(
        default=False, description="refuse hosts whose key is not known yet, instead of learning it on first contact"
    )
    connect_timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=10.0, description="seconds")


class NodeSpec(Model):
    """One member of the cluster, as wanted."""

    address: IPv4Address = Field(description="address of the host, also its address inside the cluster")
    name: NodeName | None = Field(default=None, description="node name; default: the host's own hostname")
    role: Role
    labels: dict[str, str] = {}
    ssh: Login = Login()


class Networking(Model):
    """Networks of pods and Services."""

    plugin: str = Field(default="bridge", description="network plug-in")
    pod_subnet: IPv4Network = IPv4Network("10.244.0.0/16")
    service_subnet: IPv4Network = IPv4Network("10.96.0.0/12")
    dns_domain: DnsName = "cluster.local"
    node_mask_size: Annotated[int, Field(ge=16, le=28)] = Field(default=24, description="size of one node's pod range")


class LoadBalancer(Model):
    """How nodes reach the API."""

    mode: str = Field(default="direct", description="direct, or external")
    name: DnsName = Field(default="apiserver.cluster.local", description="the API's name on every node")
    address: str | None = Field(default=None, description="host:port of an external load balancer")


class Runtime(Model):
    """Container runtime."""

    name: str = "containerd"
    cgroup_driver: Literal["auto", "systemd", "cgroupfs"] = "auto"


class Sources(Model):
    """Where material comes from when it is not in the store yet."""

    mirror: str | None = Field(
        default=None, description="base URL that has the original URLs as paths: <mirror>/dl.k8s.io/release/..."
    )
    registry: str | None = Field(
        default=None,
        description="host[:port][/path] that has images under their upstream names; http:// for plain HTTP",
    )


class Components(Model):
    """Versions that differ from those kubeon would choose for the Kubernetes release."""

    containerd: str | None = None
    runc: str | None = None
    cni_plugins: str | None = None
    crictl: str | None = None


class Certificates(Model):
    """Lifetimes."""

    validity: Duration = Field(default="100y", description="of every certificate and CA: 100y, 1y, 365d, 8760h")
    sans: tuple[str, ...] = Field(default=(), description="more names and addresses in the API server's certificate")


class HostPolicy(Model):
    """What may be done to hosts beside installing Kubernetes."""

    swap: Literal["off", "keep"] = "off"
    firewall: Literal["disable", "keep"] = "disable"
    selinux: Literal["permissive", "keep"] = "permissive"
    time_sync: Literal["chrony", "keep"] = Field(
        default="chrony", description="chrony: install it where no other time service runs"
    )


class ExtraArgs(Model):
    """Flags handed to the components as they are, by name without dashes."""

    api_server: dict[str, str] = {}
    controller_manager: dict[str, str] = {}
    scheduler: dict[str, str] = {}
    etcd: dict[str, str] = {}


class ClusterSpec(Model):
    """A whole cluster, as wanted."""

    name: ClusterName
    version: KubernetesVersion
    nodes: tuple[NodeSpec, ...] = Field(min_length=1)
    ssh: SSH = SSH()
    networking: Networking = Networking()
    load_balancer: LoadBalancer = LoadBalancer()
    runtime: Runtime = Runtime()
    sources: Sources = Sources()
    components: Components = Components()
    certificates: Certificates = Certificates()
    hosts: HostPolicy = HostPolicy()
    extra_args: ExtraArgs = ExtraArgs()
    kubelet: dict[str, object] = Field(default={}, description="fields merged into the KubeletConfiguration")
    schedulable_control_planes: bool = False

    @property
    def kubernetes(self) -> Version:
        """The Kubernetes release, comparable."""
        return Version.parse(self.version)

    @property
    def control_planes(self) -> tuple[NodeSpec, ...]:
        """The control-plane nodes; the first is where `kubeadm init` runs when there is no cluster yet."""
        return tuple(node for node in self.nodes if node.role is Role.CONTROL_PLANE)

    @property
    def workers(self) -> tuple[NodeSpec, ...]:
        """The worker nodes."""
        return tuple(node for node in self.nodes if node.role is Role.WORKER)

    @model_validator(mode="after")
    def _check(self) -> "ClusterSpec":
        problems = list(_node_problems(self)) + list(_network_problems(self))
        if problems:
            raise ProblemsError(problems)
        return self


class ProblemsError(ValueError):
    """Several problems of the whole description, each with its path."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" for path, text in problems))
        self.problems = problems


def _node_problems(spec: ClusterSpec) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    if not spec.control_planes:
        problems.append(("nodes", "no control plane: give at least one node with role control-plane (-m ADDRESS)"))
    for attribute in ("address", "name"):
        seen: dict[object, int] = {}
        for index, node in enumerate(spec.nodes):
            value = getattr(node, attribute)
            if value is not None and value in seen:
                problems.append((f"nodes.{index}.{attribute}", f"{value} is nodes.{seen[value]}.{attribute} already"))
            elif value is not None:
                seen[value] = index
    return problems


def _network_problems(spec: ClusterSpec) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    pods, services = spec.networking.pod_subnet, spec.networking.service_subnet
    if pods.overlaps(services):
        problems.append(("networking.podSubnet", f"{pods} overlaps networking.serviceSubnet {services}"))
    for index, node in enumerate(spec.nodes):
        for path, network in (("podSubnet", pods), ("serviceSubnet", services)):
            if node.address in network:
                problems.append((f"nodes.{index}.address", f"{node.address} lies in networking.{path} {network}"))
    mask = spec.networking.node_mask_size
    if mask < pods.prefixlen or 2 ** (mask - pods.prefixlen) < len(spec.nodes):
        problems.append(
            ("networking.nodeMaskSize", f"{pods} has no room for {len(spec.nodes)} nodes with a /{mask} each")
        )
    if spec.load_balancer.mode == "external" and not spec.load_balancer.address:
        problems.append(("loadBalancer.address", "mode external needs the address of the load balancer, host:port"))
    return problems
