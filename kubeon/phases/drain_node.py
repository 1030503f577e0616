"""A node's pods move to other nodes before it leaves."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.deletion import Deletion
from kubeon.hosts.host import Host
from kubeon.kube.drain import drain, pods_on


class DrainNode(Step):
    """Pods move to other nodes, as their PodDisruptionBudgets allow."""

    name = "drain-node"
    title = "Drain the node"

    def __init__(self, work: Deletion) -> None:
        self.work = work

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """A machine that is gone runs nothing."""
        return host.name not in self.work.gone

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """For how long at most."""
        seconds = self.work.drain_timeout
        return (f"drain: evict its pods within {seconds:.0f} s",) if seconds else ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing where it has left already, or is not to be drained."""
        if not self.work.drain_timeout or not ctx.api.get("node", host.name):
            return ()
        count = len(pods_on(ctx.api, host.name))
        drain(ctx.api, host.name, seconds=self.work.drain_timeout)
        return (f"{count} pod{'' if count == 1 else 's'} moved away",)
