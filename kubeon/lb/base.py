"""What a way to the API says of itself."""

from dataclasses import dataclass
from typing import Protocol

from kubeon.hosts.files import File
from kubeon.spec.material import ImageArtifact
from kubeon.spec.model import ClusterSpec, NodeSpec

API_PORT = 6443


@dataclass(frozen=True)
class Endpoint:
    """host:port by which nodes and kubeconfigs reach the API; kubeadm's controlPlaneEndpoint."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


class LoadBalancerMode(Protocol):
    """One `loadBalancer.mode`."""

    name: str
    is_outside: bool  # it is somebody else's, and works, or does not, before any node has joined
    where_to_look: str  # when `check` does not come to say yes

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """(path in cluster.yaml, what is wrong) of everything this mode cannot do."""
        ...

    def warnings(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What works and has a price that the user should know before."""
        ...

    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """The same for every node, and for ever: it stands in every kubeconfig."""
        ...

    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """(address, name) lines for kubeon's block in this node's /etc/hosts."""
        ...

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """Names and addresses in the API server's certificate that this way needs, besides the node's own.

        The same whoever is a member: otherwise a new node would mean new certificates on all others.
        """
        ...

    def images(self, spec: ClusterSpec) -> tuple[ImageArtifact, ...]:
        """Images beyond kubeadm's."""
        ...

    def files(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """What a node holds for its way to the API, static pods included."""
        ...

    def lists(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """Those of `files` that name control planes: the only ones that are written when members come and go."""
        ...

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """A script, read-only, that asks whether a node's way leads to the API; "" when there is nothing to ask.

        Exit code 0: it knows just these control planes, and one of them answers. Then it may print how it sees them:
        "10.0.0.1:6443 UP ..., 10.0.0.2:6443 DOWN ...". Else it prints one line why: 1.
        """
        ...

    def ports(self, spec: ClusterSpec, node: NodeSpec) -> tuple[int, ...]:
        """Ports that must be free on the node for this way, besides Kubernetes' own."""
        ...


def without_address(spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
    """The problem of an address that would be ignored, which nobody who wrote one expects."""
    if not spec.load_balancer.address:
        return ()
    mode = spec.load_balancer.mode
    return (("loadBalancer.address", f"mode {mode} takes no address; write mode: external, or no address"),)


class Plain:
    """What ways answer that put nothing on nodes."""

    is_outside = False
    where_to_look = ""

    def images(self, spec: ClusterSpec) -> tuple[ImageArtifact, ...]:
        """None."""
        del spec
        return ()

    def files(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """None."""
        del spec, node
        return ()

    def lists(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """None."""
        del spec, node
        return ()

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """Nothing to ask."""
        del spec, node
        return ""

    def ports(self, spec: ClusterSpec, node: NodeSpec) -> tuple[int, ...]:
        """None."""
        del spec, node
        return ()
