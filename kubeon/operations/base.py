"""What operations share: how they run, what they show before, what they come to, and the run itself."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.look import Seen, look
from kubeon.cluster.options import UPLOADS, Options
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.reporters import JournalReporter, LogReporter, Tee
from kubeon.engine.runner import Outcome, Runner
from kubeon.errors import Interrupted
from kubeon.hosts.host import Host
from kubeon.kube.kubeconfig_file import write_merged, write_updated
from kubeon.operations.pending import expect_may_begin
from kubeon.phases.clean_host import Left
from kubeon.preflight import Finding
from kubeon.spec.model import ClusterSpec, NodeSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class Plan:
    """What an operation would do, host by host."""

    title: str
    header: tuple[str, ...]
    hosts: dict[str, tuple[str, ...]]
    warnings: tuple[Finding, ...] = ()

    @property
    def changes(self) -> bool:
        """Is there anything to do?"""
        return any(self.hosts.values())


@dataclass(frozen=True)
class NodeResult:
    """A node at the end of an operation."""

    name: str
    address: str
    role: str
    version: str
    ready: bool


@dataclass(frozen=True)
class CreateResult:
    """What `create` came to. `seconds` is the whole time."""

    cluster: str
    changed: bool
    nodes: tuple[NodeResult, ...] = ()
    seconds: float = 0.0
    kubeconfig: Path | None = None
    log: Path | None = None


@dataclass(frozen=True)
class DestroyResult:
    """What `destroy` came to; `stays` is what it left on purpose, a line each."""

    cluster: str
    hosts: tuple[str, ...] = ()
    seconds: float = 0.0
    log: Path | None = None
    stays: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class DeleteResult:
    """What `del` came to: the nodes that left, and `stays` as for destroy."""

    cluster: str
    nodes: tuple[str, ...] = ()
    seconds: float = 0.0
    log: Path | None = None
    stays: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class UpgradeResult:
    """What `upgrade` came to. `left` are nodes that still have the version of before; `snapshot` is etcd's."""

    cluster: str
    version: str
    changed: bool
    nodes: tuple[NodeResult, ...] = ()
    left: tuple[str, ...] = ()
    paused_after: str = ""
    snapshot: Path | None = None
    seconds: float = 0.0
    log: Path | None = None


Confirm = Callable[[Plan], bool]


class Run:
    """One operation under way: its record, its log, its connections."""

    def __init__(self, state: ClusterState, operation: str, reporter: Reporter, options: Options) -> None:
        self.state, self.operation = state, operation
        self.log: Path | None = None
        self.seen: Seen | None = None
        self.reporter: Reporter = Tee(reporter)
        self._options, self._began = options, SYSTEM_CLOCK.monotonic()
        self._log_reporter: LogReporter | None = None
        if not options.dry_run:
            hide = options.secrets.hide
            self.log = state.new_log(operation, SYSTEM_CLOCK.now())
            self._log_reporter = LogReporter(self.log, hide=hide)
            journal = JournalReporter(state.journal, operation, run=self.log.stem, hide=hide)
            self.reporter = Tee(reporter, self._log_reporter, journal)
            self.write_down("begun", words=options.words)

    def look(
        self, spec: ClusterSpec, options: Options, *, nodes: Sequence[NodeSpec] = (), impatient: Sequence[NodeSpec] = ()
    ) -> Seen:
        """Log in to `nodes` (default: all) and gather facts; those in `impatient` are not waited for long."""
        quick = frozenset(node.address for node in impatient)
        self.seen = look(
            spec,
            self.state,
            options.secrets,
            parallel=options.parallel,
            nodes=nodes or spec.nodes,
            impatient=quick,
            on_wait=lambda text, host: self.reporter.warn(text, host=host),
        )
        return self.seen

    def walk(
        self, phases: Sequence[Step], ctx: Cluster, options: Options, interrupt: Interrupt | None, title: str
    ) -> Outcome:
        """Run the phases on all hosts."""
        runner: Runner[Cluster, Host] = Runner(
            phases,
            ctx.hosts,
            ctx,
            reporter=self.reporter,
            interrupt=interrupt or Interrupt(),
            parallel=options.parallel,
            limits={UPLOADS: options.uploads},
        )
        outcome = runner.run(title, cut=self.close_connections)
        for name in ctx.members:  # one that waited in vain is as it was
            outcome.blocked.pop(name, None)
        return outcome

    def close(self) -> None:
        """End connections and the log. Safe to call twice."""
        self.close_connections()
        if self._log_reporter is not None:
            self._log_reporter.close()

    def close_connections(self) -> None:
        """Of the last look."""
        if self.seen is not None:
            self.seen.close()

    def failed(self, error: BaseException) -> None:
        """Into the log and the journal, whatever it is."""
        if self._log_reporter is not None:
            self._log_reporter.write(f"failed: {error}")
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        self.write_down("interrupted" if stopped else "failed", error=str(error))

    def write_down(
        self, status: str, *, error: str = "", words: Sequence[str] = (), state: ClusterState | None = None
    ) -> None:
        """How the operation stands, into the journal: of this record, or of `state`. Not of one that is gone."""
        state = state or self.state
        if self.log is None or not state.path.exists():
            return
        hide = self._options.secrets.hide
        state.journal.append(
            self.operation,
            status,
            SYSTEM_CLOCK.now(),
            seconds=since(self._began) if status != "begun" else 0.0,
            error=hide(error),
            run=self.log.stem,
            words=[hide(word) for word in words],
        )


