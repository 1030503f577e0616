"""`del`: nodes leave a cluster, dead or alive, and never more of etcd than it can bear."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubeon.cluster.context import Cluster
from kubeon.cluster.deletion import Deletion
from kubeon.cluster.membership import Nodes, answering_member, joined_hosts, silent_members, split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import authorities_of, context_of
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import KubeonError, PreflightError, UsageError
from kubeon.etcd.members import Member, member_at
from kubeon.etcd.quorum import quorum_of, removal_problem
from kubeon.etcd.quorum import without as members_without
from kubeon.hosts.host import Host
from kubeon.kube.drain import pods_on, unmanaged
from kubeon.operations.base import Confirm, DeleteResult, Run, begun, commit, make_plan, stays
from kubeon.operations.pending import committed
from kubeon.operations.steps import deletion_steps
from kubeon.preflight import Finding, Severity
from kubeon.spec.endpoints import Endpoint
from kubeon.spec.model import ClusterSpec, NodeSpec, Role
from kubeon.spec.releases import same_programs
from kubeon.spec.selectors import select
from kubeon.state.home import Home
from kubeon.state.known_hosts import forget_host
from kubeon.transport.base import Nowhere
from kubeon.waiting import SYSTEM_CLOCK, since


def delete(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    selectors: Sequence[str],
    interrupt: Interrupt | None = None,
) -> DeleteResult:
    """Take nodes out of a cluster and clean their hosts; with `options.dead` hosts that are gone for good.

    Of the nodes that stay only control planes are looked at, and all workers when a control plane leaves.
    """
    began = SYSTEM_CLOCK.monotonic()
    known = home.known(name)
    leaving = select(known, selectors)
    with begun(home, name, "del", reporter, options) as run:
        stored, proposed = committed(run.state), run.state.read_proposed()
        spec = stored.without(leaving)
        if not spec.control_planes:
            hint = f"kubeon destroy {name} ends a cluster"
            if proposed and proposed.without(leaving).control_planes:
                hint = f"kubeon create {name} brings those into the record that are being added"
            raise UsageError(f"that would be every control plane of {name} that is on record", hint=hint)
        _check_endpoint(spec, leaving)
        found = _look(run, spec, known, leaving, options)
        ctx, work, steps = found.ctx, found.work, deletion_steps(found.work)
        count = f"{len(leaving)} node{'' if len(leaving) == 1 else 's'}"
        if not confirm(make_plan(f"remove {count} from cluster {name}", ctx, steps, found.warnings, found.header)):
            return DeleteResult(name)
        outcome = run.walk(steps, ctx, options, interrupt, f"Removing from {name}")
        left = [node for node in leaving if any(host.node is node and host.name in work.left for host in ctx.hosts)]
        for node in left:
            forget_host(run.state.known_hosts, str(node.address))
        if left:
            if interrupt and interrupt.now:  # connections are closed
                run.state.write_spec(stored.without(left))
            else:
                commit(ctx, stored.without(left), options)
            # begun by somebody else, and not over: nodes that are being added, or an upgrade
            if proposed and (proposed.without((*stored.nodes, *left)).nodes or not same_programs(proposed, stored)):
                run.state.write_proposed(proposed.without(left))
        outcome.raise_if_failed(AGAIN)
        return DeleteResult(name, found.names, since(began), run.log, stays(outcome))


@dataclass(frozen=True)
class _Found:
    """How the cluster and the nodes that leave are before."""

    ctx: Cluster
    work: Deletion
    names: tuple[str, ...]
    warnings: tuple[Finding, ...]
    header: tuple[str, ...]


def _look(run: Run, spec: ClusterSpec, known: ClusterSpec, leaving: Sequence[NodeSpec], options: Options) -> _Found:
    """Ask those that leave, control planes, and where one of those leaves, workers. Raises what keeps them here.

    `spec` is without them; `known` has what is being added, too.
    """
    shrinks = any(node.role is Role.CONTROL_PLANE for node in leaving)
    staying = [node for node in spec.nodes if shrinks or node.role is Role.CONTROL_PLANE]
    besides = [node for node in known.control_planes if node not in (*leaving, *spec.nodes)]
    seen = run.look(known, options, nodes=[*leaving, *staying, *besides], impatient=leaving if options.dead else ())
    going = [host for host in seen.hosts if host.node in leaving]
    silent = {str(node.address): seen.unreachable.get(str(node.address)) for node in leaving}
    _check_reached(going, [error for error in silent.values() if error], options)
    others, strangers = split_marked([host for host in seen.hosts if host.node in staying], run.state)
    missed = {address: error for address, error in seen.unreachable.items() if address not in silent}
    joined = joined_hosts([host for host in seen.hosts if host.node in besides], run.state)
    first, nodes = answering_member(spec.name, [*others, *joined], missed)
    dead = [_dead(node) for node in leaving if silent[str(node.address)]]
    workers = [host for host in others if host.node.role is Role.WORKER]
    ctx = context_of(spec, [first, *going, *dead, *workers], run.state, run.reporter, first=first)
    ctx.authorities = authorities_of(ctx)
    ctx.members = frozenset(host.name for host in (first, *workers))
    work = Deletion(frozenset(host.name for host in dead), options.drain_timeout, options.remove_packages)
    members = ctx.etcd.members() if shrinks else []
    header = _arithmetic(members, [host for host in (*going, *dead) if ctx.is_control_plane(host)])
    warnings = [
        *_lost_pods(ctx, going, nodes),
        *(_reports(host, nodes) for host in dead if _is_ready(host, nodes)),
        *strangers,
        *silent_members(staying, missed, "its list of control planes stays as it is"),
    ]
    names = tuple(host.name for host in (*going, *dead))
    return _Found(ctx, work, names, tuple(warnings), header)


def _check_endpoint(spec: ClusterSpec, leaving: Sequence[NodeSpec]) -> None:
    """Of an adopted cluster a control plane's own address may be the endpoint, which stands in every kubeconfig."""
    address = spec.load_balancer.address or ""
    for node in leaving:
        if str(node.address) == Endpoint.parse(address).host:
            raise PreflightError(
                f"the API is reached at {address}, which is {node.name or node.address} itself; nothing was changed",
                why="without it no node and no kubeconfig would find the API",
                hint="let another machine answer at that address first",
            )


