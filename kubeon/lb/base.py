"""What a way to the API says of itself."""

from dataclasses import dataclass
from typing import Protocol

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
        """Names and addresses in the API server's certificate that this way needs."""
        ...