@contextmanager
def begun(home: Home, name: str, operation: str, reporter: Reporter, options: Options) -> Iterator[Run]:
    """Hold the cluster's lock for the whole operation. A dry run of an unknown cluster leaves no record of it.

    Raises StateError where something is unfinished that this operation may not be beside.
    """
    now = SYSTEM_CLOCK.now()
    with tempfile.TemporaryDirectory(prefix="kubeon-") as nowhere:
        state = home.cluster(name)
        if options.dry_run and not state.path.exists():
            unknown = Home(Path(nowhere) / "home")
            unknown.store = home.store
            state = unknown.cluster(name)
        with state.lock(operation, now):
            expect_may_begin(state, operation)
            run = Run(state, operation, reporter, options)
            try:
                yield run
            except BaseException as error:
                run.failed(error)
                raise
            else:
                run.write_down("ok")
            finally:
                run.close()


@contextmanager
def visited(
    name: str, options: Options, home: Home, *, nodes: Sequence[NodeSpec] = (), impatient: Sequence[NodeSpec] = ()
) -> Iterator[tuple[ClusterSpec, ClusterState, Seen]]:
    """Look at a cluster's hosts (`nodes`; default: all) for a question that changes nothing: no lock, no log.

    Raises StateError for a cluster that is not known here.
    """
    spec, state = home.known(name), home.cluster(name)
    quick = frozenset(node.address for node in impatient)
    seen = look(
        spec,
        state,
        options.secrets,
        parallel=options.parallel,
        nodes=nodes or spec.nodes,
        impatient=quick,
        on_wait=options.on_wait,
    )
    try:
        yield spec, state, seen
    finally:
        seen.close()


def make_plan(
    title: str, ctx: Cluster, phases: Sequence[Step], warnings: tuple[Finding, ...], header: tuple[str, ...] = ()
) -> Plan:
    """What the phases say that they would do."""
    lines = {
        host.name: tuple(line for phase in phases if phase.takes_part(ctx, host) for line in phase.preview(ctx, host))
        for host in ctx.hosts
    }
    lines = {name: what for name, what in lines.items() if what or name not in ctx.members}
    spec = ctx.spec
    first = (
        f"{len(spec.control_planes)} control plane{'s' if len(spec.control_planes) != 1 else ''}, "
        f"{len(spec.workers)} worker{'s' if len(spec.workers) != 1 else ''}; "
        f"network plug-in {spec.networking.plugin}; API at {ctx.lb.endpoint(spec)}",
    )
    return Plan(title, (*first, *header), lines, warnings)


def commit(ctx: Cluster, spec: ClusterSpec, options: Options, *, merge: bool = False) -> Path | None:
    """What is true now goes into the record, and how to reach the cluster into the user's kubeconfig.

    Into one that does not know the cluster only with `merge`.
    """
    admin = ctx.bootstrap.read_files(["/etc/kubernetes/admin.conf"])["/etc/kubernetes/admin.conf"].decode()
    ctx.state.write_admin_conf(admin)
    ctx.state.write_spec(spec)
    if options.kubeconfig is None:
        return None
    (write_merged if merge else write_updated)(options.kubeconfig, spec.name, admin, ctx.user_server)
    return options.kubeconfig


def named(spec: ClusterSpec, names: Mapping[str, str]) -> ClusterSpec:
    """The description with the names (by address) that nodes without one have: a node keeps its name for ever."""
    nodes = tuple(
        node if node.name else node.model_copy(update={"name": names.get(str(node.address))}) for node in spec.nodes
    )
    return spec.model_copy(update={"nodes": nodes})


def names_in(spec: ClusterSpec | None) -> dict[str, str]:
    """Names of nodes by address, where they have one."""
    return {str(node.address): node.name for node in spec.nodes if node.name} if spec else {}


def stays(outcome: Outcome) -> tuple[str, ...]:
    """What phases left on hosts on purpose."""
    return tuple(
        f"{host}: {line}"
        for host, changes in outcome.changes.items()
        for lines in changes.values()
        for line in lines
        if isinstance(line, Left)
    )


def node_results(ctx: Cluster, hosts: Sequence[Host]) -> tuple[NodeResult, ...]:
    """How these nodes are now."""
    nodes = ctx.api.nodes()
    return tuple(
        NodeResult(
            host.name,
            host.address,
            host.node.role.value,
            str(nodes.get(host.name, {}).get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")),
            host.name in ctx.registered,
        )
        for host in hosts
    )
