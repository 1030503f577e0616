"""What another API load balancer has left on a node that was out of reach when the cluster was switched over."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.host import Host
from kubeon.lb import LBS
from kubeon.phases.switch_load_balancer import ProbeLoadBalancer, RemoveLoadBalancer, SwitchNode
from kubeon.spec.model import ClusterSpec


class RemoveOtherLoadBalancers(Step):
    """As in a switch, on this node alone: its own load balancer is probed, then used, and only then the other one goes.

    A unit of the other one would lead the node to control planes of long ago, at the next boot at the latest.
    """

    name = "remove-other-ways"
    title = "Remove other API load balancers"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Where there is something of them, going by the facts: elsewhere nothing is asked."""
        return bool(_left(ctx, host))

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Of which."""
        return [f"remove what mode {old.load_balancer.mode} has on it" for old in _left(ctx, host)]

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The phases of a switch."""
        ProbeLoadBalancer().run_on(ctx, host)
        changes: list[str] = []
        for old in _left(ctx, host):
            changes += [*SwitchNode(old).run_on(ctx, host), *RemoveLoadBalancer(old).run_on(ctx, host)]
        return changes


def _left(ctx: Cluster, host: Host) -> list[ClusterSpec]:
    """The cluster as it would be with each of the modes that have something on this host."""
    others = (mode for mode in LBS if mode != ctx.lb.name)
    choices = (ctx.spec.load_balancer.model_copy(update={"mode": mode, "address": None}) for mode in others)
    specs = (ctx.spec.model_copy(update={"load_balancer": choice}) for choice in choices)
    return [old for old in specs if host.facts.configuration.intersection(RemoveLoadBalancer(old).paths(ctx, host))]
