"""`add`: new nodes for a cluster. Whatever its size, the same few questions are asked of the members it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from kubeon.cluster.context import Cluster
from kubeon.cluster.look import Seen
from kubeon.cluster.marks import adopted_members
from kubeon.cluster.membership import (
    answering_member,
    check_new_hosts,
    joined_hosts,
    pressed_nodes,
    room_in_etcd,
    silent_members,
    split_marked,
)
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import check_hosts, resolve
from kubeon.cluster.survey import settings_of_kubelets
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.hosts.host import Host
from kubeon.operations.again import check_again
from kubeon.operations.base import Confirm, CreateResult, Run, begun, commit, make_plan, named, names_in, node_results
from kubeon.operations.pending import committed
from kubeon.operations.steps import ADD
from kubeon.preflight import Finding, Severity, raise_on_errors, soften
from kubeon.spec.model import ClusterSpec, Role
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since


def add(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    new: frozenset[IPv4Address],
    interrupt: Interrupt | None = None,
) -> CreateResult:
    """Make the nodes at these addresses members of a cluster that is there; `spec` describes it with them.

    Of the members only control planes are looked at, and all workers when a control plane joins, since their load
    balancers have to know it.
    """
    began = SYSTEM_CLOCK.monotonic()
    with begun(home, spec.name, "add", reporter, options) as run:
        stored, begun_before = committed(run.state), run.state.read_proposed()
        check_again(stored, spec)
        found = _look(run, named(spec, names_in(stored)), begun_before, new, options)
        spec, ctx, new_hosts = found.ctx.spec, found.ctx, found.new_hosts
        new_nodes = [host.node for host in new_hosts]
        plan = make_plan(f"add {_count(len(new_nodes))} to cluster {spec.name}", ctx, ADD, found.warnings)
        if not confirm(plan):
            return CreateResult(spec.name, changed=False)
        proposed = spec.with_nodes_of(begun_before) if begun_before else spec  # what was begun before stays known
        run.state.write_proposed(proposed)
        outcome = run.walk(ADD, ctx, options, interrupt, f"Adding to {spec.name}")
        if outcome.errors or outcome.interrupted:  # who has joined is a member, whatever became of the others
            became = {host.node.address for host in new_hosts if host.name in ctx.registered}
            run.state.write_spec(spec.without(node for node in new_nodes if node.address not in became))
            run.state.write_proposed(proposed)
        outcome.raise_if_failed(AGAIN)
        kubeconfig = commit(ctx, spec, options)
        if len(proposed.nodes) > len(spec.nodes):
            run.state.write_proposed(proposed)
        return CreateResult(spec.name, outcome.changed, node_results(ctx, new_hosts), since(began), kubeconfig, run.log)


@dataclass(frozen=True)
class _Found:
    """How the cluster and the new hosts are before."""

    ctx: Cluster
    new_hosts: Sequence[Host]
    warnings: tuple[Finding, ...]


def _look(
    run: Run, spec: ClusterSpec, begun_before: ClusterSpec | None, new: frozenset[IPv4Address], options: Options
) -> _Found:
    """Ask new hosts, control planes, and where one of those is new, workers. Raises what keeps them from joining."""
    new_nodes = [node for node in spec.nodes if node.address in new]
    grows = any(node.role is Role.CONTROL_PLANE for node in new_nodes)
    old = [node for node in spec.nodes if node not in new_nodes and (grows or node.role is Role.CONTROL_PLANE)]
    # what an `add` that was cut off has brought in answers as well as what is on record
    known = spec.with_nodes_of(begun_before) if begun_before else spec
    besides = [node for node in known.control_planes if node not in spec.nodes]
    seen = run.look(known, options, nodes=[*new_nodes, *old, *besides])
    new_hosts = [host for host in seen.hosts if host.node in new_nodes]
    old_hosts, strangers = split_marked([host for host in seen.hosts if host.node in old], run.state)
    silent = {address: error for address, error in seen.unreachable.items() if IPv4Address(address) in new}
    missed = {address: error for address, error in seen.unreachable.items() if address not in silent}
    joined = joined_hosts([host for host in seen.hosts if host.node in (*new_nodes, *besides)], run.state)
    first, nodes = answering_member(spec.name, [*old_hosts, *joined], missed)
    looked = Seen((*new_hosts, *old_hosts), silent)
    # a node that joins gets its kubelet's settings from the cluster, whatever the description says
    told = {**spec.kubelet, **settings_of_kubelets(first, spec.version)}
    findings = [
        *check_hosts(spec.model_copy(update={"kubelet": told}), looked, run.state, options.ignore_preflight_errors),
        *soften(check_new_hosts(new_hosts, nodes), options.ignore_preflight_errors),
        *pressed_nodes(nodes, Severity.WARNING),  # a new node may be the very cure
        *strangers,
        *silent_members(old, missed, "it does not learn of new control planes; kubeon create brings it up to date"),
    ]
    raise_on_errors(findings)
    workers = [host for host in old_hosts if host.node.role is Role.WORKER]  # asked only when they are concerned
    ctx = resolve(
        named(spec, {host.address: host.name for host in new_hosts}),
        [first, *(host for host in new_hosts if host is not first), *workers],
        run.state,
        run.reporter,
        ignored=options.ignore_preflight_errors,
        first=first,
        nodes=nodes,
    )
    members = frozenset(host.name for host in (first, *workers)) - {host.name for host in new_hosts}
    ctx.members = members | adopted_members(ctx, new_hosts)
    ctx.registered |= adopted_members(ctx, new_hosts)
    ctx.verified = begun_before is None
    raise_on_errors(room_in_etcd(ctx, new_hosts))
    return _Found(ctx, new_hosts, tuple(one for one in findings if one.severity is Severity.WARNING))


def _count(nodes: int) -> str:
    return f"{nodes} node{'' if nodes == 1 else 's'}"
