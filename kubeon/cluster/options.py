"""How an operation runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kubeon.transport.secrets import Secrets

UPLOADS = "uploads"  # the limit that all phases share which send much to a host
AGAIN = "run the same command again to resume"  # the hint after what was cut off, or failed half-way


@dataclass(frozen=True)
class Options:
    """How an operation runs, not what it brings about."""

    secrets: Secrets = field(default_factory=Secrets)
    dry_run: bool = False  # end with the plan
    parallel: int = 30  # hosts at once
    uploads: int = 8  # hosts that are sent files at once
    ignore_preflight_errors: frozenset[str] = frozenset()
    kubeconfig: Path | None = None  # the user's, to merge into; None leaves it alone
    remove_packages: bool = False  # destroy, del: OS packages that kubeon installed too
    drain_timeout: float = 300  # del, upgrade: seconds that pods get to leave a node; 0: no drain
    max_unavailable: str = "1"  # upgrade: workers at once, a number or a percentage
    pause_after: str = ""  # upgrade: the node after which it stops for a while
    dead: bool = False  # del: the machines are gone for good
    words: tuple[str, ...] = ()  # the command line, for the journal
    on_wait: Callable[[str, str], None] = lambda text, host: None  # what only asks and has to wait tells it here
