"""Rules that join several fields of a description. Each problem names the fields it was drawn from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kubeon.spec.model import ClusterSpec

# kubeadm (cmd/kubeadm/app/apis/kubeadm/validation): at most 20 bits of addresses, and DNS gets the tenth of them
_LARGEST, _SMALLEST = 12, 28


class Problem(NamedTuple):
    """A broken rule: where, what is wrong, and the other fields that it was drawn from."""

    path: str
    text: str
    involves: tuple[str, ...] = ()


class ProblemsError(ValueError):
    """Several problems of the whole description, each with its path."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.text}" for problem in problems))
        self.problems = problems


def problems_of(spec: "ClusterSpec") -> list[Problem]:
    """Everything wrong with a description whose single fields are right."""
    return [*_node_problems(spec), *_network_problems(spec), *_load_balancer_problems(spec)]


def _node_problems(spec: "ClusterSpec") -> Iterator[Problem]:
    if not spec.control_planes:
        text = "no control plane: give at least one node with role control-plane (-m ADDRESS)"
        yield Problem("nodes", text, tuple(f"nodes.{index}.role" for index in range(len(spec.nodes))))
    for attribute in ("address", "name"):
        seen: dict[object, int] = {}
        for index, node in enumerate(spec.nodes):
            value = getattr(node, attribute)
            if value is not None and value in seen:
                first = f"nodes.{seen[value]}.{attribute}"
                yield Problem(f"nodes.{index}.{attribute}", f"{value} is {first} already", (first,))
            elif value is not None:
                seen[value] = index
    for index, node in enumerate(spec.nodes):
        if node.address.is_loopback:
            text = f"{node.address} is the host's own loopback; give the address other nodes reach it by"
            yield Problem(f"nodes.{index}.address", text)


def _network_problems(spec: "ClusterSpec") -> Iterator[Problem]:
    networking = spec.networking
    pods, services = networking.pod_subnet, networking.service_subnet
    if pods.overlaps(services):
        text = f"{pods} overlaps networking.serviceSubnet {services}"
        yield Problem("networking.podSubnet", text, ("networking.serviceSubnet",))
    if not _LARGEST <= services.prefixlen <= _SMALLEST:
        text = f"{services} must be between a /{_LARGEST} and a /{_SMALLEST}: kubeadm refuses other sizes for Services"
        yield Problem("networking.serviceSubnet", text)
    for index, node in enumerate(spec.nodes):
        for field, network in (("podSubnet", pods), ("serviceSubnet", services)):
            if node.address in network:
                text = f"{node.address} lies in networking.{field} {network}"
                yield Problem(f"nodes.{index}.address", text, (f"networking.{field}",))
    mask = networking.node_mask_size
    if mask < pods.prefixlen or 2 ** (mask - pods.prefixlen) < len(spec.nodes):
        text = f"{pods} has no room for {len(spec.nodes)} nodes with a /{mask} each"
        yield Problem("networking.nodeMaskSize", text, ("networking.podSubnet", "nodes"))


def _load_balancer_problems(spec: "ClusterSpec") -> Iterator[Problem]:
    if spec.load_balancer.mode == "external" and not spec.load_balancer.address:
        text = "mode external needs the address of the load balancer, host:port"
        yield Problem("loadBalancer.address", text, ("loadBalancer.mode",))
