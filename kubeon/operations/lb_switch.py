"""`lb switch`: another API load balancer for a running cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kubeon.bundle.catalogue import Material
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.leaves import Due, Wanted, due_leaves
from kubeon.cluster.membership import answering_member, split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import authorities_of, check_plugins, context_of
from kubeon.cluster.restarts import owed
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import HostErrors, KubeonError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import Kubectl
from kubeon.operations.base import Confirm, NodeResult, Plan, Run, begun, commit, make_plan, node_results
from kubeon.operations.certs_renew import one_after_the_other, remember_settings
from kubeon.operations.lb_switch_checks import absent, check_modes, mode_before, of_cluster, of_hosts
from kubeon.operations.pending import committed
from kubeon.operations.steps import switch_steps
from kubeon.phases.renew_certificates import PlaceRenewed
from kubeon.phases.switch_load_balancer import mode_of
from kubeon.preflight import Severity, raise_on_errors, soften
from kubeon.spec.model import ClusterSpec, Role
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since, wait_until

_SERVING = "apiserver"  # kubeadm's name of the certificate that has to have the new names

SETTLES_WITHIN = 20  # seconds for an API server to answer


@dataclass(frozen=True)
class SwitchResult:
    """What `lb switch` came to. `left` are nodes that were left out, with the load balancer of before."""

    cluster: str
    mode: str
    endpoint: str
    changed: bool
    nodes: tuple[NodeResult, ...] = ()
    left: tuple[str, ...] = ()
    seconds: float = 0.0
    kubeconfig: Path | None = None
    log: Path | None = None


def switch(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> SwitchResult:
    """Lead all nodes to the API as `spec` says, go on with that, or go back to what was before.

    The old load balancer goes when all nodes use the new one. Until then the record has the old one.
    """
    began, name = SYSTEM_CLOCK.monotonic(), spec.name
    with begun(home, name, "lb-switch", reporter, options) as run:
        stored, proposed = committed(run.state), run.state.read_proposed()
        spec = stored.model_copy(update={"load_balancer": spec.load_balancer})
        check_plugins(spec)
        old = mode_before(stored, proposed, spec)
        mode, endpoint = spec.load_balancer.mode, str(mode_of(spec).endpoint(spec))
        if old.load_balancer == spec.load_balancer:
            confirm(Plan(_title(spec), (f"it has mode {mode} already: nothing to do",), {}))
            return SwitchResult(name, mode, endpoint, changed=False, seconds=since(began))
        check_modes(old, spec)
        ctx, due, plan, left = _look(run, spec, old, options, begun_before=proposed is not None)
        if not confirm(plan):
            return SwitchResult(name, mode, endpoint, changed=False)
        if spec.load_balancer != stored.load_balancer:  # in a rollback the record says what was begun, to the end
            run.state.write_proposed(spec)
        changed = _certificates(run, ctx, due, options, interrupt)
        place, remove = switch_steps(old)
        changed |= _walk(run, place, ctx, options, interrupt, title=f"Switching over {name}")
        remember_settings(ctx, without=mode_of(old).sans(old))
        changed |= _walk(run, remove, ctx, options, interrupt, title=f"Removing the old load balancer from {name}")
        kubeconfig = commit(ctx, spec, options)
        nodes = node_results(ctx, ctx.hosts)
        return SwitchResult(name, mode, endpoint, changed, nodes, left, since(began), kubeconfig, run.log)


def _look(
    run: Run, spec: ClusterSpec, old: ClusterSpec, options: Options, *, begun_before: bool
) -> tuple[Cluster, Mapping[str, Due], Plan, tuple[str, ...]]:
    """Hosts and cluster as they are, certificates that are due, the plan, and nodes that are left out."""
    seen = run.look(spec, options)
    hosts, strangers = split_marked(seen.hosts, run.state)
    missing = absent(spec, seen.unreachable, options.ignore_preflight_errors, begun=begun_before)
    raise_on_errors([*missing, *of_hosts(hosts, strangers)])
    control_planes = [host for host in hosts if host.node.role is Role.CONTROL_PLANE]
    # a run that was cut off may have left one that is just starting
    wait_until(lambda: any(Kubectl(each).answers() for each in control_planes), seconds=SETTLES_WITHIN, pause=0.5)
    first, nodes = answering_member(spec.name, hosts, seen.unreachable)
    ctx = context_of(spec, hosts, run.state, run.reporter, first=first)
    ctx.authorities = authorities_of(ctx)
    images = ctx.lb.images(spec)
    ctx.materials = {each: Material((), images, "") for each in {host.facts.architecture for host in hosts}}
    findings = [*missing, *of_cluster(ctx, old, nodes, begun=begun_before)]
    findings = soften(findings, options.ignore_preflight_errors)
    raise_on_errors([one for one in findings if one not in missing])
    due = _due(ctx, old)
    place, remove = switch_steps(old)
    steps = (PlaceRenewed(lambda ctx, host: due.get(host.name, Due())), *place, *remove)
    header = [f"from {old.load_balancer.mode} to {spec.load_balancer.mode}, node by node; the old one stays until then"]
    if any(each.files for each in due.values()):
        header.append("API servers' certificates need more names: they serve new ones within a minute, no restart")
    warnings = tuple(one for one in findings if one.severity is Severity.WARNING)
    plan = make_plan(_title(spec), ctx, steps, warnings, tuple(header))
    return ctx, due, plan, tuple(one.host for one in missing)


def _due(ctx: Cluster, old: ClusterSpec) -> Mapping[str, Due]:
    """Of control planes: an API server's certificate that lacks a name of the new one, besides those of the old one."""
    names = (*mode_of(old).sans(old), mode_of(old).endpoint(old).host)
    settings = ctx.spec.certificates
    more = settings.model_copy(update={"sans": tuple(dict.fromkeys((*settings.sans, *names)))})
    both = replace(ctx, spec=ctx.spec.model_copy(update={"certificates": more}))

    def find(host: Host) -> Due:
        return replace(due_leaves(both, host, ctx.ca, Wanted(frozenset({_SERVING}))), owed=owed(host))

    found = on_all([host for host in ctx.hosts if ctx.is_control_plane(host)], find)
    errors = {host.name: due for host, due in found.items() if isinstance(due, KubeonError)}
    if errors:
        raise HostErrors(errors, done=len(found) - len(errors))
    return {host.name: due for host, due in found.items() if isinstance(due, Due)}


def _certificates(
    run: Run, ctx: Cluster, due: Mapping[str, Due], options: Options, interrupt: Interrupt | None
) -> bool:
    """New names first: nobody is led to a server by a name that it does not bear."""
    part = replace(ctx, hosts=tuple(host for host in ctx.hosts if ctx.is_control_plane(host)))
    steps = (PlaceRenewed(lambda ctx, host: due[host.name]), *one_after_the_other(part))
    return _walk(run, steps, part, options, interrupt, title=f"Renewing certificates of {ctx.spec.name}")


def _walk(
    run: Run, steps: tuple[Step, ...], ctx: Cluster, options: Options, interrupt: Interrupt | None, *, title: str
) -> bool:
    outcome = run.walk(steps, ctx, options, interrupt, title)
    outcome.raise_if_failed(AGAIN)
    return outcome.changed


def _title(spec: ClusterSpec) -> str:
    return f"switch cluster {spec.name} to load-balancer mode {spec.load_balancer.mode}"
