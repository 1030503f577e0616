"""`etcd snapshot restore`: of a whole cluster that lost its data, or most of its control planes."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.membership import silent_members, split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import authorities_of, context_of
from kubeon.cluster.restoration import Found, Restoration, inspect, lacking_room
from kubeon.cluster.snapshot import answering_etcd
from kubeon.cri import CRIS
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import KubeonError, OperationError, PreflightError, StateError, UsageError
from kubeon.etcd.quorum import quorum_of
from kubeon.etcd.snapshots import file_problem
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.kubeconfig_file import write_updated
from kubeon.operations.base import Confirm, Run, begun, make_plan
from kubeon.phases.restore_etcd import StopControlPlane, rescue_steps, restore_steps
from kubeon.pki.authorities import Authorities
from kubeon.pki.inspect import ca_fingerprint
from kubeon.preflight import Finding, Severity
from kubeon.spec.model import ClusterSpec, NodeSpec, Role
from kubeon.spec.selectors import select
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.state.restoring import Attempt, read_attempt, write_attempt
from kubeon.state.snapshots import Snapshot, checksum_of, read_checksum, read_description
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class RestoreResult:
    """What a restore came to. `old` is where each host keeps the data that it had; `gone` are nodes to be removed."""

    cluster: str
    restored: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    old: Mapping[str, str] | None = None
    snapshot: Path | None = None
    seconds: float = 0.0
    log: Path | None = None
    todo: str = ""  # a command that has to follow: the data is of before a rotation of the CA


@dataclass(frozen=True)
class _Source:
    """Where the data is to come from: a file with what is known of it, or a member."""

    name: str  # as Attempt.source has it
    file: Path | None = None
    about: Snapshot | None = None
    unchecked: bool = False
    rotated: bool = False  # the CA of the cluster has been, since it was taken
    warnings: tuple[Finding, ...] = ()


def restore_snapshot(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    file: Path | None = None,
    member: str = "",
    dead: Sequence[str] = (),
    force: bool = False,
    interrupt: Interrupt | None = None,
) -> RestoreResult:
    """Make etcd anew on all control planes that are left, out of a snapshot, or out of what one `member` has.

    `dead` selects nodes that are gone for good; every other control plane has to be there.
    """
    began = SYSTEM_CLOCK.monotonic()
    spec, state = home.known(name), home.cluster(name)
    if (file is None) == (not member):
        raise UsageError(
            "nothing to restore from", hint=f"kubeon etcd snapshot restore {name} FILE, or --from-member NODE"
        )
    gone = select(spec, dead) if dead else []
    source = _checked(file, state, force=force) if file else _Source(f"member {_member(spec, member)}")
    with begun(home, name, "etcd-restore", reporter, options) as run:
        seen = run.look(spec, options, impatient=gone)
        _check_reached(spec, seen.hosts, seen.unreachable, gone)
        hosts, strangers = split_marked(seen.hosts, run.state)
        planes = [host for host in hosts if host.node.role is Role.CONTROL_PLANE]
        found = _found(name, planes)
        attempt, continues = _attempt(read_attempt(run.state), source, planes)
        first = _first(planes, _member(spec, member) if member else "")
        header = [*_header(source, attempt, continues), *_now(planes, spec, source, continues)]
        ctx = context_of(
            spec, [*planes, *(host for host in hosts if host not in planes)], run.state, run.reporter, first=first
        )
        ctx.authorities = authorities_of(ctx)
        work = Restoration(attempt, found, ctx.cri, member=first.name if member else "", unchecked=source.unchecked)
        _use(work, source)
        rescue = bool(member and not attempt.file)
        _check_room(work, ctx, rescue=rescue)
        missed = {address: error for address, error in seen.unreachable.items() if not _is_gone(address, gone)}
        late = "restart its kubelet when it is back: systemctl restart kubelet"
        warnings = [*source.warnings, *_gone_warnings(gone, spec), *strangers]
        warnings += silent_members(spec.nodes, missed, late)
        shown = _shown(work, rescue=rescue)
        if not confirm(make_plan(f"restore etcd of cluster {name}", ctx, shown, tuple(warnings), tuple(header))):
            return RestoreResult(name)
        write_attempt(run.state, attempt)
        if rescue:
            _walk(run, rescue_steps(work), ctx, options, interrupt)
            attempt = replace(attempt, file=str(work.snapshot))
            write_attempt(run.state, attempt)
        _walk(run, restore_steps(work), ctx, options, interrupt)
        if options.kubeconfig and (admin := run.state.read_admin_conf()):
            write_updated(options.kubeconfig, name, admin, ctx.user_server)
        return RestoreResult(
            name,
            tuple(host.name for host in planes),
            tuple(node.name or str(node.address) for node in gone),
            {host.name: work.old(host) for host in planes},
            work.snapshot,
            since(began),
            run.log,
            _tell_anew(name) if source.rotated else "",
        )


def _walk(run: Run, steps: Sequence[Step], ctx: Cluster, options: Options, interrupt: Interrupt | None) -> None:
    outcome = run.walk(steps, ctx, options, interrupt, f"Restoring etcd of {ctx.spec.name}")
    outcome.raise_if_failed(AGAIN)


def _member(spec: ClusterSpec, name: str) -> str:
    """The address of the control plane that is meant."""
    nodes = select(spec, [name])
    if len(nodes) != 1 or nodes[0].role is not Role.CONTROL_PLANE:
        raise UsageError(f"{name} is not one control plane", hint="--from-member takes the name of one")
    return str(nodes[0].address)


def _checked(file: Path, state: ClusterState, *, force: bool) -> _Source:
    """A file that may be restored. Raises PreflightError for one that is damaged, or, without `force`, another's."""
    if not file.is_file():
        raise UsageError(f"there is no file {file}", hint=f"kubeon etcd snapshot list {state.name}")
    sha256, expected, about = checksum_of(file), read_checksum(file), read_description(file)
    if expected and expected != sha256:
        raise PreflightError(
            f"{file} is damaged; nothing was changed",
            why=f"its SHA-256 is {sha256}, and {expected} is written beside it",
            hint="take another snapshot",
        )
    doubts = []
    problem, rotated = file_problem(file), _rotated(about, state)
    if problem:
        doubts.append(problem)
    if about is None:
        doubts.append("nothing beside it says which cluster it is of")
    elif rotated:
        doubts.append(
            f"it is of this cluster, taken {about.taken}, and the cluster's CA was rotated on {rotated}: "
            "its data has joining nodes and pods trust the CA of before"
        )
    elif about.ca != Authorities.from_files(state.read_pki()).fingerprint:
        other = " of this name, or of before its CA was rotated" if about.cluster == state.name else ""
        doubts.append(f"it is of another cluster{other}: {about.cluster}, taken {about.taken}")
    advice = "Secrets of another cluster do not fit this one's keys"
    if rotated:
        advice = f"Afterwards, before a node joins: {_tell_anew(state.name)}"
    if doubts and not force:
        what = "of before a rotation" if rotated and not problem else f"not known to be a snapshot of {state.name}"
        raise PreflightError(
            f"{file} is {what}; nothing was changed",
            why="\n".join(doubts),
            hint=f"--force restores it all the same. {advice}",
        )
    warnings = tuple(Finding("Snapshot", "", Severity.WARNING, doubt, advice if rotated else "") for doubt in doubts)
    return _Source(sha256, file, about, unchecked=bool(problem), rotated=bool(rotated), warnings=warnings)


