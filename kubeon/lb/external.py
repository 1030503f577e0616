"""Somebody else's load balancer: an address and a port that lead to every control plane's port 6443."""

import re
from ipaddress import AddressValueError, IPv4Address

from kubeon.lb.base import LoadBalancerMode
from kubeon.spec.endpoints import API_PORT, Endpoint
from kubeon.spec.model import ClusterSpec, NodeSpec

_ADDRESS = re.compile(r"(?P<host>[^:\s/@]+):(?P<port>\d{1,5})")


class External(LoadBalancerMode):
    """`loadBalancer.mode: external`."""

    name = "external"
    is_outside = True
    where_to_look = "the load balancer has to pass TCP on to port 6443 of every control plane, TLS and all"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """The address must be there and be host:port."""
        address = spec.load_balancer.address
        if not address:
            return (("loadBalancer.address", "mode external needs the address of the load balancer, host:port"),)
        match = _ADDRESS.fullmatch(address)
        if not match or not 1 <= int(match["port"]) <= 65535:
            return (("loadBalancer.address", f"{address!r} is not host:port; write it as 10.0.0.100:6443"),)
        return ()

    def warnings(self, spec: ClusterSpec) -> tuple[str, ...]:
        """A load balancer that is one of the nodes takes its port from the API server."""
        host, port = _parts(spec)
        itself = any(str(node.address) == host for node in spec.control_planes)
        if port == API_PORT and itself and spec.load_balancer.name != host:  # else it was adopted so
            return (f"loadBalancer.address {host}:{port} is a control plane itself; mode direct does the same",)
        return ()

    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """The API's name where the balancer is an address, else the balancer's own name; always the balancer's port."""
        host, port = _parts(spec)
        return Endpoint(spec.load_balancer.name if _is_address(host) else host, port)

    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """The name leads to the balancer on every node; a balancer with a name of its own is DNS's business.

        So is one that has no name but its address.
        """
        del node  # the same everywhere
        host, _ = _parts(spec)
        return ((host, spec.load_balancer.name),) if _is_address(host) and host != spec.load_balancer.name else ()

    def only_server(self, spec: ClusterSpec) -> str:
        """One that is its own balancer, as in clusters that were adopted; what a name leads to is not known."""
        host, port = _parts(spec)
        itself = port == API_PORT and any(str(node.address) == host for node in spec.control_planes)
        return host if itself else ""

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """The name and the balancer."""
        host, _ = _parts(spec)
        return tuple(dict.fromkeys((spec.load_balancer.name, host)))

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """Asked by the API's name: an API server of this cluster answers, with or without rights for a stranger."""
        del node
        return _CHECK.format(endpoint=self.endpoint(spec))


# A token that is none: without any kubectl asks for a user's name instead of asking the server.
_CHECK = """\
said=$(kubectl --kubeconfig /dev/null --server https://{endpoint} --token none \\
    --certificate-authority /etc/kubernetes/pki/ca.crt --request-timeout 5s get --raw /readyz 2>&1 >/dev/null) && exit 0
case $said in *orbidden* | *nauthorized*) exit 0 ;; esac
printf '%s\n' "$said" | tail -n 1
exit 1
"""


def _parts(spec: ClusterSpec) -> tuple[str, int]:
    found = Endpoint.parse(spec.load_balancer.address or "")
    return found.host, found.port


def _is_address(host: str) -> bool:
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True
