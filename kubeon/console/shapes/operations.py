"""What commands say that change a cluster, or its hosts."""

from collections.abc import Mapping, Sequence
from typing import NotRequired

from typing_extensions import TypedDict


class Node(TypedDict):
    """A node at the end of an operation."""

    name: str
    address: str
    role: str
    version: str
    ready: bool


class WithNodes(TypedDict):
    """Of operations on nodes: how these are at the end."""

    cluster: str
    changed: bool
    nodes: Sequence[Node]
    seconds: float
    log: str | None


class Created(WithNodes):
    """`create`, `adopt`, `add`: the nodes it was about."""

    kubeconfig: str | None


class Deleted(TypedDict):
    """`del`: nodes that left, and what was left on their hosts on purpose."""

    cluster: str
    removed: Sequence[str]
    stays: Sequence[str]
    seconds: float
    log: str | None


class Destroyed(TypedDict):
    """`destroy`."""

    cluster: str
    hosts: Sequence[str]
    stays: Sequence[str]
    seconds: float


class Upgraded(WithNodes):
    """`upgrade`: `left` are nodes that still have the version of before."""

    version: str
    left: Sequence[str]
    pausedAfter: str | None
    snapshot: str | None


class Switched(WithNodes):
    """`lb switch`: `left` are nodes that could not be asked."""

    kubeconfig: str | None
    mode: str
    endpoint: str
    left: Sequence[str]


class Renewed(TypedDict):
    """`certs renew`: kubeadm's names of what was renewed, by node."""

    cluster: str
    changed: bool
    renewed: Mapping[str, Sequence[str]]
    seconds: float
    kubeconfig: str | None
    log: str | None


class Rotated(TypedDict):
    """`certs rotate-ca`: `stage` is "done" or the next one, `workloads` are those whose pods are to be restarted."""

    cluster: str
    rotated: Sequence[str]
    stage: str
    workloads: Sequence[str]
    problems: Sequence[str]
    old: str | None
    seconds: float
    kubeconfig: str | None
    log: str | None


class Renamed(TypedDict):
    """`rename`."""

    cluster: str
    was: str
    hosts: Sequence[str]
    seconds: float


class Forgotten(TypedDict):
    """`forget`: where description and snapshots are kept."""

    cluster: str
    description: str
    snapshots: str | None
    kubeconfig: str | None


class ExecHost(TypedDict):
    """How the command ended on a host: `error` where it did not run to its end, else `exitCode`."""

    name: str
    address: str
    error: NotRequired[str]
    exitCode: NotRequired[int]
    stdout: str
    stderr: str
    seconds: float


class ExecSummary(TypedDict):
    """Numbers of hosts."""

    hosts: int
    ok: int
    failed: int


class Executed(TypedDict):
    """`exec`."""

    cluster: str
    command: Sequence[str]
    hosts: Sequence[ExecHost]
    summary: ExecSummary
    seconds: float


class CopyHost(TypedDict):
    """Files of one host."""

    name: str
    address: str
    copied: int
    unchanged: int
    bytes: int


class Copied(TypedDict):
    """`cp`."""

    cluster: str
    hosts: Sequence[CopyHost]
    seconds: float