def _rotated(about: Snapshot | None, state: ClusterState) -> str:
    """The day on which the CA that a snapshot names ceased to be this cluster's; "" where it is, or never was."""
    day = ""
    if about and about.ca != Authorities.from_files(state.read_pki()).fingerprint:
        for until, pem in state.rotation.past():
            with suppress(StateError):  # a kept file that is damaged tells nothing
                day = until if ca_fingerprint(pem) == about.ca else day
    return day


def _tell_anew(cluster: str) -> str:
    """What has joining nodes and pods trust the CA of now, whatever etcd's data says."""
    return f"kubeon certs rotate-ca {cluster} ca --restart-pods"


def _check_reached(
    spec: ClusterSpec, hosts: Sequence[Host], unreachable: Mapping[str, KubeonError], gone: Sequence[NodeSpec]
) -> None:
    if alive := [host.name for host in hosts if host.node in gone]:
        raise PreflightError(
            f"{', '.join(alive)} answers, so it is not dead; nothing was changed", hint="leave it out of --dead"
        )
    planes = [node for node in spec.control_planes if str(node.address) in unreachable and node not in gone]
    if planes:
        names = "+".join(node.name or str(node.address) for node in planes)
        raise PreflightError(
            f"{len(planes)} of {len(spec.control_planes)} control planes cannot be reached; nothing was changed",
            why="\n".join(str(unreachable[str(node.address)]) for node in planes),
            hint=f"bring them back; or, if they are gone for good, go on without them: --dead @{names}",
        )


