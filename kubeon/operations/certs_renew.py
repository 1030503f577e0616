"""`certs renew`: certificates made anew from the cluster's CAs, also when they have expired and no API answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from kubeon.cluster.certificates import look_at_certificates
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.leaves import Due, Wanted, due_leaves
from kubeon.cluster.look import Seen
from kubeon.cluster.membership import split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import authorities_of, context_of
from kubeon.cluster.restarts import control_plane_problem, etcd_of, owed
from kubeon.cluster.rotation import due_at
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import HostErrors, KubeonError, OperationError, PreflightError, UsageError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.cluster_configuration import remember_certificates
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.kubelet_access import ensure_kubelet_access
from kubeon.kubeadm.config import go_duration
from kubeon.operations.base import Confirm, Run, begun, commit, make_plan
from kubeon.operations.pending import Kind, committed, expect_none
from kubeon.phases.renew_certificates import (
    READY_WITHIN,
    PlaceRenewed,
    RestartAllControlPlanes,
    RestartControlPlane,
    RestartKubelet,
    VerifyCertificates,
)
from kubeon.pki.leaves import FILES
from kubeon.preflight import Finding, Severity
from kubeon.spec.loading import build_spec, dump_spec, load_file
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.problems import closest
from kubeon.spec.versions import ca_validity, parse_duration, signing_duration_flag
from kubeon.state.home import Home
from kubeon.state.rotation import Rotation
from kubeon.waiting import SYSTEM_CLOCK, since, wait_until

ALL = "all"
SETTLES_WITHIN = 20  # seconds for an API server to answer the new administrator


@dataclass(frozen=True)
class RenewResult:
    """What `certs renew` came to: kubeadm's names of what was made anew, by node. `seconds` is the whole time."""

    cluster: str
    renewed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    changed: bool = False
    seconds: float = 0.0
    kubeconfig: Path | None = None
    log: Path | None = None


def wanted_certificates(what: Sequence[str], *, warn_days: int | None = None) -> Wanted:
    """What the words on the command line mean; none: what is unfit, or expires within that many days."""
    if not what:
        return Wanted(within=timedelta(days=warn_days or 0))
    unknown = [word for word in what if word not in (*FILES, ALL)]
    if unknown:
        meant = closest(unknown[0], (*FILES, ALL))
        hint = f"did you mean {meant}? " if meant else ""
        raise UsageError(
            f"no certificate is called {', '.join(unknown)}", hint=f"{hint}They are: {', '.join(FILES)}; or all"
        )
    return Wanted(frozenset() if ALL in what else frozenset(what), every=True)


