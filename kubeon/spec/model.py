"""cluster.yaml as frozen values. Names are kubeadm's where it has one (podSubnet, serviceSubnet, dnsDomain)."""

from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from kubeon.spec import rules
from kubeon.spec.fields import (
    Address,
    ClusterName,
    ComponentVersion,
    DnsName,
    Duration,
    Flags,
    HostPort,
    JumpHost,
    KeyPath,
    KubernetesVersion,
    Labels,
    Network,
    NodeName,
    Port,
    Registry,
    San,
    Url,
    UserName,
)
from kubeon.spec.versions import Version


class Model(BaseModel):
    """Frozen, strict about unknown fields, camelCase in YAML."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, str_strip_whitespace=True
    )


class Role(StrEnum):
    """What a node is for."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


class Login(Model):
    """How a host is reached. Passwords are not part of a cluster's description and are never stored."""

    user: UserName | None = Field(default=None, description="login name; default: root")
    port: Port | None = Field(default=None, description="SSH port; default: 22")
    key: KeyPath | None = Field(default=None, description="private key file on the control machine")
    jump: JumpHost | None = Field(default=None, description="jump host, [user@]address[:port]")


class SSH(Login):
    """How every host is reached, unless a node says otherwise."""

    strict_host_keys: bool = Field(
        default=False, description="refuse hosts whose key is not known yet, instead of learning it on first contact"
    )
    connect_timeout: Annotated[float, Field(gt=0, le=600)] = Field(default=10.0, description="seconds")


class NodeSpec(Model):
    """One member of the cluster, as wanted."""

    address: Address = Field(description="IPv4 address of the host, also its address inside the cluster")
    name: NodeName | None = Field(default=None, description="node name; default: the host's own hostname")
    role: Role = Field(description="control-plane, or worker")
    labels: Labels = Field(default={}, description="labels of the node in Kubernetes")
    ssh: Login = Field(default=Login(), description="how this host is reached, where it differs from the others")


class Networking(Model):
    """Networks of pods and Services."""

    plugin: str = Field(default="bridge", description="network plug-in")
    pod_subnet: Network = Field(default=IPv4Network("10.244.0.0/16"), description="addresses of pods")
    service_subnet: Network = Field(default=IPv4Network("10.96.0.0/12"), description="addresses of Services")
    dns_domain: DnsName = Field(default="cluster.local", description="domain of Services inside the cluster")
    node_mask_size: Annotated[int, Field(ge=16, le=28)] = Field(default=24, description="size of one node's pod range")


class LoadBalancer(Model):
    """How nodes reach the API."""

    mode: str = Field(default="haproxy", description="haproxy, updater, direct, or external")
    name: DnsName = Field(default="apiserver.cluster.local", description="the API's name on every node")
    address: HostPort | None = Field(
        default=None,
        description="host:port of an external load balancer; with updater: cluster IP of the API, :6443; "
        "default: the second of serviceSubnet",
    )


class Runtime(Model):
    """Container runtime."""

    name: str = Field(default="containerd", description="container runtime")
    cgroup_driver: Literal["auto", "systemd", "cgroupfs"] = Field(
        default="auto", description="auto: systemd where systemd is process 1"
    )


class Sources(Model):
    """Where material comes from when it is not in the store yet."""

    mirror: Url | None = Field(
        default=None, description="base URL that has the original URLs as paths: <mirror>/dl.k8s.io/release/..."
    )
    registry: Registry | None = Field(
        default=None,
        description="host[:port][/path] that has images under their upstream names; http:// for plain HTTP",
    )


class Components(Model):
    """Versions that differ from those kubeon would choose for the Kubernetes release."""

    containerd: ComponentVersion | None = Field(default=None, description="version of containerd")
    runc: ComponentVersion | None = Field(default=None, description="version of runc")
    cni_plugins: ComponentVersion | None = Field(default=None, description="version of the CNI plug-ins")
    crictl: ComponentVersion | None = Field(default=None, description="version of crictl")


class Certificates(Model):
    """Lifetimes."""

    validity: Duration = Field(
        default="100y", description="of every certificate: 100y, 1y, 365d, 8760h; CAs live ten years longer"
    )
    sans: tuple[San, ...] = Field(default=(), description="more names and addresses in the API server's certificate")


class HostPolicy(Model):
    """What may be done to hosts beside installing Kubernetes."""

    swap: Literal["off", "keep"] = Field(default="off", description="off: now and after a reboot")
    firewall: Literal["disable", "keep"] = Field(default="disable", description="firewalld and ufw")
    selinux: Literal["permissive", "keep"] = Field(default="permissive", description="SELinux where it is enforcing")
    time_sync: Literal["chrony", "keep"] = Field(
        default="chrony", description="chrony: install it where no other time service runs"
    )


class ExtraArgs(Model):
    """Flags handed to the components as they are, by name without dashes."""

    api_server: Flags = Field(default={}, description="flags of kube-apiserver")
    controller_manager: Flags = Field(default={}, description="flags of kube-controller-manager")
    scheduler: Flags = Field(default={}, description="flags of kube-scheduler")
    etcd: Flags = Field(default={}, description="flags of etcd")


class ClusterSpec(Model):
    """A whole cluster, as wanted."""

    name: ClusterName = Field(description="the cluster's name")
    version: KubernetesVersion = Field(description="Kubernetes release: v1.34.2")
    nodes: tuple[NodeSpec, ...] = Field(
        min_length=1, description="the members; the first control plane is where kubeadm init runs"
    )
    ssh: SSH = Field(default=SSH(), description="how hosts are reached")
    networking: Networking = Field(default=Networking(), description="networks of pods and Services")
    load_balancer: LoadBalancer = Field(default=LoadBalancer(), description="how nodes reach the API")
    runtime: Runtime = Field(default=Runtime(), description="container runtime")
    sources: Sources = Field(default=Sources(), description="where files and images come from")
    components: Components = Field(default=Components(), description="versions that differ from kubeon's choice")
    certificates: Certificates = Field(default=Certificates(), description="lifetimes and names of certificates")
    hosts: HostPolicy = Field(default=HostPolicy(), description="what may be changed on hosts")
    extra_args: ExtraArgs = Field(default=ExtraArgs(), description="flags for the control plane's components")
    kubelet: dict[str, object] = Field(default={}, description="fields merged into the KubeletConfiguration")
    schedulable_control_planes: bool = Field(default=False, description="let ordinary pods run on control planes")

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

    def with_nodes_of(self, other: "ClusterSpec") -> "ClusterSpec":
        """This one, and after its own nodes those that only the other one has."""
        had = {node.address for node in self.nodes}
        more = (node for node in other.nodes if node.address not in had)
        return self.model_copy(update={"nodes": (*self.nodes, *more)})

    def without(self, nodes: Iterable[NodeSpec]) -> "ClusterSpec":
        """This one without these nodes, which are told by their addresses."""
        gone = {node.address for node in nodes}
        return self.model_copy(update={"nodes": tuple(node for node in self.nodes if node.address not in gone)})

    @model_validator(mode="after")
    def _check(self) -> "ClusterSpec":
        problems = rules.problems_of(self)
        if problems:
            raise rules.ProblemsError(problems)
        return self
