"""What was gathered about a cluster at one moment, and what follows from it. Values only: nothing is asked here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median_low

from kubeon.errors import KubeonError
from kubeon.etcd.members import Member, healthy_urls, member_at, parse_members
from kubeon.etcd.quorum import Quorum, quorum_of
from kubeon.etcd.status import MemberStatus, parse_statuses
from kubeon.hosts.health import HostHealth
from kubeon.hosts.marks import Mark
from kubeon.kube.objects import NodeState, PodState
from kubeon.lb.base import DETOUR
from kubeon.operations.pending import Pending
from kubeon.spec.model import ClusterSpec, NodeSpec, Role
from kubeon.state.history import PastOperation
from kubeon.state.lock import Holder

# Names of what hosts are asked besides, in HostHealth.answers.
API, BALANCER = "api", "balancer"
ETCD_STATUS, ETCD_MEMBERS, ETCD_HEALTH = "etcd-status", "etcd-members", "etcd-health"


@dataclass(frozen=True)
class CertificateEnd:
    """A certificate on a node, and when it ends."""

    node: str
    path: str
    subject: str
    not_after: datetime


@dataclass(frozen=True)
class Gathered:
    """Everything `cluster-info` judges. Hosts are told by address, nodes by name."""

    spec: ClusterSpec  # of the record, nodes of an operation that has not ended among them
    now: datetime
    answers: Mapping[str, HostHealth] = field(default_factory=dict)
    silent: Mapping[str, KubeonError] = field(default_factory=dict)  # why the others did not answer
    nodes: Mapping[str, NodeState] | None = None  # None: no API server said
    pods: tuple[PodState, ...] = ()
    api_problem: str = ""  # why nodes is None although an API server is ready
    certificates: tuple[CertificateEnd, ...] = ()
    marks: frozenset[Mark] = frozenset()  # what the hosts may bear; none: the record does not say
    unfinished: Pending | None = None  # what was begun and is not finished
    holder: Holder | None = None  # who is at work just now
    last: PastOperation | None = None
    seconds: float = 0.0  # that asking took

    @property
    def goes_on(self) -> str:
        """A hint for what is half done: what has to come to its end first, while `kubeon create` is refused."""
        return self.unfinished.hint if self.unfinished else f"kubeon create {self.spec.name} mends it"

    def name_of(self, node: NodeSpec) -> str:
        """The node's name, as far as anybody has said it."""
        address = str(node.address)
        if node.name:
            return node.name
        if address in self.answers and self.answers[address].hostname:
            return self.answers[address].hostname.lower()
        return next((each.name for each in (self.nodes or {}).values() if each.address == address), address)

    def is_foreign(self, node: NodeSpec) -> bool:
        """Does another cluster's machine stand at its address?"""
        health = self.answers.get(str(node.address))
        return health is not None and bears_another(health, self.marks)

    def health_of(self, node: NodeSpec) -> HostHealth | None:
        """What its host said. What another cluster's machine says is not about this one."""
        return None if self.is_foreign(node) else self.answers.get(str(node.address))

    def state_of(self, node: NodeSpec) -> NodeState | None:
        """Its Node object."""
        return (self.nodes or {}).get(self.name_of(node))

    def pairs(self, role: Role | None = None) -> Iterator[tuple[NodeSpec, HostHealth]]:
        """Nodes whose hosts answered."""
        for node in self.spec.nodes:
            health = self.health_of(node)
            if health is not None and role in (None, node.role):
                yield node, health


def bears_another(health: HostHealth, marks: frozenset[Mark]) -> bool:
    """Does a host bear the mark of another cluster than the one with these marks?"""
    return bool(marks and health.mark and health.mark not in marks)


@dataclass(frozen=True)
class Spoken:
    """Whether something works at a node, and in whose words not. `works` is None where nobody could be asked."""

    node: str
    works: bool | None
    text: str = ""
    detour: bool = False  # it works, and not by what is meant to lead there; `text` says how


def api_servers(found: Gathered) -> list[Spoken]:
    """Each control plane's API server, by its own /readyz."""
    servers = []
    for node in found.spec.control_planes:
        health = found.health_of(node)
        if health is None:
            text = "another cluster's machine is there" if found.is_foreign(node) else "its host does not answer"
            servers.append(Spoken(found.name_of(node), None, text))
            continue
        answer = health.answers.get(API)
        if answer is None:
            servers.append(Spoken(found.name_of(node), False, "it did not answer in time"))
        elif answer.well and answer.text.strip().endswith("ok"):
            servers.append(Spoken(found.name_of(node), True))
        else:
            servers.append(Spoken(found.name_of(node), False, _readyz(answer.said) or answer.why))
    return servers


