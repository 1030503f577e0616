"""No load balancer: a control plane talks to itself, a worker to the first control plane.

The endpoint is a name all the same, so that another mode can take its place without new kubeconfigs.
"""

from kubeon.lb.base import API_PORT, Endpoint
from kubeon.spec.model import ClusterSpec, NodeSpec, Role


class Direct:
    """`loadBalancer.mode: direct`."""

    name = "direct"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """An address would be ignored, which nobody who wrote one expects."""
        if spec.load_balancer.address:
            return (("loadBalancer.address", "mode direct has no load balancer; write mode: external, or no address"),)
        return ()

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
        to = node if node.role is Role.CONTROL_PLANE else spec.control_planes[0]
        return ((str(to.address), spec.load_balancer.name),)

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """The name, and every control plane's address (so that any of them can be asked directly)."""
        return (spec.load_balancer.name, *(str(node.address) for node in spec.control_planes))
