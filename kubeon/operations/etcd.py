"""`etcd members`, `etcd status`, `etcd defrag`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubeon.cluster.membership import split_marked
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import context_of
from kubeon.cluster.snapshot import answering_etcd
from kubeon.cri import CRIS
from kubeon.cri.base import Cri
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import KubeonError, PreflightError
from kubeon.etcd.members import Etcd, Member, member_at
from kubeon.etcd.quorum import Quorum, quorum_of
from kubeon.etcd.status import MemberStatus
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.operations.base import Confirm, begun, make_plan, visited
from kubeon.phases.defragment import Defragment
from kubeon.spec.model import ClusterSpec, NodeSpec
from kubeon.state.home import Home
from kubeon.transport.base import Nowhere
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class MemberReport:
    """A member of etcd, or a control plane without one; `status` is None where nobody says how it is."""

    node: str
    address: str
    member: Member | None
    status: MemberStatus | None
    problem: str = ""  # why it is not healthy

    @property
    def role(self) -> str:
        """What it is in etcd, in a word."""
        if self.member and self.member.learner:
            return "learner"
        return "leader" if self.status and self.status.leader == self.status.id else "voter"


@dataclass(frozen=True)
class EtcdReport:
    """etcd as it is now."""

    cluster: str
    quorum: Quorum
    members: tuple[MemberReport, ...]
    problems: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Is there nothing to be seen to?"""
        return not self.problems


@dataclass(frozen=True)
class DefragResult:
    """What `etcd defrag` came to: (node, bytes before, bytes after), in the order in which it was done."""

    cluster: str
    sizes: tuple[tuple[str, int, int], ...] = ()
    seconds: float = 0.0
    log: Path | None = field(default=None)


def etcd_report(name: str, options: Options, home: Home) -> EtcdReport:
    """Ask every control plane's own member, and one of them about all. Changes nothing, waits for no dead host."""
    planes = home.known(name).control_planes
    with visited(name, options, home, nodes=planes, impatient=planes) as (spec, state, seen):
        cri = CRIS[spec.runtime.name]
        hosts, strangers = split_marked(seen.hosts, state)
        missed = {str(node.address): "cannot be reached by SSH" for node in planes}
        missed |= {address: error.what for address, error in seen.unreachable.items()}
        missed |= {host.address: one.what for host in seen.hosts for one in strangers if one.host == host.name}
        answers = on_all(hosts, lambda host: Etcd(host, cri.inside_script).own_status(), parallel=options.parallel)
        own = {host.address: answer for host, answer in answers.items() if isinstance(answer, MemberStatus)}
        missed |= {host.address: _reason(answer) for host, answer in answers.items() if isinstance(answer, KubeonError)}
        members = _members([host for host in hosts if host.address in own], cri, own)
        return _report(spec, members, own, missed)


def defragment(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> DefragResult:
    """Give free pages back to the disk, member by member, the leader last, each only while all answer."""
    began = SYSTEM_CLOCK.monotonic()
    planes = home.known(name).control_planes
    with begun(home, name, "etcd-defrag", reporter, options) as run:
        spec = home.known(name)
        seen = run.look(spec, options, nodes=planes)
        hosts, strangers = split_marked(seen.hosts, run.state)
        etcd, members = answering_etcd(hosts, CRIS[spec.runtime.name], seen.unreachable)
        quorum = quorum_of(members)
        if silent := [member.title for member in members if not member.healthy]:
            raise PreflightError(
                f"{', '.join(silent)} of etcd does not answer; nothing was changed",
                why=f"a member serves nobody while it is defragmented ({quorum})",
                hint=f"kubeon etcd status {name} says more; kubeon del {name} @NODE --dead takes a dead one out",
            )
        statuses = {each.id: each for each in etcd.statuses([member.client_urls[0] for member in members])}
        lanes = [_host(node, hosts) for node in planes if member_at(members, str(node.address))]
        ctx = context_of(spec, lanes, run.state, run.reporter, first=etcd.host)
        step = Defragment(members, statuses)
        plan = make_plan(f"defragment etcd of cluster {name}", ctx, (step,), tuple(strangers), (f"etcd: {quorum}",))
        if not confirm(plan):
            return DefragResult(name)
        outcome = run.walk((step,), ctx, options, interrupt, f"Defragmenting etcd of {name}")
        outcome.raise_if_failed(AGAIN)
        return DefragResult(name, tuple(step.sizes), since(began), run.log)


def _host(node: NodeSpec, hosts: Sequence[Host]) -> Host:
    """Its member is asked by way of another one, so that the host need not be reached."""
    return next((host for host in hosts if host.node is node), None) or Host(
        node, node.name or str(node.address), Nowhere()
    )


def _reason(error: KubeonError) -> str:
    return (error.why.splitlines() or [error.what])[-1]


def _members(hosts: Sequence[Host], cri: Cri, own: dict[str, MemberStatus]) -> list[Member]:
    """All members, asked of one of these; empty when nobody says. One with a leader has the better view."""
    for host in sorted(hosts, key=lambda host: not own[host.address].leader):
        etcd = Etcd(host, cri.inside_script)
        try:
            members = etcd.members()
        except KubeonError:
            continue
        urls = [member.client_urls[0] for member in members if member.healthy and not _known(member, own)]
        for status in etcd.statuses(urls) if urls else ():  # healthy, while its host lets nobody in
            own |= {member.peer_urls[0]: status for member in members if member.id == status.id}
        return members
    return []


def _known(member: Member, own: dict[str, MemberStatus]) -> bool:
    return any(status.id == member.id for status in own.values())


def _report(
    spec: ClusterSpec, members: Sequence[Member], own: dict[str, MemberStatus], missed: dict[str, str]
) -> EtcdReport:
    statuses = {status.id: status for status in own.values()}
    found: list[MemberReport] = []
    for node in spec.control_planes:
        address = str(node.address)
        member = member_at(members, address)
        status = own.get(address) or (statuses.get(member.id) if member else None)
        problem = _problem(member, status, missed.get(address, ""), known=bool(members))
        name = node.name or (member.name if member else "") or address
        found.append(MemberReport(name, address, member, status, problem))
    planes = [str(node.address) for node in spec.control_planes]
    for member in members:
        if not any(member_at([member], address) for address in planes):
            what = "no control plane on record is there" if member.healthy else "it does not answer"
            found.append(MemberReport(member.title, member.peer_urls[0], member, statuses.get(member.id), what))
    quorum = quorum_of(members) if members else Quorum(len(planes), 0)
    problems = [f"{each.node}: {each.problem}" for each in found if each.problem]
    if quorum.tolerates < 0:
        problems.insert(0, f"etcd has lost its quorum ({quorum}): nothing can be written")
    names = {each.member.id: each.node for each in found if each.member}
    alarms = {alarm for status in own.values() for alarm in status.alarms}
    problems += [f"alarm {kind} on {names.get(owner, f'{owner:x}')}" for owner, kind in sorted(alarms)]
    return EtcdReport(spec.name, quorum, tuple(found), tuple(problems))


def _problem(member: Member | None, status: MemberStatus | None, missed: str, *, known: bool) -> str:
    if member is None:
        if status is None:
            return missed or "it does not answer"
        return "it is no member of etcd" if known else "; ".join(status.errors) or "it cannot decide anything by itself"
    if not member.name:
        return "it was added, and has not started"
    if not member.healthy:
        return "; ".join((status.errors if status else ()) or ([missed] if missed else ["it does not answer"]))
    return "; ".join(status.errors) if status else ""