def _check_reached(going: Sequence[Host], errors: Sequence[KubeonError], options: Options) -> None:
    if options.dead and going:
        raise PreflightError(
            f"{', '.join(host.name for host in going)} answers, so it is not dead; nothing was changed",
            hint="leave out --dead: it is drained and cleaned then",
        )
    if errors and not options.dead:
        raise PreflightError(
            f"{len(errors)} of the nodes to remove cannot be reached; nothing was changed",
            why="\n".join(map(str, errors)),
            hint="if they are gone for good, name only them and add --dead",
        )


def _dead(node: NodeSpec) -> Host:
    return Host(node, node.name or str(node.address), Nowhere())


def _arithmetic(members: Sequence[Member], hosts: Sequence[Host]) -> tuple[str, ...]:
    """etcd now and then, for the plan. Raises PreflightError where it cannot be done."""
    leaving = {member.id for host in hosts if (member := member_at(members, host.address))}
    if not leaving:
        return ()
    if problem := removal_problem(members, leaving):
        raise PreflightError(
            "etcd would lose its quorum; nothing was changed",
            why=problem,
            hint="bring members that do not answer back, or remove them first; add control planes before removing more",
        )
    return (f"etcd now: {quorum_of(members)}", f"etcd then: {quorum_of(members_without(members, leaving))}")


def _lost_pods(ctx: Cluster, going: Sequence[Host], nodes: Nodes) -> list[Finding]:
    lost = {host.name: unmanaged(pods_on(ctx.api, host.name)) for host in going if host.name in nodes}
    return [
        Finding(
            "Pods",
            name,
            Severity.WARNING,
            f"these pods have no controller and will not be recreated: {', '.join(pods[:10])}",
        )
        for name, pods in lost.items()
        if pods
    ]


def _is_ready(host: Host, nodes: Nodes) -> bool:
    conditions = nodes.get(host.name, {}).get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _reports(host: Host, nodes: Nodes) -> Finding:
    beats = [each.get("lastHeartbeatTime", "?") for each in nodes[host.name]["status"]["conditions"]]
    what = f"its kubelet was Ready a moment ago (last report {max(beats)}): make sure that it is switched off"
    hint = "its pods are started elsewhere, also those that must not run twice"
    return Finding("Alive", host.name, Severity.WARNING, what, hint)
