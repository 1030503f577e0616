"""Where the time went: the phases of one `create` out of kubeon's journal, and its critical path.

A phase begins when its host is free, what it needs is over, and there is room in it: control planes join one at a time.
So the critical path is found from the end: before each phase comes the one that ended last, of the same host, among its
needs, or the same phase elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeon.operations import steps

NEEDS = {phase.name: {need.name for need in phase.needs} for phase in steps.CREATE}
CLOSE = 0.05  # seconds that a clock and a lock may cost


@dataclass(frozen=True)
class Span:
    """A phase on a host; seconds since the process began."""

    phase: str
    host: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def spans(journal: Iterable[Mapping[str, Any]], began: float) -> list[Span]:
    """The phases that ended after `began` (seconds since 1970), in the order of their ends."""
    found = []
    for line in journal:
        end = datetime.fromisoformat(line["when"]).timestamp() - began
        if line.get("phase") and end > 0:
            found.append(Span(line["phase"], line["host"], end - line.get("seconds", 0.0), end))
    return sorted(found, key=lambda span: span.end)


def critical_path(found: Sequence[Span]) -> list[Span]:
    """The phases that the last one to end had to wait for, first to last."""
    path = [found[-1]]
    while True:
        now = path[0]
        before = [
            span
            for span in found
            if span.end <= now.begin + CLOSE
            and span.end < now.end  # phases shorter than CLOSE would lead to each other and back
            and (span.host == now.host or span.phase == now.phase or span.phase in NEEDS.get(now.phase, ()))
        ]
        if not before:
            return path
        path.insert(0, max(before, key=lambda span: span.end))


def table(found: Sequence[Span], total: float) -> list[str]:
    """Lines: a row for each phase, a column for each host (seconds), the critical path marked with *."""
    path = critical_path(found)
    hosts = list(dict.fromkeys(span.host for span in sorted(found, key=lambda span: span.begin)))
    hosts.sort(key=lambda host: host != path[-1].host)
    phases = list(dict.fromkeys(phase.name for phase in steps.CREATE))
    width = max(9, *(len(host) + 1 for host in hosts))
    lines = [f"{'seconds':22}" + "".join(f"{host:>{width}}" for host in hosts) + "   on the critical path: from - to"]
    lines.append(f"{'log in, look, resolve':22}" + " " * width * len(hosts) + f"   {0:5.1f} - {path[0].begin:5.1f}")
    for phase in phases:
        cells, notes = [], []
        for host in hosts:
            span = next((one for one in found if (one.phase, one.host) == (phase, host)), None)
            mark = "*" if span in path else " "
            cells.append(f"{span.seconds:.1f}{mark}" if span else "")
            if span and span in path:
                notes.append(f"{span.begin:5.1f} - {span.end:5.1f} {host}")
        if any(cells):
            lines.append(f"{phase:22}" + "".join(f"{cell:>{width}}" for cell in cells) + "   " + ", ".join(notes))
    lines.append(f"{'record, kubeconfig, end':22}" + " " * width * len(hosts) + f"  {path[-1].end:5.1f} - {total:5.1f}")
    return lines
