"""`certs rotate-ca`: new CAs for a cluster that goes on meanwhile.

Old and new CAs stand in the record before any host sees a new one. The record has the stage that all hosts are at; what
is left to do within it, each host says. So it can be cut off anywhere, and the same command goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from kubeon.cluster.context import Cluster
from kubeon.cluster.membership import answering_member
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.restarts import WHOLE_WITHIN, control_plane_problem
from kubeon.cluster.rotation import due_at, others, tell_the_cluster
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import PreflightError, StateError, UsageError
from kubeon.hosts.fleet import on_all
from kubeon.kube.kubelet_access import ensure_kubelet_access
from kubeon.operations.base import Confirm, Plan, Run, begun, commit
from kubeon.operations.certs_renew import members, one_after_the_other
from kubeon.operations.pending import committed
from kubeon.phases.renew_certificates import READY_WITHIN, PlaceRenewed
from kubeon.pki.authorities import NAMES, Authorities
from kubeon.preflight import Finding, Severity
from kubeon.spec.problems import closest
from kubeon.spec.versions import ca_validity, parse_duration
from kubeon.state.home import Home
from kubeon.state.rotation import Rotation, Stage
from kubeon.waiting import SYSTEM_CLOCK, since, wait_until

ALL = "all"
_TITLES = {
    Stage.TRUST: "Trusting old and new CAs",
    Stage.ISSUE: "Issuing from the new CAs",
    Stage.DROP: "Forgetting the old CAs",
}


@dataclass(frozen=True)
class RotateResult:
    """What `certs rotate-ca` came to. `stage` is what is to be done next; "" when it is over."""

    cluster: str
    names: tuple[str, ...] = ()
    stage: str = ""
    others: tuple[str, ...] = ()  # workloads whose pods trust the CAs of their start: "namespace Kind/name"
    problems: tuple[str, ...] = ()  # workloads that were restarted and did not come back in time
    old: Path | None = None  # where the old CAs are kept
    seconds: float = 0.0
    kubeconfig: Path | None = None
    log: Path | None = None


@dataclass(frozen=True)
class Pods:
    """What becomes of users' pods: `restart` them with the system's, or `pause` so that their owners can."""

    restart: bool = False
    pause: bool = False


def rotate(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    what: Sequence[str] = (),
    pods: Pods = Pods(),
    interrupt: Interrupt | None = None,
) -> RotateResult:
    """Put new CAs in place of those named (none: all), or go on with what was begun.

    With `pods.pause` it ends once old and new are trusted together.
    """
    began = SYSTEM_CLOCK.monotonic()
    home.known(name)
    with begun(home, name, "certs-rotate-ca", reporter, options) as run:
        spec = committed(run.state)
        rotation = _begun_or_new(run, what, parse_duration(spec.certificates.validity))
        ctx, warnings = members(run, spec, replace(options, ignore_preflight_errors=frozenset()))
        if warnings:
            raise PreflightError(
                f"{len(warnings)} of {len(spec.nodes)} hosts are not known to be members; nothing was changed",
                why="\n".join(f"{finding.host}: {finding.what}" for finding in warnings),
                hint="whoever is not told of the new CAs is lost: remove such nodes first (kubeon del --dead)",
            )
        ctx.first, _ = answering_member(name, ctx.hosts, {})
        _expect_health(ctx)
        mine = tuple(others(ctx)) if "ca" in rotation.names else ()
        if not confirm(_plan(ctx, rotation, mine, pods)):
            return RotateResult(name)
        ensure_kubelet_access(ctx.api, spec.kubernetes)
        run.state.rotation.write(rotation)
        problems: list[str] = []
        kubeconfig = None
        for stage in rotation.stage.rest:
            rotation = replace(rotation, stage=stage)
            run.state.rotation.write(rotation)
            _walk(run, ctx, rotation, options, interrupt)
            kubeconfig = commit(ctx, spec, options)
            if stage is not Stage.ISSUE:
                problems += tell_the_cluster(ctx, rotation, everything=pods.restart)
            if stage is Stage.TRUST and pods.pause:
                run.state.rotation.write(replace(rotation, stage=Stage.ISSUE))
                return RotateResult(
                    name, rotation.names, Stage.ISSUE, mine, tuple(problems), None, since(began), kubeconfig, run.log
                )
        run.state.replace_pki(rotation.new)
        old = run.state.rotation.end(SYSTEM_CLOCK.now())
        left = () if pods.restart else mine
        return RotateResult(name, rotation.names, "", left, tuple(problems), old, since(began), kubeconfig, run.log)


def check_names(what: Sequence[str]) -> tuple[str, ...]:
    """Which CAs the words mean; none: all. Raises UsageError for what is no CA."""
    unknown = [word for word in what if word not in (*NAMES, ALL)]
    if unknown:
        meant = closest(unknown[0], (*NAMES, ALL))
        hint = f"did you mean {meant}? " if meant else ""
        raise UsageError(f"no CA is called {', '.join(unknown)}", hint=f"{hint}They are: {', '.join(NAMES)}; or all")
    return tuple(name for name in NAMES if not what or name in what or ALL in what)


def _begun_or_new(run: Run, what: Sequence[str], validity: timedelta) -> Rotation:
    names, begun_before = check_names(what), run.state.rotation.read()
    if begun_before is None:
        files = run.state.read_pki()
        if not files:
            hint = f"kubeon create -f with the cluster's description rebuilds the record of {run.state.name}"
            raise StateError(f"the record of cluster {run.state.name} has no certificates", hint=hint)
        old = Authorities.from_files(files)
        new = old.renewed(names, ca_validity(validity), SYSTEM_CLOCK.now())
        return Rotation(names, Stage.TRUST, old.to_files(), new.to_files())
    if what and names != begun_before.names:
        raise UsageError(
            f"a rotation of {', '.join(begun_before.names)} is under way",
            hint=f"resume it: kubeon certs rotate-ca {run.state.name}; another one can follow",
        )
    return begun_before


def _expect_health(ctx: Cluster) -> None:
    """Every control plane works: the next one is restarted only while the others serve."""
    control_planes = [host for host in ctx.hosts if ctx.is_control_plane(host)]
    problems: dict[str, str] = {}

    def healthy() -> bool:
        found = on_all(control_planes, lambda host: control_plane_problem(ctx, host))
        problems.clear()
        problems.update({host.name: str(problem) for host, problem in found.items() if problem})
        return not problems

    if not wait_until(healthy, seconds=WHOLE_WITHIN, pause=0.3, longest=2.0):
        raise PreflightError(
            "not every control plane is healthy; nothing was changed",
            why="\n".join(f"{name}: {problem}" for name, problem in problems.items()),
            hint="bring it back, or remove it (kubeon del); expired certificates: kubeon certs renew",
        )


def _walk(run: Run, ctx: Cluster, rotation: Rotation, options: Options, interrupt: Interrupt | None) -> None:
    """All hosts as this stage wants them. Control planes before workers where workers forget the old CAs at once."""
    groups = [ctx.hosts]
    if rotation.stage is Stage.ISSUE:
        first = tuple(host for host in ctx.hosts if ctx.is_control_plane(host))
        groups = [first, tuple(host for host in ctx.hosts if host not in first)]
    for hosts in groups:
        if not hosts:
            continue
        part = replace(ctx, hosts=hosts)
        steps = (
            PlaceRenewed(lambda ctx, host: due_at(rotation, ctx, host)),
            *one_after_the_other(ctx),
        )
        outcome = run.walk(steps, part, options, interrupt, f"{_TITLES[rotation.stage]}: {ctx.spec.name}")
        outcome.raise_if_failed(AGAIN)
        ctx.api.wait_ready([host.name for host in hosts], seconds=READY_WITHIN)


def _plan(ctx: Cluster, rotation: Rotation, mine: Sequence[str], pods: Pods) -> Plan:
    names = ", ".join(rotation.names)
    lines = {
        Stage.TRUST: f"trust old and new {names} together",
        Stage.ISSUE: "certificates and kubeconfigs from the new ones",
        Stage.DROP: "forget the old ones",
    }
    left = {stage: lines[stage] for stage in rotation.stage.rest}
    hosts = {
        host.name: tuple(
            f"{line}; restart {'what uses them' if ctx.is_control_plane(host) else 'the kubelet'}"
            for stage, line in left.items()
            if ctx.is_control_plane(host) or stage is not Stage.DROP
        )
        for host in ctx.hosts
    }
    hosts["this machine"] = ("keep old and new CAs in the record", "your kubeconfig follows")
    return Plan(
        f"rotate {names} of cluster {ctx.spec.name}",
        (
            "control planes are restarted one after the other, once for each stage; the API goes on answering",
            *(("it goes on where it stopped",) if rotation.stage is not Stage.TRUST else ()),
            *(("it pauses when old and new are trusted together",) if pods.pause else ()),
        ),
        hosts,
        () if pods.restart or not mine else (_warning(mine),),
    )


def _warning(mine: Sequence[str]) -> Finding:
    shown = ", ".join(mine[:5]) + (f" and {len(mine) - 5} more" if len(mine) > 5 else "")
    return Finding(
        "Pods",
        "",
        Severity.WARNING,
        f"pods trust the CAs of their start; those that talk to the API have to be restarted in between: {shown}",
        "--restart-pods does it, --pause leaves you the time to",
    )
