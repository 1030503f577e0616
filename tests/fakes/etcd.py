"""etcd as etcdctl sees it: members, which of them answer, and who leads. It refuses what the real one refuses."""

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any


class EtcdError(Exception):
    """etcdctl fails with these words."""


@dataclass
class FakeMember:
    """`runs` says whether its machine's etcd is up; a member that never started has no name."""

    id: int
    name: str
    address: str
    runs: bool = True
    learner: bool = False
    size: int = 3_000_000  # bytes of its file
    serves: bool = True  # also without a quorum: it has not been started since then
    errors: tuple[str, ...] = ()


class FakeEtcd:
    """One cluster's members."""

    def __init__(self) -> None:
        self.members: list[FakeMember] = []
        self.leader = 0
        self.log: list[str] = []  # what changed
        self.revision = 4711
        self.version = "3.4.13"
        self._whole = ""  # token of the last restore that came to a quorum
        self._restored: dict[str, dict[str, str]] = {}  # by token: addresses of those that have started, and names
        self._lock = threading.Lock()
        self._next = 0xA000000000000001  # as large as the real ones, which JSON readers like to spoil

    def add(self, name: str, address: str) -> None:
        """What kubeadm does: a member is added, and starts."""
        with self._lock:
            assert not any(member.address == address for member in self.members), "Peer URLs already exists"
            assert len(self.members) < 2 or self._has_quorum(len(self.members) + 1), "unhealthy cluster"
            self.members.append(FakeMember(self._next, name, address))
            self.leader = self.leader or self._next
            self.log.append(f"add {name}")
            self._next += 1

    def etcdctl(self, words: list[str], *, at: str, endpoints: list[str]) -> str:
        """Answer a command line, without the flags of its connection; `at` is the address where it is typed."""
        with self._lock:
            urls = [url.replace("127.0.0.1", at) for url in endpoints]
            asked = [each for each in self.members if _client(each) in urls and each.runs and each.serves]
            if (answer := self._alone(words, asked)) is not None:
                return answer
            if not self._has_quorum(len(self.members)):
                raise EtcdError("etcdserver: request timed out")
            match words:
                case ["defrag", *_]:
                    (member,) = asked
                    self.log.append(f"defrag {member.name}")
                    member.size = 1_000_000
                    return f"Finished defragmenting etcd member[{urls[0]}]\n"
                case ["member", "list", "-w", "json"]:
                    return json.dumps({"header": {}, "members": [self._member(each) for each in self.members]})
                case ["endpoint", "health", "-w", "json", *_]:
                    health = [{"endpoint": _client(each), "health": each.runs} for each in self.members if each.name]
                    return json.dumps(health)
                case ["move-leader", identifier]:
                    self.leader = int(identifier, 16)
                    self.log.append(f"lead {self._named(self.leader).name}")
                    return ""
                case ["member", "remove", identifier]:
                    member = self._named(int(identifier, 16))
                    self.members.remove(member)
                    assert self._has_quorum(len(self.members)), "the fake lost its quorum"
                    if self.leader == member.id:
                        self.leader = self.members[0].id
                    self.log.append(f"remove {member.name or member.address}")
                    return f"Member {identifier} removed from cluster\n"
        raise AssertionError(f"etcdctl {words}: the fake was not told about it")

    def _alone(self, words: list[str], asked: list[FakeMember]) -> str | None:
        """What members say by themselves, with or without a quorum."""
        match words:
            case ["endpoint", "status", "-w", "json", *_]:
                return json.dumps([self._status(each) for each in asked]) if asked else ""
            case ["member", "list", "-w", "json", "--dial-timeout", *_]:
                return json.dumps({"header": {}, "members": [self._member(each) for each in self.members]})
            case ["endpoint", "health", "--cluster", "-w", "json", *_]:
                quorum = self._has_quorum(len(self.members))
                named = [each for each in self.members if each.name]
                health = [{"endpoint": _client(each), "health": each.runs and quorum} for each in named]
                return '{"level":"warn","msg":"retrying"}\n' * (not quorum) + json.dumps(health)
        return None

    def start_restored(self, token: str, name: str, address: str, cluster: dict[str, str], revision: int) -> None:
        """A member starts with the data of a snapshot; with the last one of its cluster there is a quorum."""
        with self._lock:
            started = self._restored.setdefault(token, {})
            started[address] = name
            if set(cluster.values()) <= set(started) and self._whole != token:
                self._whole = token
                self.members = [FakeMember(self._next + n, *each) for n, each in enumerate(cluster.items())]
                self._next += len(cluster)
                self.leader, self.revision = self.members[0].id, revision
                self.log.append(f"restored {' '.join(sorted(cluster))}")

    def stop(self, address: str) -> None:
        """The machine with this address is gone."""
        for member in self.members:
            member.runs = member.runs and member.address != address

    def start(self, address: str) -> None:
        """It is back."""
        for member in self.members:
            member.runs = member.runs or member.address == address

    def snapshot(self) -> bytes:
        """What `snapshot save` writes: pages, and their checksum."""
        pages = f"revision {self.revision} ".encode().ljust(512 * 40, b".")
        return pages + hashlib.sha256(pages).digest()

    def _status(self, member: FakeMember) -> dict[str, Any]:
        quorum = self._has_quorum(len(self.members))
        header = {"member_id": member.id, "revision": self.revision, "raft_term": 2}
        status: dict[str, Any] = {"header": header, "version": self.version}
        status |= {"dbSize": member.size, "dbSizeInUse": 900_000}
        status |= {"leader": self.leader if quorum else 0, "raftTerm": 2, "raftIndex": 5000, "raftAppliedIndex": 5000}
        errors = [*member.errors, *([] if quorum else ["etcdserver: no leader"])]
        return {"Endpoint": _client(member), "Status": status | ({"errors": errors} if errors else {})}

    def _has_quorum(self, voters: int) -> bool:
        return sum(member.runs and bool(member.name) for member in self.members) >= voters // 2 + 1

    def _named(self, identifier: int) -> FakeMember:
        return next(member for member in self.members if member.id == identifier)

    def _member(self, member: FakeMember) -> dict[str, Any]:
        started = {"name": member.name, "clientURLs": [_client(member)]} if member.name else {}
        learner = {"isLearner": True} if member.learner else {}
        return {"ID": member.id, "peerURLs": [f"https://{member.address}:2380"], **started, **learner}


def _client(member: FakeMember) -> str:
    return f"https://{member.address}:2379"