def renew(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    wanted: Wanted | None = None,
    sans: Sequence[str] = (),
    validity: str | None = None,
    interrupt: Interrupt | None = None,
) -> RenewResult:
    """Make certificates anew, place them, restart what uses them, and see that the new ones are served.

    A control plane at a time where the API answers; where none does, all of them together.
    """
    began = SYSTEM_CLOCK.monotonic()
    home.known(name)
    with begun(home, name, "certs-renew", reporter, options) as run:
        stored, proposed = committed(run.state), run.state.read_proposed()
        rotation = run.state.rotation.read()
        spec = changed_settings(stored, sans, validity)
        wanted = with_new_names(wanted or Wanted(), stored, spec)
        ctx, warnings = members(run, spec, options)
        apis = (Kubectl(host) for host in ctx.hosts if ctx.is_control_plane(host))
        api = next((each for each in apis if each.answers()), None)
        working = api is not None
        if working or wanted.names:  # what has expired meanwhile could not be rotated to the end
            expect_none(run.state, Kind.ROTATION, Kind.SWITCH)
        due = _due(ctx, wanted, stored, options, rotation)
        place = PlaceRenewed(lambda ctx, host: due[host.name])
        plan = make_plan(f"renew certificates of cluster {name}", ctx, (place,), warnings, _header(ctx, spec, working))
        if not working:
            for host in filter(ctx.is_control_plane, ctx.hosts):
                plan.hosts[host.name] = (*plan.hosts[host.name], "restart everything, unless the API answers by then")
        if spec != stored:
            plan.hosts["this machine"] = (
                f"remember the settings: validity {spec.certificates.validity}, sans "
                f"{', '.join(spec.certificates.sans) or 'none'}",
            )
        if not confirm(plan) or not plan.changes:
            return RenewResult(name, seconds=since(began), log=run.log)
        if spec != stored:
            run.state.write_proposed(_with_settings(proposed, spec) if proposed else spec)
        if api:
            ensure_kubelet_access(api, spec.kubernetes)
        placed = run.walk((place,), ctx, options, interrupt, f"Renewing certificates of {name}")
        placed.raise_if_failed(AGAIN)
        outcome = run.walk(restarts(ctx), ctx, options, interrupt, f"Restarting what uses them, in {name}")
        kubeconfig = None
        cut = interrupt is not None and interrupt.now  # connections are closed
        if not cut and ctx.api.answers():  # also when a worker failed: the administrator is not to wait for it
            ensure_kubelet_access(ctx.api, spec.kubernetes)
            try:
                remember_settings(ctx)
            except OperationError:
                if spec == stored:  # nothing is left for the same command, and the administrator's certificate is new
                    commit(ctx, spec, options)
                raise
            kubeconfig = commit(ctx, spec, options)
            if proposed:
                run.state.write_proposed(_with_settings(proposed, spec))
        outcome.raise_if_failed(AGAIN)
        ctx.api.wait_ready([host.name for host in ctx.hosts], seconds=READY_WITHIN)
        renewed = {host: tuple(each.reasons) for host, each in due.items() if each.reasons}
        changed = placed.changed or outcome.changed or spec != stored
        return RenewResult(name, renewed, changed, since(began), kubeconfig, run.log)


def changed_settings(stored: ClusterSpec, sans: Sequence[str], validity: str | None) -> ClusterSpec:
    """The description with more names and another lifetime. Raises SpecError for what cannot be."""
    mapping = load_file(dump_spec(stored), stored.name)
    section = mapping.setdefault("certificates", {})
    if validity:
        section["validity"] = validity
    section["sans"] = list(dict.fromkeys((*stored.certificates.sans, *sans)))
    return build_spec(mapping)


def with_new_names(wanted: Wanted, stored: ClusterSpec, spec: ClusterSpec) -> Wanted:
    """New names are for the API server's certificate, whatever else was asked for."""
    if wanted.names and spec.certificates.sans != stored.certificates.sans:
        return replace(wanted, names=wanted.names | {"apiserver"})
    return wanted


def members(run: Run, spec: ClusterSpec, options: Options) -> tuple[Cluster, tuple[Finding, ...]]:
    """The context of an operation on all nodes that bear the cluster's mark, and what is to be said of the others."""
    seen = run.look(spec, options)
    silent = _unreachable(spec, seen, options)
    hosts, strangers = split_marked(seen.hosts, run.state)
    if not any(host.node.role is Role.CONTROL_PLANE for host in hosts):
        raise OperationError(
            f"no control plane of {spec.name} was found",
            why="\n".join(f"{finding.host}: {finding.what}" for finding in (*silent, *strangers)),
        )
    ctx = context_of(spec, hosts, run.state, run.reporter)
    ctx.authorities = authorities_of(ctx)
    return ctx, (*silent, *strangers)


def restarts(ctx: Cluster) -> tuple[Step, ...]:
    """What comes after the files: one control plane after the other if an API server answers with them, else together.

    Looked at now, with the certificates that are there now: an administrator whose own had expired could not ask.
    """
    control_planes = [host for host in ctx.hosts if ctx.is_control_plane(host)]
    working: list[Host] = []

    def one_answers() -> bool:
        working[:] = [host for host in control_planes if Kubectl(host).answers()]
        return bool(working)

    if not wait_until(one_answers, seconds=SETTLES_WITHIN, pause=1.0, longest=3.0):
        return (RestartAllControlPlanes(), RestartKubelet(), VerifyCertificates())
    ctx.first = working[0]
    return one_after_the_other(ctx)


