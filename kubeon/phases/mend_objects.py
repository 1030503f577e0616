"""kubeadm's own objects as its next `join` or `upgrade`, and what joins, depend on them."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.host import Host
from kubeon.kube.cluster_configuration import mend_cluster_configuration
from kubeon.kube.kubelet_access import ensure_kubelet_access
from kubeon.waiting import wait_until

ANSWERS_WITHIN = 240  # seconds; an upgrade that was cut off may have left the API server restarting


class MendObjects(Step):
    """Mend what is spoilt or not there. On a cluster that is well nothing is."""

    name = "mend-objects"
    title = "Mend kubeadm's objects"
    reaches_members = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Asked of the bootstrap node."""
        return host is ctx.bootstrap

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing where kubeadm has just written it."""
        if not host.facts.kubelet_config:
            return ()
        wait_until(ctx.api.answers, seconds=ANSWERS_WITHIN, pause=0.5, longest=2.0)
        return (
            *mend_cluster_configuration(ctx.api, ctx.cri.socket),
            *ensure_kubelet_access(ctx.api, ctx.spec.kubernetes),
        )