def from_workers(found: Gathered) -> list[Spoken]:
    """How each worker reaches the API; `text` is also how its balancer sees the servers, where it has one."""
    spoken = []
    for node in found.spec.workers:
        health = found.health_of(node)
        answer = health.answers.get(BALANCER) if health else None
        if answer is None:
            spoken.append(Spoken(found.name_of(node), None))
        else:
            text, detour = answer.text.strip() if answer.well else answer.why, answer.exit_code == DETOUR
            works = answer.well or detour
            spoken.append(Spoken(found.name_of(node), works, "" if text == "ok" else text, detour))
    return spoken


def seen_down(found: Gathered, address: str) -> tuple[int, int]:
    """(how many balancers on workers have taken the API server at this address off, how many say how they see it)."""
    states = [
        words[1]
        for each in from_workers(found)
        if each.works
        for server in each.text.split(", ")
        if len(words := server.split()) > 1 and words[0].partition(":")[0] == address
    ]
    return sum(not state.startswith("UP") for state in states), len(states)


@dataclass(frozen=True)
class EtcdView:
    """etcd as all control planes that answered see it."""

    members: tuple[Member, ...]  # empty: none of them could say
    statuses: Mapping[int, MemberStatus]  # of members that could be asked on their own hosts
    expected: int  # control planes by the record

    @property
    def quorum(self) -> Quorum:
        """Where no member could be asked, all count as silent."""
        return quorum_of(self.members) if self.members else Quorum(self.expected, 0)

    @property
    def leader(self) -> int:
        """Member ID; 0 when there is none. Of two answers the one of the later term counts."""
        newest = max(self.statuses.values(), key=lambda status: status.term, default=None)
        return newest.leader if newest else 0

    @property
    def alarms(self) -> list[tuple[int, str]]:
        """(member ID, alarm)."""
        return sorted({alarm for status in self.statuses.values() for alarm in status.alarms})


def etcd_view(found: Gathered) -> EtcdView:
    """A member is healthy when it answered anybody: one that is cut off from the rest calls the healthy ones dead."""
    members: list[Member] = []
    healthy: set[str] = set()
    statuses: dict[int, MemberStatus] = {}
    for _, health in found.pairs(Role.CONTROL_PLANE):
        if (answer := health.answers.get(ETCD_MEMBERS)) and not members:
            members = parse_members(answer.text)
        if answer := health.answers.get(ETCD_HEALTH):
            healthy |= healthy_urls(answer.text)
        if answer := health.answers.get(ETCD_STATUS):
            statuses |= {status.id: status for status in parse_statuses(answer.text)}
    judged = tuple(replace(member, healthy=bool(healthy & set(member.client_urls))) for member in members)
    return EtcdView(judged, statuses, len(found.spec.control_planes))


def member_of(view: EtcdView, node: NodeSpec) -> Member | None:
    """The member on a control plane."""
    return member_at(view.members, str(node.address))


def soonest(found: Gathered) -> CertificateEnd | None:
    """The certificate that ends first."""
    return min(found.certificates, key=lambda each: (each.not_after, each.node, each.path), default=None)


@dataclass(frozen=True)
class Clocks:
    """How far the hosts' clocks are apart, in seconds."""

    offsets: Mapping[str, float]  # by node, from the control machine's; a best guess
    skew: float | None  # at least so far are two hosts apart; None with fewer than two answers
    off: Mapping[str, float]  # nodes that are surely more than a second from the one in the middle, and how far


def clocks(found: Gathered, *, tolerated: float = 1.0) -> Clocks:
    """What is sure, however slowly the network answered; so a slow host is not taken for one with a wrong clock."""
    spans = {found.name_of(node): health.clock for node, health in found.pairs() if health.clock}
    offsets = {name: (low + high) / 2 for name, (low, high) in spans.items()}
    if len(spans) < 2:
        return Clocks(offsets, None, {})
    apart = max(low for low, _ in spans.values()) - min(high for _, high in spans.values())
    middle = median_low(sorted(offsets.values()))
    sure = {name: low - middle if low > middle else min(0.0, high - middle) for name, (low, high) in spans.items()}
    return Clocks(offsets, max(0.0, apart), {name: far for name, far in sure.items() if abs(far) > tolerated})


@dataclass(frozen=True)
class PodGroup:
    """Pods of one component with one image."""

    component: str
    image: str
    pods: tuple[PodState, ...]


def pod_groups(pods: Sequence[PodState]) -> list[PodGroup]:
    """System pods by component and image, without those that end; two images of one component are two groups."""
    groups: dict[tuple[str, str], list[PodState]] = {}
    for pod in pods:
        if not (pod.ended or pod.leaving):
            groups.setdefault((pod.component, " ".join(pod.images)), []).append(pod)
    return [PodGroup(component, image, tuple(pods)) for (component, image), pods in sorted(groups.items())]


def _readyz(text: str) -> str:
    """The checks of /readyz that fail, out of kubectl's complaint."""
    failing = [word.partition(" ")[0] for word in text.replace("\\n", "\n").split("[-]")[1:]]
    return f"its checks fail: {', '.join(failing)}" if failing else ""
