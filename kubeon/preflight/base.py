"""What a check is, what it looks at, and what it finds."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kubeon.errors import KubeonError
from kubeon.hosts.facts import Facts
from kubeon.hosts.marks import Mark
from kubeon.spec.model import ClusterSpec, NodeSpec, Role


class Severity(StrEnum):
    """An error stops the operation before anything is changed; a warning is shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. `host` is the node's name, "" for the cluster as a whole."""

    check: str  # kubeadm's name where it has one: "Mem", "NumCPU", "Port-6443"
    host: str
    severity: Severity
    what: str
    hint: str = ""


@dataclass(frozen=True)
class Candidate:
    """A node that was reached."""

    node: NodeSpec
    facts: Facts
    ours: bool  # kubeon has put it into this cluster already, wholly or in part

    @property
    def name(self) -> str:
        """The node's name: as given, else the host's own."""
        return self.node.name or self.facts.hostname or self.address

    @property
    def address(self) -> str:
        """As given in the spec."""
        return str(self.node.address)

    @property
    def control_plane(self) -> bool:
        """Is that its role?"""
        return self.node.role is Role.CONTROL_PLANE

    @property
    def joined(self) -> bool:
        """It is a working member: what it has been given is given, and looking for room makes no sense any more."""
        return self.ours and self.facts.kubelet_kubeconfig

    @property
    def configured(self) -> bool:
        """kubeadm has made it a member: the cluster runs on what is here, and was told of it where that matters."""
        return self.ours and self.facts.kubelet_config

    def error(self, check: str, what: str, hint: str = "") -> Finding:
        """An error about this host."""
        return Finding(check, self.name, Severity.ERROR, what, hint)

    def warning(self, check: str, what: str, hint: str = "") -> Finding:
        """A warning about this host."""
        return Finding(check, self.name, Severity.WARNING, what, hint)


@dataclass(frozen=True)
class Subject:
    """Everything that is looked at: what is wanted, and what was found."""

    spec: ClusterSpec
    candidates: tuple[Candidate, ...]
    unreachable: Mapping[str, KubeonError] = field(default_factory=dict)  # address: why
    material: tuple[KubeonError, ...] = ()  # problems with files and images
    ca_fingerprint: str = ""  # of this cluster's CA, as far as it is known


Look = Callable[[Subject], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """A function that looks, and the names of what it may find."""

    look: Look
    names: tuple[str, ...]


def each(look: Callable[[Subject, Candidate], Iterable[Finding]]) -> Look:
    """A check of one host at a time."""

    def look_at_all(subject: Subject) -> Iterator[Finding]:
        for candidate in subject.candidates:
            yield from look(subject, candidate)

    return look_at_all


def make_subject(
    spec: ClusterSpec,
    facts: Mapping[str, Facts],
    *,
    unreachable: Mapping[str, KubeonError],
    material: Iterable[KubeonError],
    ca_fingerprint: str,
) -> Subject:
    """Join facts (by address as in the spec) with nodes, and decide which hosts are this cluster's already.

    Where the record on the control machine was lost, the cluster's CA is the one that most markers name.
    """
    marks = [each_facts.mark for each_facts in facts.values()]
    named = Counter(mark.ca for mark in marks if mark.cluster == spec.name and mark.ca)
    expected = ca_fingerprint or (named.most_common(1)[0][0] if named else "")
    candidates = tuple(
        Candidate(node, facts[str(node.address)], _is_ours(spec, facts[str(node.address)], expected))
        for node in spec.nodes
        if str(node.address) in facts
    )
    return Subject(spec, candidates, dict(unreachable), tuple(material), expected)


def _is_ours(spec: ClusterSpec, facts: Facts, expected: str) -> bool:
    if facts.mark:
        return facts.mark == Mark(spec.name, expected) and facts.ca_fingerprint in ("", expected)
    # certificates come before the marker: a run that was interrupted between the two
    return bool(expected) and facts.ca_fingerprint == expected