def _found(name: str, planes: Sequence[Host]) -> dict[str, Found]:
    if not planes:
        raise PreflightError(
            f"no control plane of {name} is left to restore etcd on",
            hint="it takes one host that bears the cluster's mark",
        )
    answers = on_all(planes, inspect)
    if errors := [error for error in answers.values() if isinstance(error, KubeonError)]:
        raise errors[0]
    return {host.name: answer for host, answer in answers.items() if isinstance(answer, Found)}


def _attempt(last: Attempt | None, source: _Source, planes: Sequence[Host]) -> tuple[Attempt, bool]:
    """The restore to continue, when this is the same one; else a new one."""
    nodes = tuple(sorted(host.address for host in planes))
    if last and (last.source, last.nodes) == (source.name, nodes) and (not last.file or Path(last.file).is_file()):
        return last, True
    now = f"{SYSTEM_CLOCK.now():%Y%m%dT%H%M%SZ}"
    return Attempt(secrets.token_hex(8), source.name, nodes, str(source.file or ""), now), False


def _first(planes: Sequence[Host], address: str) -> Host:
    if not address:
        return planes[0]
    for host in planes:
        if host.address == address:
            return host
    raise PreflightError(f"the member at {address} cannot be reached, or does not bear this cluster's mark")


def _header(source: _Source, attempt: Attempt, continues: bool) -> list[str]:
    lines = [f"continues the restore that began at {attempt.begun}"] if continues else []
    if source.about:
        about = source.about
        lines.append(f"from {about.path}")
        lines.append(f"taken {about.taken}, revision {about.revision}, {about.keys} keys: what came later is lost")
    elif source.file:
        lines.append(f"from {source.file}")
    return lines


def _now(planes: Sequence[Host], spec: ClusterSpec, source: _Source, continues: bool) -> list[str]:
    """How etcd is now. Raises PreflightError where one member would be put before a cluster that works."""
    try:
        _, members = answering_etcd(planes, CRIS[spec.runtime.name], {})
    except OperationError:
        return ["etcd now: no member answers"]
    quorum = quorum_of(members)
    if quorum.tolerates >= 0 and source.file is None and not continues:
        raise PreflightError(
            f"etcd of {spec.name} has its quorum, so nothing has to be saved from a single member; nothing was changed",
            why=str(quorum),
            hint=f"kubeon del {spec.name} @NODE --dead takes dead control planes out",
        )
    return [f"etcd now: {quorum}"]


def _use(work: Restoration, source: _Source) -> None:
    """The snapshot, where there is one already."""
    if source.file:
        work.snapshot, work.checksum = source.file, source.name
        work.revision = source.about.revision if source.about else 0
    elif work.attempt.file:  # saved from the member before this run
        path = Path(work.attempt.file)
        about = read_description(path)
        work.snapshot, work.checksum = path, checksum_of(path)
        if about is None or about.sha256 != work.checksum:
            raise StateError(f"{path} is damaged", hint=f"remove {path} to begin anew")
        work.revision = about.revision


def _check_room(work: Restoration, ctx: Cluster, *, rescue: bool) -> None:
    size = work.snapshot.stat().st_size if work.snapshot else 0
    hosts = [host for host in ctx.hosts if host.name in work.found and not work.is_restored(host)]
    problems = [
        f"{host.name}: {problem}"
        for host in hosts
        if (problem := lacking_room(work.found[host.name], size, rescue=rescue))
    ]
    if problems:
        raise PreflightError(
            "there is not enough room on the disk of etcd; nothing was changed",
            why="\n".join(problems),
            hint="make room there: old data of an earlier restore (before-...) may go, if you do not want it",
        )


def _gone_warnings(gone: Sequence[NodeSpec], spec: ClusterSpec) -> list[Finding]:
    what = "it must never come back as it is: switch it off for good"
    hint = f"kubeon del {spec.name} @NODE --dead afterwards"
    return [Finding("Dead", node.name or str(node.address), Severity.WARNING, what, hint) for node in gone]


def _is_gone(address: str, gone: Sequence[NodeSpec]) -> bool:
    return any(str(node.address) == address for node in gone)


def _shown(work: Restoration, *, rescue: bool) -> tuple[Step, ...]:
    """What the plan shows: everything once."""
    if not rescue:
        return restore_steps(work)
    return (*rescue_steps(work), *(step for step in restore_steps(work) if not isinstance(step, StopControlPlane)))
