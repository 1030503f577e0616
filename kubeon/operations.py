"""The table of contents: what each operation consists of."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.reporters import JournalReporter, LogReporter, Tee
from kubeon.engine.runner import Outcome, Runner
from kubeon.errors import StateError
from kubeon.hosts.host import Host
from kubeon.kube.kubeconfig_file import check_mergeable, write_merged, write_removed
from kubeon.phases.apply_network import ApplyNetwork
from kubeon.phases.authorize_key import AuthorizeKey
from kubeon.phases.clean_host import CleanHost
from kubeon.phases.configure_network import ConfigureNetwork
from kubeon.phases.context import UPLOADS, Cluster, Step
from kubeon.phases.import_images import ImportImages
from kubeon.phases.init_control_plane import InitControlPlane
from kubeon.phases.install_files import InstallFiles
from kubeon.phases.install_packages import InstallPackages
from kubeon.phases.join_nodes import JoinControlPlanes, JoinWorkers
from kubeon.phases.look import Seen, look
from kubeon.phases.place_certificates import PlaceCertificates
from kubeon.phases.prepare_hosts import PrepareHost
from kubeon.phases.register_nodes import RegisterNode
from kubeon.phases.resolve import check_again, check_hosts, cluster_to_clean, resolve
from kubeon.phases.start_runtime import StartRuntime
from kubeon.phases.verify_cluster import VerifyCluster
from kubeon.preflight import Finding, Severity, raise_on_errors
from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.transport.secrets import Secrets
from kubeon.waiting import SYSTEM_CLOCK

CREATE: tuple[Step, ...] = (
    AuthorizeKey(),
    PrepareHost(),
    InstallPackages(),
    InstallFiles(),
    StartRuntime(),
    ImportImages(),
    PlaceCertificates(),
    ConfigureNetwork(),
    InitControlPlane(),
    ApplyNetwork(),
    JoinControlPlanes(),
    JoinWorkers(),
    RegisterNode(),
    VerifyCluster(),
)
AGAIN = "the same command again continues where this one stopped"


@dataclass(frozen=True)
class Options:
    """How an operation runs, not what it brings about."""

    secrets: Secrets = field(default_factory=Secrets)
    dry_run: bool = False  # end with the plan
    parallel: int = 30  # hosts at once
    uploads: int = 8  # hosts that are sent files at once
    ignore_preflight_errors: frozenset[str] = frozenset()
    kubeconfig: Path | None = None  # the user's, to merge into; None leaves it alone
    remove_packages: bool = False  # destroy: OS packages that kubeon installed too


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


Confirm = Callable[[Plan], bool]


def create(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> CreateResult:
    """Make the cluster, or what is missing of it. Changes nothing before `confirm` has said yes."""
    began = SYSTEM_CLOCK.monotonic()
    with _begun(home, spec.name, "create", reporter, options) as run:
        stored = run.state.read_spec()
        check_again(stored, spec)
        seen = run.look(spec, options)
        findings = check_hosts(spec, seen, run.state, options.ignore_preflight_errors)
        raise_on_errors(findings)
        warnings = tuple(one for one in findings if one.severity is Severity.WARNING)
        ctx = resolve(spec, seen, run.state, run.reporter, ignored=options.ignore_preflight_errors)
        if options.kubeconfig is not None:
            check_mergeable(options.kubeconfig, spec.name, ctx.ca.ca.pem.decode())
        plan = _plan(f"create cluster {spec.name}, Kubernetes {spec.version}", ctx, CREATE, warnings)
        if not confirm(plan):
            return CreateResult(spec.name, changed=False)
        ctx.commit_identity()
        run.state.write_proposed(spec)
        outcome = run.walk(CREATE, ctx, options, interrupt, f"Creating {spec.name}")
        outcome.raise_if_failed(AGAIN)
        kubeconfig = _commit(ctx, options)
        changed = outcome.changed or stored != spec
        return CreateResult(spec.name, changed, _nodes(ctx), _since(began), kubeconfig, run.log)


def destroy(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> DestroyResult:
    """Take the cluster off its hosts and forget it. A host that is not marked as this cluster's is not touched."""
    began = SYSTEM_CLOCK.monotonic()
    state = home.cluster(name)
    spec = state.read_spec() or state.read_proposed()
    if spec is None:
        known = ", ".join(home.clusters()) or "none"
        raise StateError(f"there is no cluster {name}", hint=f"clusters known here: {known}")
    phases: tuple[Step, ...] = (CleanHost(remove_packages=options.remove_packages),)
    with _begun(home, name, "destroy", reporter, options) as run:
        seen = run.look(spec, options)
        ctx = cluster_to_clean(spec, seen, run.state, run.reporter, options.ignore_preflight_errors)
        left = tuple(
            Finding("Unreachable", str(error.host or address), Severity.WARNING, "it keeps what is on it")
            for address, error in seen.unreachable.items()
        )
        plan = _plan(f"destroy cluster {name}", ctx, phases, left)
        plan.hosts["this machine"] = ("forget the cluster: its record, its keys, its entries in the kubeconfig",)
        if not confirm(plan):
            return DestroyResult(name)
        outcome = run.walk(phases, ctx, options, interrupt, f"Destroying {name}")
        outcome.raise_if_failed(AGAIN)
        if options.kubeconfig is not None:
            write_removed(options.kubeconfig, name)
        stays = tuple(
            f"{host}: {line}"
            for host, changes in outcome.changes.items()
            for lines in changes.values()
            for line in lines
            if " stays" in line
        )
        run.close()
        state.remove()
        return DestroyResult(name, tuple(outcome.changes), _since(began), None, stays)


