"""The cure of a defect of old releases, all of it here: the file goes when they do."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.restarts import wait_for_api_server
from kubeon.hosts.host import Host
from kubeon.kubeadm.config import SHUTDOWN_DELAY
from kubeon.phases.load_balancer import UpdateLoadBalancer
from kubeon.phases.register_nodes import RegisterNode
from kubeon.spec.versions import loses_watches_on_growth
from kubeon.waiting import wait_until

ENDS_WITHIN = SHUTDOWN_DELAY + 3  # seconds for an API server to end what it has begun, watches aside


class RestartApiServer(Step):
    """The cure of kubernetes/kubernetes#97294; goes when `loses_watches_on_growth` goes."""

    name = "restart-api-server"
    title = "Restart the first API server"
    needs = (RegisterNode, UpdateLoadBalancer)  # nobody asks it any more, and nodes know another one
    reaches_members = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The API server that was there alone, of releases that need it."""
        several = len(ctx.spec.control_planes) > 1
        return host is ctx.bootstrap and several and loses_watches_on_growth(ctx.spec.kubernetes)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """After etcd has grown; also when a run was cut off that may have seen it grow."""
        if not ctx.grew_from_one and ctx.verified:
            return ()
        host.change(ctx.cri.stop_script("kube-apiserver"), what="restart the API server")
        wait_until(lambda: not ctx.api.answers(), seconds=10, pause=0.2, longest=0.5)
        if not wait_until(ctx.api.answers, seconds=ENDS_WITHIN, pause=0.3, longest=1.0):
            # its port is closed and it waits up to a minute for watches to end; a second signal ends it at once
            host.change(ctx.cri.stop_script("kube-apiserver"), what="restart the API server")
        wait_for_api_server(host)
        return ("kube-apiserver restarted, so that it sees what is new (kubernetes/kubernetes#97294)",)
