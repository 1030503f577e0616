"""What the network plug-in wants on every node before its kubelet starts, so that the node is Ready at once."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cni.base import NodeNetwork
from kubeon.hosts.host import Host


class ConfigureNetwork(Step):
    """Write the plug-in's files and start its units."""

    name = "configure-network"
    title = "Configure the network plug-in"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The node's pod range is worth seeing before."""
        pods = ctx.pod_ranges.get(host.name)
        had = host.facts.pod_subnet
        if pods is None or had == str(pods):
            return ()
        return (f"give its pods the range {pods}" + (f" instead of {had}, which its own file says" if had else ""),)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Files, and the units restarted when one of them changed."""
        files = ctx.cni.files(ctx.spec, NodeNetwork(host.name, ctx.pod_ranges.get(host.name)))
        if not ctx.cni.units:
            return host.ensure_files(files)
        changes: list[str] = []
        for unit in ctx.cni.units:
            changes += host.ensure_unit(unit, files)
        return changes
