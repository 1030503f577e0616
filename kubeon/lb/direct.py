"""No load balancer: a control plane talks to itself, a worker to the first control plane.

The endpoint is a name all the same, so that another mode can take its place without new kubeconfigs.
"""

from kubeon.lb.base import LoadBalancerMode, without_address
from kubeon.spec.endpoints import API_PORT, Endpoint
from kubeon.spec.model import ClusterSpec, NodeSpec, Role


class Direct(LoadBalancerMode):
    """`loadBalancer.mode: direct`."""

    name = "direct"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """An address would be ignored."""
        return without_address(spec)

    def warnings(self, spec: ClusterSpec) -> tuple[str, ...]:
        """Workers hang on one control plane."""
        if len(spec.control_planes) > 1 and spec.workers:
            first = spec.control_planes[0].address
            return (
                f"load-balancer mode direct: workers reach the API through {first} only; while it is down, the other "
                f"{len(spec.control_planes) - 1} control planes go on, but workers cannot be managed",
            )
        return ()

    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """The API's name and its own port."""
        return Endpoint(spec.load_balancer.name, API_PORT)

    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """One line."""
        to = str(node.address) if node.role is Role.CONTROL_PLANE else self.only_server(spec)
        return ((to, spec.load_balancer.name),)

    def only_server(self, spec: ClusterSpec) -> str:
        """The first."""
        return str(spec.control_planes[0].address)

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """The name. A control plane's own address is in its certificate anyway."""
        return (spec.load_balancer.name,)
