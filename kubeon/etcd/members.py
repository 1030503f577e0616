"""etcd's members, asked with the etcdctl of etcd's own container on a control plane.

A member is told by its peer URL, https://ADDRESS:2380, never by a part of its name.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from kubeon.errors import CommandError, OperationError
from kubeon.etcd.status import MemberStatus, parse_statuses
from kubeon.hosts.host import Host

CONTAINER = "etcd"  # its name in kubeadm's static pod
_PKI = "/etc/kubernetes/pki/etcd"
_ETCDCTL = (
    *("etcdctl", "--cacert", f"{_PKI}/ca.crt"),
    *("--cert", f"{_PKI}/healthcheck-client.crt", "--key", f"{_PKI}/healthcheck-client.key"),
)
_LOCAL = "https://127.0.0.1:2379"
_TRIES = 3
# What `endpoint health` waits for a member that does not answer.
_IMPATIENT = ("--dial-timeout", "2s", "--command-timeout", "4s")


@dataclass(frozen=True)
class Member:
    """`name` and `client_urls` are empty while a member that was added has not started yet."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    learner: bool = False
    healthy: bool = False

    @property
    def title(self) -> str:
        """For people: its name, or its address before it has one."""
        return self.name or self.peer_urls[0]


def peer_url(address: str) -> str:
    """What kubeadm announces for the control plane with this address."""
    return f"https://{address}:2380"


class Etcd:
    """etcd as the member on one control plane sees it. `inside` makes a script of words to run in a container."""

    def __init__(self, host: Host, inside: Callable[[str, Sequence[str]], str]) -> None:
        self.host = host
        self._inside = inside

    def inside(self, *words: str) -> str:
        """Shell that runs a command in etcd's container on this host."""
        return self._inside(CONTAINER, words)

    def etcdctl(self, *words: str) -> str:
        """Shell that asks this host's own member."""
        return self.inside(*_ETCDCTL, "--endpoints", _LOCAL, *words)

    def members(self) -> list[Member]:
        """All members, with whether each answers a linearizable read. Raises OperationError without a quorum."""
        try:
            listed = self._answer("member", "list")["members"]
            members = [_member(each) for each in listed]
            urls = [url for member in members for url in member.client_urls[:1]]
            answered = self._healthy(urls) if urls else set()
        except CommandError as error:  # its container may also be gone between the two questions
            raise OperationError(
                "etcd does not answer",
                why=error.why,
                hint=f"look at: crictl ps -a --name etcd, and its logs, on {self.host.name}",
                host=self.host.name,
            ) from error
        return [replace(member, healthy=bool(answered & set(member.client_urls[:1]))) for member in members]

    def leader(self) -> int:
        """The leader's member ID; 0 while there is none."""
        status = self._answer("endpoint", "status")
        return int(status[0]["Status"].get("leader", 0))

    def own_status(self) -> MemberStatus:
        """This host's member by itself; that needs no quorum. Raises OperationError when it serves nobody."""
        found = self.statuses([_LOCAL])
        if not found:  # etcd up to 3.5 opens its port for clients only when there is a leader
            raise OperationError(
                "its etcd runs, but does not serve: it waits for the others",
                hint=f"look at: crictl logs of etcd on {self.host.name}",
                host=self.host.name,
            )
        return found[0]

    def statuses(self, endpoints: Sequence[str]) -> list[MemberStatus]:
        """What the members behind these endpoints say of themselves; those that do not answer are left out."""
        answer = self._run(",".join(endpoints), "endpoint", "status", "-w", "json", *_IMPATIENT, tolerant=True)
        return parse_statuses(answer)

    def defragment(self, member: Member, *, seconds: int) -> None:
        """Give the free pages of a member's file back to the disk. It serves nobody meanwhile."""
        limits = ("--dial-timeout", "5s", "--command-timeout", f"{seconds}s")
        self._run(member.client_urls[0], "defrag", *limits, timeout=seconds + 30, again=False)

    def move_leader(self, leader: Member, to: Member) -> None:
        """Hand the lead over, so that the leader can go without an election that holds up every write."""
        self._run(leader.client_urls[0], "move-leader", f"{to.id:x}", again=False)

    def remove(self, member: Member) -> None:
        """Take a member out, by its ID."""
        self._run(_LOCAL, "member", "remove", f"{member.id:x}", again=False)

    def _healthy(self, urls: Sequence[str]) -> set[str]:
        """etcdctl fails when one of them does, and says of each in its output how it is."""
        words = ("endpoint", "health", "-w", "json", *_IMPATIENT)
        return healthy_urls(self._run(",".join(urls), *words, tolerant=True))

    def _answer(self, *words: str) -> Any:
        """etcdctl's JSON. On a busy host containerd may lose what a command printed: it is asked again then."""
        text = ""
        for _ in range(_TRIES):
            text = self._run(_LOCAL, *words, "-w", "json")
            with suppress(ValueError):
                return json.loads(text)
        raise OperationError(
            "what etcd answers cannot be read",
            why=text.strip()[-200:] or f"etcdctl {' '.join(words)} printed nothing",
            host=self.host.name,
        )

    def _run(self, endpoints: str, *words: str, tolerant: bool = False, timeout: float = 60, again: bool = True) -> str:
        script = self.inside(*_ETCDCTL, "--endpoints", endpoints, *words)
        if tolerant:
            script += "true\n"
        return self.host.ask(script, timeout=timeout, what="etcdctl " + " ".join(words[:2]), wait=False, again=again)


def _member(listed: dict[str, Any]) -> Member:
    return Member(
        int(listed["ID"]),
        str(listed.get("name", "")),
        tuple(listed.get("peerURLs", ())),
        tuple(listed.get("clientURLs", ())),
        bool(listed.get("isLearner", False)),
    )


def etcdctl(*words: str, seconds: int) -> tuple[str, ...]:
    """The words to ask a control plane's own member, given up after that many seconds and 2 more for connecting."""
    limits = ("--dial-timeout", "2s", "--command-timeout", f"{seconds}s")
    return (*_ETCDCTL, "--endpoints", _LOCAL, *words, "-w", "json", *limits)


def parse_members(text: str) -> list[Member]:
    """The answer of `member list -w json`; whether they are healthy is not part of it. Empty for anything else."""
    try:
        return [_member(each) for each in json.loads(text)["members"]]
    except (ValueError, KeyError, TypeError):
        return []


def healthy_urls(text: str) -> set[str]:
    """Client URLs that answered, out of what `endpoint health -w json` prints, warnings among it."""
    lines = [line for line in text.splitlines() if line.startswith("[{")]
    return {each["endpoint"] for line in lines for each in json.loads(line) if each.get("health")}


def member_at(members: Sequence[Member], address: str) -> Member | None:
    """The member of the control plane with this address."""
    return next((member for member in members if peer_url(address) in member.peer_urls), None)
