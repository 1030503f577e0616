"""Skeleton: the shape that cli/ calls; the lead writes the operations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.spec.model import ClusterSpec
from kubeon.state.home import Home
from kubeon.transport.secrets import Secrets


@dataclass(frozen=True)
class Finding:
    check: str
    host: str
    severity: str
    what: str
    hint: str = ""


@dataclass(frozen=True)
class Options:
    parallel: int = 30
    uploads: int = 8
    ignore_preflight_errors: frozenset[str] = frozenset()
    kubeconfig: Path | None = None


@dataclass(frozen=True)
class Plan:
    title: str
    header: tuple[str, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    @property
    def changes(self) -> bool:
        return any(self.hosts.values())


@dataclass(frozen=True)
class NodeStatus:
    name: str
    address: str
    role: str
    version: str
    ready: bool


@dataclass(frozen=True)
class CreateResult:
    cluster: str
    changed: bool
    nodes: tuple[NodeStatus, ...]
    seconds: float
    kubeconfig: Path | None
    log: Path | None


@dataclass(frozen=True)
class DestroyResult:
    cluster: str
    hosts: tuple[str, ...]
    seconds: float
    log: Path | None


Confirm = Callable[[Plan], bool]


def create(  # noqa: PLR0917
    spec: ClusterSpec,
    secrets: Secrets,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    dry_run: bool = False,
    interrupt: Interrupt | None = None,
) -> CreateResult:
    raise NotImplementedError


def destroy(  # noqa: PLR0917
    name: str,
    secrets: Secrets,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    dry_run: bool = False,
    interrupt: Interrupt | None = None,
) -> DestroyResult:
    raise NotImplementedError


def preflight(
    spec: ClusterSpec,
    secrets: Secrets,
    options: Options,
    home: Home,
    reporter: Reporter,
    *,
    interrupt: Interrupt | None = None,
) -> Sequence[Finding]:
    raise NotImplementedError