def preflight(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
) -> list[Finding]:
    """Look at hosts, network and material; change nothing anywhere."""
    with _begun(home, spec.name, "preflight", reporter, replace(options, dry_run=True)) as run:
        seen = run.look(spec, options)
        return check_hosts(spec, seen, run.state, options.ignore_preflight_errors)


class _Run:
    """One operation under way: its record, its log, its connections."""

    def __init__(self, state: ClusterState, operation: str, reporter: Reporter, options: Options) -> None:
        self.state, self.operation = state, operation
        self.log: Path | None = None
        self.seen: Seen | None = None
        self.reporter = reporter
        self._log_reporter: LogReporter | None = None
        if not options.dry_run:
            hide = options.secrets.hide
            self.log = state.new_log(operation, SYSTEM_CLOCK.now())
            self._log_reporter = LogReporter(self.log, hide=hide)
            self.reporter = Tee(reporter, self._log_reporter, JournalReporter(state.journal, operation, hide=hide))

    def look(self, spec: ClusterSpec, options: Options) -> Seen:
        """Log in everywhere and gather facts."""
        self.seen = look(spec, self.state, options.secrets, parallel=options.parallel)
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
        return runner.run(title, cut=self._cut)

    def close(self) -> None:
        """End connections and the log. Safe to call twice."""
        self._cut()
        if self._log_reporter is not None:
            self._log_reporter.close()

    def _cut(self) -> None:
        if self.seen is not None:
            self.seen.close()

    def failed(self, error: BaseException) -> None:
        """Into the log, whatever it is."""
        if self._log_reporter is not None:
            self._log_reporter.write(f"failed: {error}")


@contextmanager
def _begun(home: Home, name: str, operation: str, reporter: Reporter, options: Options) -> Iterator[_Run]:
    """Hold the cluster's lock for the whole operation. A dry run of an unknown cluster leaves no record of it."""
    now = SYSTEM_CLOCK.now()
    with tempfile.TemporaryDirectory(prefix="kubeon-") as nowhere:
        state = home.cluster(name)
        if options.dry_run and not state.path.exists():
            unknown = Home(Path(nowhere) / "home")
            unknown.store = home.store
            state = unknown.cluster(name)
        with state.lock(operation, now):
            run = _Run(state, operation, reporter, options)
            try:
                yield run
            except BaseException as error:
                run.failed(error)
                if not options.dry_run and state.path.exists():
                    state.journal.append(
                        operation, "failed", SYSTEM_CLOCK.now(), error=options.secrets.hide(str(error))
                    )
                raise
            else:
                if not options.dry_run and state.path.exists():
                    state.journal.append(operation, "ok", SYSTEM_CLOCK.now())
            finally:
                run.close()


def _plan(title: str, ctx: Cluster, phases: Sequence[Step], warnings: tuple[Finding, ...]) -> Plan:
    lines = {
        host.name: tuple(line for phase in phases if phase.concerns(ctx, host) for line in phase.preview(ctx, host))
        for host in ctx.hosts
    }
    spec = ctx.spec
    header = (
        f"{len(spec.control_planes)} control plane{'s' if len(spec.control_planes) != 1 else ''}, "
        f"{len(spec.workers)} worker{'s' if len(spec.workers) != 1 else ''}; "
        f"network plug-in {spec.networking.plugin}; API at {ctx.lb.endpoint(spec)}",
    )
    return Plan(title, header, lines, warnings)


def _commit(ctx: Cluster, options: Options) -> Path | None:
    """What is true now goes into the record, and the way to the cluster into the user's kubeconfig."""
    admin = ctx.bootstrap.read_files(["/etc/kubernetes/admin.conf"])["/etc/kubernetes/admin.conf"].decode()
    ctx.state.write_admin_conf(admin)
    ctx.state.write_spec(ctx.spec)
    if options.kubeconfig is None:
        return None
    write_merged(options.kubeconfig, ctx.spec.name, admin, ctx.user_server)
    return options.kubeconfig


def _nodes(ctx: Cluster) -> tuple[NodeResult, ...]:
    nodes = ctx.api.nodes()
    return tuple(
        NodeResult(
            host.name,
            host.address,
            host.node.role.value,
            str(nodes.get(host.name, {}).get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")),
            host.name in ctx.registered,
        )
        for host in ctx.hosts
    )


def _since(began: float) -> float:
    return SYSTEM_CLOCK.monotonic() - began
