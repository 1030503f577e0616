"""What the phases of one operation share: what is wanted, plug-ins, material, and what one leaves for another."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, ClassVar

from kubeon.bundle.catalogue import Material
from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.cni.base import Cni
from kubeon.cri.base import Cri, cgroup_driver
from kubeon.distros import Family
from kubeon.engine.events import Reporter
from kubeon.engine.phase import Phase
from kubeon.etcd.members import Etcd
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import Kubectl
from kubeon.lb.base import LoadBalancerMode
from kubeon.pki.authorities import Authorities
from kubeon.spec.endpoints import api_server
from kubeon.spec.model import ClusterSpec, Role
from kubeon.state.cluster import ClusterState


@dataclass
class Cluster:
    """The context of an operation. Only the fields under "handoff" change while phases run."""

    spec: ClusterSpec
    state: ClusterState
    hosts: tuple[Host, ...]
    families: Mapping[str, Family]  # by host
    first: Host | None  # where `kubeadm init` runs, or a member that answers; None when every host is gone
    store: Store
    registry: Registry
    cri: Cri
    cni: Cni
    lb: LoadBalancerMode
    reporter: Reporter
    # what `destroy` does without
    authorities: Authorities | None = None
    login_key: bytes = b""  # a new private key of the cluster's own; empty when there is one on record
    public_key: str = ""  # its public half, as authorized_keys wants it
    materials: Mapping[str, Material] = field(default_factory=dict)  # by architecture
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # Node objects, where an API answers
    pod_ranges: Mapping[str, IPv4Network] = field(default_factory=dict)  # by node, where the plug-in wants them
    ignored: frozenset[str] = frozenset()  # preflight checks that may fail
    verified: bool = False  # this very spec was verified before
    members: frozenset[str] = frozenset()  # hosts that are members already, and that the operation is not about

    # handoff
    join_token: str = ""
    joined: bool = False  # a node has joined in this operation
    grew_from_one: bool = False  # etcd had one member before, and has more now
    answered: set[str] = field(default_factory=set)  # control planes that have joined, and that were waited for
    registered: set[str] = field(default_factory=set)  # nodes whose Node object is as wanted
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def api(self) -> Kubectl:
        """kubectl on the bootstrap node."""
        return Kubectl(self.bootstrap)

    @property
    def bootstrap(self) -> Host:
        """The bootstrap node, or a member that answers."""
        assert self.first is not None  # noqa: S101 - only `destroy` goes on without hosts, and does not ask
        return self.first

    @property
    def etcd(self) -> Etcd:
        """etcd as the bootstrap node's member sees it."""
        return Etcd(self.bootstrap, self.cri.inside_script)

    @property
    def ca(self) -> Authorities:
        """The cluster's CAs."""
        assert self.authorities is not None  # noqa: S101 - every operation that issues certificates has them
        return self.authorities

    @property
    def user_server(self) -> str:
        """Where a user's kubectl finds the API: a load balancer outside, or the bootstrap node by its address."""
        if self.lb.is_outside:
            return f"https://{self.spec.load_balancer.address}"
        return api_server(self.bootstrap.address).url

    def commit_identity(self) -> None:
        """Write CAs and login key down before any host gets to know them."""
        if not self.state.read_pki():
            self.state.write_pki(self.ca.to_files())
        if self.login_key:
            self.state.write_key(self.login_key, self.public_key)

    def once(self, make: Callable[[], None]) -> None:
        """Do something that several lanes need and only the first one shall do."""
        with self._lock:
            make()

    def material(self, host: Host) -> Material:
        """What this host's architecture needs."""
        return self.materials[host.facts.architecture]

    def cgroup_driver(self, host: Host) -> str:
        """What the kubelet and the runtime of this host use."""
        return cgroup_driver(self.spec, host.facts)

    def is_control_plane(self, host: Host) -> bool:
        """By what is wanted."""
        return host.node.role is Role.CONTROL_PLANE


class Step(Phase[Cluster, Host]):
    """A phase of kubeon's. Members that the operation is not about take part only where a phase says so."""

    reaches_members: ClassVar[bool] = False

    def takes_part(self, ctx: Cluster, host: Host) -> bool:
        """Those it concerns, and of the members none unless it reaches them."""
        return (self.reaches_members or host.name not in ctx.members) and self.concerns(ctx, host)
