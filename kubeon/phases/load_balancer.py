"""The node's API load balancer: put in place before the node joins, kept up to date when control planes come and go."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.errors import CommandError
from kubeon.etcd.members import member_at
from kubeon.hosts.host import Host
from kubeon.hosts.preparation import hosts_script
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.proxy import start_anew
from kubeon.phases.apply_load_balancer import ApplyLoadBalancer
from kubeon.phases.drain_node import DrainNode
from kubeon.phases.init_control_plane import InitControlPlane
from kubeon.phases.join_nodes import JoinControlPlanes
from kubeon.phases.prepare_hosts import preparation_of
from kubeon.waiting import expect, wait_until

ANSWERS_WITHIN = 240  # seconds; a static pod takes 5 to 10, one that failed before waits for its turn


class PlaceLoadBalancer(Step):
    """Before the kubelet starts, so that it reaches the API without help."""

    name = "place-load-balancer"
    title = "Install the API load balancer"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Nodes that hold something for it."""
        return bool(ctx.lb.files(ctx.spec, host.node))

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The kubelet starts what they describe; units begin with the next boot, or right before the node joins."""
        return place(ctx, host)


class CheckLoadBalancer(Step):
    """A load balancer of somebody else's, before the first kubelet depends on it."""

    name = "check-load-balancer"
    title = "Check the external load balancer"
    needs = (InitControlPlane,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Ways that do not begin on the node itself."""
        return ctx.lb.is_outside

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """It has to lead to an API server of this cluster."""
        wait_for_answer(ctx, host)
        return ()


class UpdateLoadBalancer(Step):
    """The list of control planes as it is now, on members too, and each of them asked whether it serves that list."""

    name = "update-load-balancer"
    title = "Update the API load balancer"
    # a list names control planes that are there, and that stay
    needs = (ApplyLoadBalancer, JoinControlPlanes, DrainNode)
    reaches_members = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Nodes that reach the API by something that knows the control planes; one that leaves may be broken."""
        stays = any(node.address == host.node.address for node in ctx.spec.nodes)
        return stays and not ctx.is_control_plane(host) and not ctx.lb.is_outside

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Only for members: what a new node holds is new anyway."""
        return ("update the list of control planes",) if host.name in ctx.members else ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Write what differs, then ask until it answers right."""
        ctx.once(lambda: _wait_for_new_control_planes(ctx))
        start = ctx.lb.start_script(ctx.spec, host.node)
        moved = [] if start else _lead(ctx, host)
        if host.name in ctx.members:  # what it runs is not replaced in passing, as another kubeon's would be
            lists = ctx.lb.lists(ctx.spec, host.node)
            changes = [*moved, *(host.ensure_files(lists) if lists else ())]
        else:
            changes = [*moved, *place(ctx, host)]
        # where a new node's line leads is being looked after, since it joined
        if start and host.facts.kubelet_config and _why_not(ctx, host):
            host.change(start, what="find an API server")
            changes.append("the API server looked up again")
        wait_for_answer(ctx, host)
        return changes


def place(ctx: Cluster, host: Host) -> list[str]:
    """Files and units of the API load balancer; what changed."""
    files, units = ctx.lb.files(ctx.spec, host.node), ctx.lb.units(ctx.spec, host.node)
    if not units:
        return host.ensure_files(files) if files else []
    return [line for unit in units for line in host.ensure_unit(unit, files, start=False)]


def _lead(ctx: Cluster, host: Host) -> list[str]:
    """The API's line in /etc/hosts."""
    entries = preparation_of(ctx, host).entries
    moved = host.change(hosts_script(ctx.spec.name, entries), what="write /etc/hosts").splitlines()
    if moved:  # a pod in the host's network has the /etc/hosts of its start
        start_anew(ctx.api, host.name)
    return moved


def _wait_for_new_control_planes(ctx: Cluster) -> None:
    """`kubeadm join` does not wait for the API server that it starts, and a list sends clients there at once.

    One that does not come to answer goes on the list all the same: haproxy notices.
    """
    listed = {str(node.address) for node in ctx.spec.control_planes}
    new = [
        host for host in ctx.hosts if host.address in listed and host.name not in {ctx.bootstrap.name, *ctx.answered}
    ]
    if not new:
        return
    members = ctx.etcd.members()
    for host in new:
        if (member := member_at(members, host.address)) and member.healthy:
            wait_until(Kubectl(host).answers, seconds=ANSWERS_WITHIN, pause=0.3, longest=1.0)
        ctx.answered.add(host.name)


def wait_for_answer(ctx: Cluster, host: Host) -> None:
    """Until the host reaches the API. Raises OperationError after a while."""
    expect(
        lambda: _why_not(ctx, host),
        f"the API endpoint ({ctx.lb.endpoint(ctx.spec)}) did not work",
        within=ANSWERS_WITHIN,
        hint=ctx.lb.where_to_look,
        host=host.name,
        longest=2.0,
    )


def _why_not(ctx: Cluster, host: Host) -> str:
    """Why the host does not reach the API; "" when it does, or when there is nothing to ask."""
    script = ctx.lb.check(ctx.spec, host.node)
    try:
        if script:
            host.ask(script, what="ask the load balancer", wait=False)
    except CommandError as error:
        return error.why or str(error)
    return ""
