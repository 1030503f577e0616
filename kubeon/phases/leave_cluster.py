"""A node leaves: its pods first, then its voice in etcd, at last its Node object. Cleaning its host is `CleanHost`.

Everything is done from a control plane that stays, so a node whose machine is gone leaves in the same way.
"""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.deletion import Deletion
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.marks import is_marked
from kubeon.cluster.pod_ranges import forget_range
from kubeon.errors import OperationError
from kubeon.etcd.members import member_at
from kubeon.etcd.quorum import quorum_of, removal_problem, without
from kubeon.hosts.host import Host
from kubeon.kube.cluster_status import forget_control_plane
from kubeon.kube.drain import forget_node
from kubeon.phases.load_balancer import UpdateLoadBalancer
from kubeon.spec.versions import has_cluster_status

# The API server ends what it has begun before it goes; then its port is closed. etcd goes on.
_STOP_API_SERVER = """
rm -f /etc/kubernetes/manifests/kube-*.yaml /var/lib/kubeon/joined
for _ in $(seq 120); do
    bash -c 'exec 3<>/dev/tcp/{address}/6443' 2>/dev/null || exit 0
    sleep 0.5
done
exit 0 # without a kubelet nobody ends it gently
"""


class LeaveEtcd(Step):
    """A control plane's member goes by its ID, one at a time, and only where enough others answer."""

    name = "leave-etcd"
    title = "Leave etcd"
    needs = (UpdateLoadBalancer,)  # nobody is sent there any more
    at_once = 1

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Control planes."""
        return ctx.is_control_plane(host)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What it has."""
        return ("remove its member from etcd",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The API server first, gently; then the lead, if it has it; then the member."""
        members = ctx.etcd.members()
        member = member_at(members, host.address)
        if member is None:
            return ()
        if member.healthy:
            members = wait_for_health(ctx)
        if problem := removal_problem(members, {member.id}):
            raise OperationError(
                f"{host.name} cannot leave etcd", why=problem, hint="bring the others back first", host=host.name
            )
        if is_marked(ctx, host):
            host.change(_STOP_API_SERVER.format(address=host.address), timeout=120, what="stop the API server")
        others = [each for each in without(members, {member.id}) if each.healthy and not each.learner]
        if member.healthy and ctx.etcd.leader() == member.id:
            ctx.etcd.move_leader(member, others[0])
        ctx.etcd.remove(member)
        wait_for_health(ctx)
        return (f"etcd member {member.id:x} removed; {quorum_of(ctx.etcd.members())}",)


class DeleteNode(Step):
    """The Node object goes last: its kubelet would make it again."""

    name = "delete-node"
    title = "Forget the node"

    def __init__(self, work: Deletion) -> None:
        self.work = work

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """With what is bound to it."""
        return ("delete the Node object",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """From the API, and from kubeadm's list of control planes."""
        changes = forget_node(ctx.api, host.name)
        forget_range(ctx, host.name)
        if ctx.is_control_plane(host) and has_cluster_status(ctx.spec.kubernetes):
            forget_control_plane(ctx.api, host.name)
        self.work.left.add(host.name)
        return changes
