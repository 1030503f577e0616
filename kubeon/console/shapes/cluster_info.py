"""What `cluster-info` says."""

from collections.abc import Mapping, Sequence

from typing_extensions import TypedDict

from kubeon.console.shapes.etcd import EtcdAlarm


class Reason(TypedDict):
    """Why a cluster is not healthy, or what is worth knowing."""

    severity: str
    check: str
    nodes: Sequence[str]
    what: str
    hint: str


class Disk(TypedDict):
    """A file system that the node depends on; `scarce` says of what there is little, if so."""

    folder: str
    mount: str
    totalKiB: int
    freeKiB: int
    usedPercent: int
    scarce: str


class NodeInfo(TypedDict):
    """A node as its host and the API describe it; `marked`: it bears this cluster's mark."""

    name: str
    address: str
    role: str
    answers: bool
    error: str
    marked: bool | None
    ready: bool | None
    notReady: str
    pressures: Sequence[str]
    cordoned: bool | None
    created: str | None
    kubelet: str
    runtime: str
    os: str
    kernel: str
    uptimeSeconds: float | None
    units: Mapping[str, str]
    clockOffsetSeconds: float | None
    disks: Sequence[Disk]


class ApiServer(TypedDict):
    """An API server, as its own host finds it."""

    node: str
    ready: bool | None
    text: str


class ApiLoadBalancer(TypedDict):
    """The API load balancer as a worker finds it."""

    node: str
    works: bool | None
    text: str


class Api(TypedDict):
    """The API, and how nodes reach it."""

    endpoint: str
    loadBalancer: str
    servers: Sequence[ApiServer]
    workers: Sequence[ApiLoadBalancer]


class EtcdMemberInfo(TypedDict):
    """A member of etcd."""

    id: str
    name: str
    node: str | None
    healthy: bool
    learner: bool
    leader: bool
    version: str
    dbSizeBytes: int | None
    dbInUseBytes: int | None


class EtcdInfo(TypedDict):
    """etcd as a whole."""

    voters: int
    answering: int
    needed: int
    mayFail: int
    hasQuorum: bool
    summary: str
    alarms: Sequence[EtcdAlarm]
    members: Sequence[EtcdMemberInfo]


class FirstToExpire(TypedDict):
    """The certificate that expires first."""

    node: str
    path: str
    subject: str
    expires: str | None
    daysLeft: int


class CertificatesInfo(TypedDict):
    """Certificates, counted."""

    count: int
    first: FirstToExpire | None


class Clocks(TypedDict):
    """How far the hosts' clocks are apart."""

    skewSeconds: float | None


class PodNotReady(TypedDict):
    """A pod that is not ready."""

    name: str
    node: str
    why: str


class PodGroup(TypedDict):
    """Pods of a component of kube-system."""

    component: str
    image: str
    ready: int
    total: int
    restarts: int
    notReady: Sequence[PodNotReady]


class EndedOperation(TypedDict):
    """The last operation that has ended, or was cut off."""

    operation: str
    who: str
    begun: str
    seconds: float | None
    command: Sequence[str]
    result: str
    error: str


class RunningOperation(TypedDict):
    """The operation that holds the cluster's lock."""

    operation: str
    who: str
    pid: int
    since: str


class OperationInfo(TypedDict):
    """What was done last, runs now, or was begun and is not finished."""

    last: EndedOperation | None
    running: RunningOperation | None
    unfinished: bool


class ClusterInfo(TypedDict):
    """`cluster-info`: `verdict` is healthy, degraded or down."""

    cluster: str
    verdict: str
    reasons: Sequence[Reason]
    asked: str | None
    seconds: float
    version: str
    nodes: Sequence[NodeInfo]
    api: Api
    etcd: EtcdInfo
    certificates: CertificatesInfo
    clocks: Clocks
    pods: Sequence[PodGroup]
    operation: OperationInfo