def one_after_the_other(ctx: Cluster) -> tuple[Step, ...]:
    """Restarts of what is owed, in a cluster that works."""
    control_planes = [host for host in ctx.hosts if ctx.is_control_plane(host)]
    problems = on_all(control_planes, lambda host: control_plane_problem(ctx, host))
    broken = [host.address for host, problem in problems.items() if problem]
    return (RestartControlPlane(_leader(ctx), broken), RestartKubelet(), VerifyCertificates())


def remember_settings(ctx: Cluster, *, without: Sequence[str] = ()) -> None:
    """What kubeadm is to know when it upgrades or joins; names `without` were those of another load balancer."""
    spec, life = ctx.spec, parse_duration(ctx.spec.certificates.validity)
    validity, of_ca = go_duration(life), go_duration(ca_validity(life))
    mended = remember_certificates(
        ctx.api,
        sans=(*spec.certificates.sans, *ctx.lb.sans(spec)),
        without=without,
        periods={"certificateValidityPeriod": validity, "caCertificateValidityPeriod": of_ca},
        manager={signing_duration_flag(spec.kubernetes): validity},
        cri_socket=ctx.cri.socket,
    )
    for line in mended:
        ctx.reporter.warn(line)


def _with_settings(proposed: ClusterSpec, spec: ClusterSpec) -> ClusterSpec:
    """What another operation has begun, with the settings of this one."""
    return proposed.model_copy(update={"certificates": spec.certificates})


def _due(
    ctx: Cluster, wanted: Wanted, stored: ClusterSpec, options: Options, rotation: Rotation | None
) -> dict[str, Due]:
    """By node; while CAs are rotated, from those of the stage. Raises HostErrors where a host cannot be asked."""
    flags: dict[str, str] = {}
    if ctx.spec.certificates.validity != stored.certificates.validity:
        validity = go_duration(parse_duration(ctx.spec.certificates.validity))
        flags = {signing_duration_flag(ctx.spec.kubernetes): validity}

    def find(host: Host) -> Due:
        if rotation:
            return due_at(rotation, ctx, host)
        due, control_plane = due_leaves(ctx, host, ctx.ca, wanted), ctx.is_control_plane(host)
        left = owed(host) if wanted.names else owed(host) | look_at_certificates(host).stale
        return replace(due, flags=flags if control_plane else {}, owed=left)

    found = on_all(ctx.hosts, find, parallel=options.parallel)
    errors = {host.name: due for host, due in found.items() if isinstance(due, KubeonError)}
    if errors:
        raise HostErrors(errors, done=len(found) - len(errors))
    return {host.name: due for host, due in found.items() if isinstance(due, Due)}


def _unreachable(spec: ClusterSpec, seen: Seen, options: Options) -> list[Finding]:
    names = {str(node.address): node.name or str(node.address) for node in spec.nodes}
    if seen.unreachable and "Unreachable" not in options.ignore_preflight_errors:
        raise PreflightError(
            f"{len(seen.unreachable)} of {len(spec.nodes)} hosts cannot be reached; nothing was changed",
            why="\n".join(str(error) for error in seen.unreachable.values()),
            hint="to leave them as they are: --ignore-preflight-errors Unreachable",
        )
    return [
        Finding("Unreachable", names[address], Severity.WARNING, f"{error.what}: it keeps what it has")
        for address, error in seen.unreachable.items()
    ]


def _leader(ctx: Cluster) -> str:
    """Address of the control plane that leads etcd; "" when it cannot be told."""
    try:
        etcd = etcd_of(ctx, ctx.bootstrap)
        leader = etcd.leader()
        urls = [url for member in etcd.members() if member.id == leader for url in member.peer_urls]
    except KubeonError:
        return ""
    return next((host.address for host in ctx.hosts if f"https://{host.address}:2380" in urls), "")


def _header(ctx: Cluster, spec: ClusterSpec, working: bool) -> tuple[str, ...]:
    several = len(spec.control_planes) > 1
    how = "the API answers: control planes are restarted one after the other" if several else "the API answers"
    if not working:
        how = "the API does not answer: all control planes are restarted together"
    elif not several:
        how += "; with one control plane it does not while that is restarted"
    return (f"new certificates are valid {spec.certificates.validity}", how)
