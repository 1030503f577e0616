"""The network plug-in's objects in the cluster."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.host import Host
from kubeon.phases.init_control_plane import InitControlPlane


class ApplyNetwork(Step):
    """`kubectl apply` of the plug-in's manifest, where it has one."""

    name = "apply-network"
    title = "Apply the network plug-in"
    needs = (InitControlPlane,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The bootstrap node."""
        return host is ctx.bootstrap

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Applying what is there already changes nothing."""
        manifest = ctx.material(host).manifest
        return ctx.api.apply(manifest) if manifest else ()
