"""A reason for a verdict: how bad, about whom, what, and what to type next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """Of a reason, worst first."""

    DOWN = "down"
    DEGRADED = "degraded"
    WARNING = "warning"


@dataclass(frozen=True)
class Reason:
    """`check` is a stable word for programs, `nodes` whom it is about; empty: the cluster as a whole."""

    severity: Severity
    check: str
    what: str
    hint: str = ""
    nodes: tuple[str, ...] = ()


def folded(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Worst first, the whole cluster before single nodes; nodes of which the same is to be said stand together."""
    groups: dict[tuple[Severity, str, str], list[Reason]] = {}
    for reason in reasons:
        groups.setdefault((reason.severity, reason.check, reason.what), []).append(reason)
    found = [
        replace(group[0], nodes=tuple(dict.fromkeys(name for reason in group for name in reason.nodes)))
        for group in groups.values()
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda reason: (order.index(reason.severity), bool(reason.nodes))))


def ago(then: datetime | None, now: datetime) -> str:
    """ "40s", "5m", "3h", "12d": how long ago, in the one unit that matters. "?" when nobody knows."""
    return "?" if then is None else span((now - then).total_seconds())


def span(seconds: float) -> str:
    """A length of time in the one unit that matters."""
    whole = max(0, int(seconds))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= 2 * length or (unit == "d" and whole >= length):
            return f"{whole // length}{unit}"
    return f"{whole}s"


def plural(count: int, word: str) -> str:
    """ "1 host", "2 hosts"."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names, the first few of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
