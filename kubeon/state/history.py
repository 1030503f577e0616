"""The journal read as operations: when, who, what, how it ended, and what each host did."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeon.state.cluster import ClusterState
from kubeon.state.journal import Entry
from kubeon.state.lock import Holder

BEGUN = "begun"
RUNNING, CUT_OFF = "running", "cut-off"


@dataclass(frozen=True)
class PastOperation:
    """One run of one operation. `number` counts from 1, the oldest."""

    number: int
    operation: str
    who: str  # user@machine
    begun: str  # ISO 8601, UTC
    result: str  # ok, failed, interrupted, running, cut-off (killed, or the power went)
    seconds: float | None  # None: nobody knows when it ended
    words: tuple[str, ...]  # the command line
    error: str
    log: Path | None
    phases: tuple[Entry, ...]  # each phase that ended on a host

    @property
    def changed(self) -> bool:
        """Did it change anything on a host?"""
        return any(entry.status == "changed" for entry in self.phases)


def history(state: ClusterState) -> list[PastOperation]:
    """All operations of a cluster, oldest first. The lock says whether one without an end still runs."""
    groups = _groups(state.journal.entries())
    busy = state.holder
    # `exec` and `cp` do not take the lock, and may have begun after the one that holds it
    locking = max((n for n, group in enumerate(groups, 1) if busy and group[0].operation == busy.doing), default=0)
    return [
        _operation(number, group, state.path / "logs", busy if number == locking else state.runner(group[0].run))
        for number, group in enumerate(groups, 1)
    ]


def _groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Lines of one run together. Lines without a run are an older kubeon's, which wrote only ends."""
    runs: dict[str, list[Entry]] = {}
    unnamed = 0
    for entry in entries:
        key = entry.run or f"\n{unnamed}"
        runs.setdefault(key, []).append(entry)
        if not entry.run and not entry.phase:
            unnamed += 1
    return list(runs.values())


def _operation(number: int, group: list[Entry], logs: Path, busy: Holder | None) -> PastOperation:
    first = group[0]
    ends = [entry for entry in group if not entry.phase and entry.status != BEGUN]
    end = ends[-1] if ends else None
    log = logs / f"{first.run}.log" if first.run else None
    runs = busy is not None and busy.doing == first.operation
    return PastOperation(
        number=number,
        operation=first.operation,
        who=first.who,
        begun=first.when,
        result=end.status if end else RUNNING if runs else CUT_OFF,
        seconds=end.seconds if end else None,
        words=first.words,
        error=end.error if end else "",
        log=log if log and log.exists() else None,
        phases=tuple(entry for entry in group if entry.phase),
    )
