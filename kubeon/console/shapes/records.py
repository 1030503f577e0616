"""What is on record here, and what kubeon knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict


class Operation(TypedDict):
    """An operation of the past."""

    number: int
    operation: str
    begun: str
    who: str
    command: Sequence[str]
    result: str
    changed: bool
    seconds: float | None
    error: str
    log: str | None


class PhaseOnHost(TypedDict):
    """What a phase did on a host."""

    host: str
    phase: str
    status: str
    seconds: float
    changes: Sequence[str]
    error: str


class History(TypedDict):
    """`history`."""

    cluster: str
    operations: Sequence[Operation]


class PhasesOf(Operation):
    """`history NAME NUMBER`, or with `--last`."""

    cluster: str
    phases: Sequence[PhaseOnHost]


class LogOf(Operation):
    """`history` with `--log`: the text of one operation's log, by default the last one's."""

    cluster: str
    text: str


class LastOperation(TypedDict):
    """The last operation on a cluster."""

    operation: str
    result: str
    begun: str
    who: str


class KnownCluster(TypedDict):
    """A cluster on record here."""

    name: str
    current: bool
    state: str
    detail: str
    version: str | None
    controlPlanes: int | None
    workers: int | None
    endpoint: str | None
    last: LastOperation | None


class Clusters(TypedDict):
    """`list`."""

    clusters: Sequence[KnownCluster]


class Current(TypedDict):
    """`use`."""

    current: str | None


class Kubeconfig(TypedDict):
    """`kubeconfig`: its text."""

    cluster: str
    server: str
    kubeconfig: str


class MergedKubeconfig(TypedDict):
    """`kubeconfig --merge`."""

    cluster: str
    server: str
    path: str
    changed: bool


class ReleaseFile(TypedDict):
    """A file that a release consists of."""

    name: str
    version: str
    url: str
    checksumUrl: str


class Release(TypedDict):
    """`view components`: `known` says whether kubeon's table has the release; versions by component."""

    version: str
    known: bool
    kubeadmApi: str
    components: Mapping[str, str]
    containerdSupportEnds: str
    images: Sequence[str]
    loadBalancerImages: Sequence[str]
    files: Sequence[ReleaseFile]


class Supported(TypedDict):
    """What kubeon knows; `seen` are the runs on real hosts that showed it."""

    kind: str
    name: str
    state: str
    note: str
    seen: Sequence[Mapping[str, Any]]


class Support(TypedDict):
    """`view support`."""

    supported: Sequence[Supported]


class Completion(TypedDict):
    """`completion`."""

    shell: str
    script: str
