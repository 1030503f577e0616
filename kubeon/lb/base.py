"""What an API load balancer says of itself."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.spec.endpoints import Endpoint
from kubeon.spec.material import ImageArtifact
from kubeon.spec.model import ClusterSpec, NodeSpec

PROGRAM_DIGEST = "kubeon.io/program"  # annotation of pods that run a program of ours in an official image
DETOUR = 3  # exit code of a check: the API is reached, but not by what is meant to lead there


@dataclass(frozen=True)
class Workload:
    """What a mode has in the cluster: a Service with a fixed address, and a Deployment of the same namespace."""

    namespace: str
    service: str
    address: str
    deployment: str
    image: str
    program: str  # a digest, which the Deployment's pods bear as an annotation


class LoadBalancerMode(ABC):
    """One `loadBalancer.mode`. What a mode does not say is that of one which puts nothing on nodes."""

    name: str
    is_outside = False  # it is somebody else's, and works, or does not, before any node has joined
    where_to_look = ""  # when `check` does not come to say yes

    @abstractmethod
    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """(path in cluster.yaml, what is wrong) of everything this mode cannot do."""

    def warnings(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What works and has a price that the user should know before."""
        del spec
        return ()

    @abstractmethod
    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """kubeadm's controlPlaneEndpoint: the same for every node, and for ever, as it stands in every kubeconfig."""

    @abstractmethod
    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """(address, name) lines for kubeon's block in this node's /etc/hosts."""

    @abstractmethod
    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """Names and addresses in the API server's certificate that this mode needs, besides the node's own.

        The same whoever is a member: otherwise a new node would mean new certificates on all others.
        """

    def images(self, spec: ClusterSpec) -> tuple[ImageArtifact, ...]:
        """Images beyond kubeadm's."""
        del spec
        return ()

    def files(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """What a node holds of the API load balancer, static pods included."""
        del spec, node
        return ()

    def lists(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """Those of `files` that name control planes: the only ones that are written when members come and go."""
        del spec, node
        return ()

    def units(self, spec: ClusterSpec, node: NodeSpec) -> tuple[str, ...]:
        """Units among `files` that start at boot, enabled by kubeon; the first is restarted when a file has changed.

        kubeon does not start them but by `start_script`.
        """
        del spec, node
        return ()

    def start_script(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """What makes the API's line in the node's /etc/hosts lead to somebody who lives, now, and keeps it so.

        It runs before a node joins, and when a member does not reach the API. "" where nothing on the node
        but kubeon writes that line.
        """
        del spec, node
        return ""

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """A script, read-only, that asks whether a node reaches the API; "" when there is nothing to ask.

        Exit code 0: it knows just these control planes, and one of them answers. Then it may print how it sees them:
        "10.0.0.1:6443 UP ..., 10.0.0.2:6443 DOWN ...". Else it prints one line why: 1; or DETOUR.
        """
        del spec, node
        return ""

    def ports(self, spec: ClusterSpec, node: NodeSpec) -> tuple[int, ...]:
        """Ports that must be free on the node for this mode, besides Kubernetes' own."""
        del spec, node
        return ()

    def workload(self, spec: ClusterSpec) -> Workload | None:
        """What `manifest` is about; None where the cluster holds nothing for this mode."""
        del spec
        return None

    def only_server(self, spec: ClusterSpec) -> str:
        """The address of the one control plane whose API server workers have; "" where another one takes its place."""
        del spec
        return ""

    def manifest(self, spec: ClusterSpec) -> str:
        """YAML for `kubectl apply`; "" for none."""
        del spec
        return ""

    def initial(self, spec: ClusterSpec, servers: Sequence[str]) -> str:
        """YAML of objects that are created where they are not there, and never touched again: the workload's own.

        `servers` are the addresses of the API servers of this moment.
        """
        del spec, servers
        return ""

    def cleaning(self) -> Cleaning:
        """What to remove when a node leaves; all below /etc/kubernetes goes anyway."""
        return Cleaning()


def digest_of(program: str) -> str:
    """What tells one text of a program from another."""
    return hashlib.sha256(program.encode()).hexdigest()[:12]


def without_address(spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
    """The problem of an address that would be ignored, which nobody who wrote one expects."""
    if not spec.load_balancer.address:
        return ()
    mode = spec.load_balancer.mode
    return (("loadBalancer.address", f"mode {mode} takes no address; write mode: external, or no address"),)
