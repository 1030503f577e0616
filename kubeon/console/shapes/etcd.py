"""What `etcd` says."""

from collections.abc import Mapping, Sequence

from typing_extensions import TypedDict


class EtcdQuorum(TypedDict):
    """How many members there are, and how many may fail."""

    voters: int
    healthy: int
    needed: int
    mayFail: int
    lost: bool


class EtcdAlarm(TypedDict):
    """NOSPACE or CORRUPT, raised by a member."""

    member: str
    alarm: str


class EtcdStatus(TypedDict):
    """What a member says of itself; sizes are bytes."""

    version: str
    dbSize: int
    dbSizeInUse: int
    leader: str | None
    raftTerm: int
    raftIndex: int
    raftAppliedIndex: int
    revision: int
    lag: int | None
    errors: Sequence[str]
    alarms: Sequence[EtcdAlarm]


class EtcdMember(TypedDict):
    """A member, or a control plane without one."""

    node: str
    address: str
    healthy: bool
    role: str
    problem: str
    id: str | None
    peerURLs: Sequence[str]
    clientURLs: Sequence[str]
    status: EtcdStatus | None


class Etcd(TypedDict):
    """`etcd members`, `etcd status`."""

    cluster: str
    healthy: bool
    quorum: EtcdQuorum
    members: Sequence[EtcdMember]
    problems: Sequence[str]


class Defragmented(TypedDict):
    """A member's file, in bytes."""

    node: str
    before: int
    after: int


class Defrag(TypedDict):
    """`etcd defrag`."""

    cluster: str
    members: Sequence[Defragmented]
    seconds: float
    log: str | None


class Snapshot(TypedDict):
    """A snapshot of etcd on this machine; `size` is bytes, `hash` etcd's own."""

    path: str
    cluster: str
    ca: str
    member: str
    members: Mapping[str, str]
    taken: str
    revision: int
    keys: int
    size: int
    hash: int
    sha256: str
    etcd: str
    kubernetes: str


class Saved(Snapshot):
    """`etcd snapshot save`: `pruned` are older ones that --keep removed."""

    pruned: Sequence[str]
    seconds: float
    log: str | None


class Snapshots(TypedDict):
    """`etcd snapshot list`."""

    cluster: str
    snapshots: Sequence[Snapshot]


class Restored(TypedDict):
    """`etcd snapshot restore`: `oldData` is where each node keeps what it had, `todo` a command that is due now."""

    cluster: str
    restored: Sequence[str]
    gone: Sequence[str]
    oldData: Mapping[str, str]
    snapshot: str | None
    todo: str | None
    seconds: float
    log: str | None
