"""Pod ranges into the cluster, before new nodes come."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.pod_ranges import recorded_ranges
from kubeon.cni.bridge import RANGES
from kubeon.errors import OperationError
from kubeon.hosts.host import Host
from kubeon.phases.init_control_plane import InitControlPlane


class RecordPodRanges(Step):
    """Tell all nodes whose pods are reached through whom, before the new ones come."""

    name = "record-pod-ranges"
    title = "Record pod ranges"
    needs = (InitControlPlane,)
    reaches_members = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The bootstrap node, where kubeon gives out ranges."""
        return host is ctx.bootstrap and ctx.cni.assigns_pod_ranges

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Of all nodes on record, at the addresses on record. What is there already is not applied again.

        After `forget_range` kubectl would call that a change: of its own note of what was applied last.
        """
        wanted = {
            node.name: f"{ctx.pod_ranges[node.name]} {node.address}"
            for node in ctx.spec.nodes
            if node.name and node.name in ctx.pod_ranges
        }
        recorded = recorded_ranges(ctx.api)
        for name, text in recorded.items():
            if name in wanted and text.split(" ")[0] != wanted[name].split(" ")[0]:
                raise OperationError(
                    f"node {name} has the pods {text.split(' ')[0]} in configmap {RANGES}",
                    why=f"no API answered when kubeon looked, so {wanted[name].split(' ')[0]} was chosen",
                    hint="the same command again takes what is there",
                    host=host.name,
                )
        return ctx.api.apply(ctx.cni.ranges_manifest({} if recorded == wanted else wanted))
