"""`etcd snapshot save` and `list`."""

from dataclasses import dataclass
from pathlib import Path

from kubeon.bundle.store import Store
from kubeon.cluster.membership import split_marked
from kubeon.cluster.options import Options
from kubeon.cluster.snapshot import save_snapshot, snapshots_of
from kubeon.cri import CRIS
from kubeon.engine.events import Reporter
from kubeon.errors import UsageError
from kubeon.operations.base import begun
from kubeon.state.home import Home
from kubeon.state.snapshots import Snapshot, check_place
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class SnapshotResult:
    """What `etcd snapshot save` came to, and what it removed of older ones."""

    snapshot: Snapshot
    pruned: tuple[Path, ...] = ()
    seconds: float = 0.0
    log: Path | None = None


def take_snapshot(
    name: str, options: Options, home: Home, reporter: Reporter, *, file: Path | None = None, keep: int = 0
) -> SnapshotResult:
    """Save a snapshot of etcd at `file`, or in the cluster's folder, of which then the newest `keep` stay (0: all)."""
    began = SYSTEM_CLOCK.monotonic()
    spec = home.known(name)
    if file:
        if keep:
            raise UsageError("--keep is for the cluster's own folder of snapshots", hint="leave out FILE, or --keep")
        check_place(file)
    with begun(home, name, "etcd-snapshot", reporter, options) as run:
        seen = run.look(spec, options, nodes=spec.control_planes)
        hosts, _ = split_marked(seen.hosts, run.state)
        cri = CRIS[spec.runtime.name]
        store, silent = Store(run.state.store, spec.sources), seen.unreachable
        found = save_snapshot(spec, run.state, hosts, cri, run.reporter, store=store, path=file, silent=silent)
        pruned = snapshots_of(run.state).prune(keep) if keep else []
        return SnapshotResult(found, tuple(pruned), since(began), run.log)


def list_snapshots(name: str, home: Home) -> list[Snapshot]:
    """Those in the cluster's own folder, oldest first. Asks no host."""
    home.known(name)
    return snapshots_of(home.cluster(name)).all()
