"""`upgrade`: a newer Kubernetes, one node after the other, with a way back before the first one is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubeon.cluster.context import Cluster
from kubeon.cluster.membership import Nodes, answering_member, pressed_nodes, split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import check_plugins, resolve
from kubeon.cluster.upgrade import Upgrade
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.runner import Outcome
from kubeon.errors import KubeonError, PreflightError, UsageError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.hosts.marks import UPGRADED
from kubeon.kube.cordon import MARK, uncordon
from kubeon.kube.kubectl import Kubectl, why_not_ready
from kubeon.kube.versions import api_version, kubelet_version
from kubeon.operations.base import Confirm, Run, UpgradeResult, begun, commit, make_plan, node_results
from kubeon.operations.certs_renew import remember_settings
from kubeon.operations.pending import committed
from kubeon.operations.steps import upgrade_steps
from kubeon.operations.upgrade_checks import (
    absent_hosts,
    adopted_nodes,
    as_errors,
    etcd_crossing,
    held_by_pods,
    ill_nodes,
    lacking_material,
    unfit_machines,
    unknown_nodes,
)
from kubeon.preflight import Finding, Severity, raise_on_errors, soften
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.releases import same_programs
from kubeon.spec.skew import upgrade_problems
from kubeon.spec.versions import Version
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since, wait_until

ANSWERS_WITHIN = 240  # seconds


def upgrade(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> UpgradeResult:
    """Bring a cluster to the version that `spec` says, or go on where an upgrade to it has stopped.

    Control planes first, then workers. A node that fails leaves all others alone; the record says the old version
    until every node has the new one.
    """
    began, name = SYSTEM_CLOCK.monotonic(), spec.name
    with begun(home, name, "upgrade", reporter, options) as run:
        stored, proposed = committed(run.state), run.state.read_proposed()
        check_plugins(spec)
        if options.pause_after and options.pause_after not in {node.name for node in spec.nodes}:
            raise UsageError(f"--pause-after: cluster {name} has no node {options.pause_after}")
        found = _look(run, spec, options, (stored, proposed))
        ctx, work, steps = found.ctx, found.work, upgrade_steps(found.work)
        plan = make_plan(
            f"upgrade cluster {name} to {spec.version}", ctx, steps, found.warnings, _header(found.api, work)
        )
        if not confirm(plan):
            return UpgradeResult(name, spec.version, changed=False)
        if not plan.changes and not found.absent and proposed is None and stored == spec:
            return UpgradeResult(name, spec.version, False, node_results(ctx, ctx.hosts), seconds=since(began))
        run.state.write_proposed(spec)
        for each, node in ctx.nodes.items():  # what a killed run has left cordoned would hold up the drain of others
            if MARK in node["metadata"].get("annotations", {}):
                uncordon(ctx.api, each)
        outcome = run.walk(steps, ctx, options, interrupt, f"Upgrading {name} to {spec.version}")
        _raise_if_failed(outcome, work)
        left = tuple(one.host for one in found.absent)
        if outcome.halted:  # on purpose: what failed has been raised
            left += tuple(host.name for host in ctx.hosts if host.name not in ctx.registered)
        if not left:
            remember_settings(ctx)  # releases since v1.31 have fields for it
            commit(ctx, spec, options)
        return UpgradeResult(
            name,
            spec.version,
            outcome.changed,
            node_results(ctx, ctx.hosts),
            left,
            options.pause_after if outcome.halted else "",
            work.snapshot,
            since(began),
            run.log,
        )


@dataclass(frozen=True)
class _Found:
    """How the cluster is before."""

    ctx: Cluster
    work: Upgrade
    api: Mapping[str, Version]  # of API servers, by host
    absent: Sequence[Finding]  # workers that are left out
    warnings: tuple[Finding, ...]


def _look(run: Run, spec: ClusterSpec, options: Options, known: tuple[ClusterSpec, ClusterSpec | None]) -> _Found:
    """Ask all hosts. Raises what would keep the upgrade from going on; `known` is what is on record, and proposed."""
    name, goes_on = spec.name, known[1] is not None
    at_once = _at_once(options.max_unavailable, len(spec.workers))
    seen = run.look(spec, options)
    hosts, strangers = split_marked(seen.hosts, run.state)
    absent = absent_hosts(spec, seen.unreachable, options)
    raise_on_errors([*absent, *as_errors(strangers), *adopted_nodes(name, hosts)])
    _wait_for_api(hosts if goes_on else (), run.reporter)
    first, nodes = answering_member(name, hosts, seen.unreachable)
    control_planes = [host for host in hosts if host.node.role is Role.CONTROL_PLANE]
    api = {host.name: _api_version(host) for host in control_planes}
    kubelets = {each: kubelet_version(node) for each, node in nodes.items()}
    if problems := upgrade_problems(spec.kubernetes, api, kubelets):
        raise PreflightError(f"{name} cannot go to {spec.version}; nothing was changed", why="\n".join(problems))
    through = {host.name for host in control_planes if _is_through(host, spec, api[host.name])}
    first = _first(control_planes, through, api)
    ctx = resolve(
        spec, hosts, run.state, run.reporter, ignored=options.ignore_preflight_errors, first=first, nodes=nodes
    )
    work = Upgrade(
        kubelets,
        not_ready=frozenset(host.name for host in hosts if why_not_ready(nodes.get(host.name))),
        at_once=at_once,
        drain_timeout=options.drain_timeout,
        pause_after=options.pause_after,
    )
    if not _other_components(spec, *known):  # which of them a node has is not asked before its turn
        work.upgraded = frozenset(
            host.name
            for host in hosts
            if _is_upgraded(host, spec, nodes) and (host.name in through or host not in control_planes)
        )
        work.half_way = spec.kubernetes in api.values()
    findings = [
        *absent,
        *ill_nodes(ctx, work, nodes, through, goes_on=goes_on),
        *pressed_nodes(nodes, Severity.ERROR),
        *unfit_machines(ctx, api[first.name]),
        *etcd_crossing(ctx, work),
        *lacking_material(ctx, work),
        *held_by_pods(ctx, work, api[first.name]),
        *unknown_nodes(nodes, {host.name for host in ctx.hosts} | {one.host for one in absent}),
    ]
    findings = soften(findings, options.ignore_preflight_errors)
    raise_on_errors(findings)
    return _Found(ctx, work, api, absent, tuple(one for one in findings if one.severity is Severity.WARNING))


def _at_once(text: str, workers: int) -> int:
    """Of "3" or "10%"; a percentage is rounded down, and at least 1, as in a Deployment."""
    number = text.removesuffix("%")
    if not number.isdecimal() or not int(number):
        raise UsageError(f"--max-unavailable: {text!r} is neither a number nor a percentage", hint="3, or 10%")
    return max(1, workers * int(number) // 100) if text.endswith("%") else int(number)


def _wait_for_api(hosts: Sequence[Host], reporter: Reporter) -> None:
    """A run that was cut off may have left an API server, or the kubelet that starts it, in the middle of its start."""
    asked, told = [host for host in hosts if host.node.role is Role.CONTROL_PLANE], set[str]()

    def all_answer() -> bool:
        answers = on_all(asked, lambda host: Kubectl(host).answers())
        silent = [host.name for host, answer in answers.items() if answer is not True]
        for each in set(silent) - told:
            reporter.warn("its API server is not ready yet: waiting for it", host=each)
        told.update(silent)
        return not silent

    wait_until(all_answer, seconds=ANSWERS_WITHIN, pause=0.5, longest=2.0)  # who is silent then is told of below


def _api_version(host: Host) -> Version:
    try:
        return api_version(Kubectl(host))
    except KubeonError as error:
        raise PreflightError(
            f"the API server of {host.name} does not answer; nothing was changed",
            why=error.why,
            hint="look at: crictl ps -a --name kube-apiserver, and its logs, on that host",
        ) from error


def _is_through(host: Host, spec: ClusterSpec, version: Version) -> bool:
    """Has kubeadm come to its end on this control plane?"""
    return (
        version == spec.kubernetes and host.read_files([UPGRADED]).get(UPGRADED, b"").decode().strip() == spec.version
    )


def _is_upgraded(host: Host, spec: ClusterSpec, nodes: Nodes) -> bool:
    node = nodes.get(host.name)
    marked = node is not None and MARK in node["metadata"].get("annotations", {})
    return node is not None and kubelet_version(node) == spec.kubernetes and not marked


def _other_components(spec: ClusterSpec, *known: ClusterSpec | None) -> bool:
    """May a node have this Kubernetes with another runtime, say: as it was, or as a run that was cut off wanted it?"""
    return any(each and each.version == spec.version and not same_programs(each, spec) for each in known)


def _first(control_planes: Sequence[Host], through: set[str], api: Mapping[str, Version]) -> Host:
    """Where `kubeadm upgrade apply` was, else where it began, else the first in the description."""
    return next(
        (host for host in control_planes if host.name in through), max(control_planes, key=lambda h: api[h.name])
    )


def _header(api: Mapping[str, Version], work: Upgrade) -> tuple[str, ...]:
    now = ", ".join(str(version) for version in sorted(set(api.values())))
    return (
        f"API servers: {now} now",
        "first all API servers, one at a time; then the kubelets of control planes; "
        f"then workers, {work.at_once} at a time",
        "before the first one is touched: files and images everywhere, and a snapshot of etcd to this machine",
    )


def _raise_if_failed(outcome: Outcome, work: Upgrade) -> None:
    """What failed also says where the way back is."""
    back = f"\netcd as it was before: {work.snapshot}" if work.snapshot else ""
    for error in outcome.errors.values():
        error.hint = f"{error.hint or AGAIN}{back}"
    outcome.raise_if_failed(f"{AGAIN}{back}")
