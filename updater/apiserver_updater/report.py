"""What others learn of the program: lines on stdout, numbers for Prometheus, and whether its loops turn."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

Clock = Callable[[], float]


def clock() -> float:
    """Seconds that only go forward, whatever the wall clock does, and also while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def say(text: str) -> None:
    """A line for the log."""
    print(text, flush=True)


class Seldom:
    """Says what is repeated only once a minute."""

    def __init__(self, now: Clock = clock, every: float = 60) -> None:
        self._now, self._every = now, every
        self._said: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Say it, unless that has just been said."""
        now = self._now()
        self._said = {text: when for text, when in self._said.items() if now - when < self._every}
        if text not in self._said:
            self._said[text] = now
            say(text)


class Backoff:
    """How long to wait before the next try: longer each time, never the same for two replicas."""

    def __init__(self, first: float = 0.2, most: float = 15) -> None:
        self._first, self._most, self._tries = first, most, 0

    def reset(self) -> None:
        """All is well again."""
        self._tries = 0

    def next(self) -> float:
        """Seconds."""
        self._tries = min(self._tries + 1, 16)
        return float(min(self._most, self._first * 2 ** (self._tries - 1)) * random.uniform(0.5, 1))


class Pulse:
    """Each loop says by when it will have turned again; one that has not is stuck."""

    def __init__(self, now: Clock = clock) -> None:
        self._now = now
        self._due: dict[str, float] = {}

    def beat(self, loop: str, within: float) -> None:
        """The loop turns, and will again within so many seconds."""
        self._due[loop] = self._now() + within

    def stuck(self) -> list[str]:
        """The loops that should have turned."""
        return sorted(loop for loop, due in self._due.items() if due < self._now())


_NUMBERS = {
    "is_leader": ("gauge", "1 while this replica surely holds the lease"),
    "leader_transitions_total": ("counter", "changes of the lease's holder that this replica has seen"),
    "watch_restarts_total": ("counter", "watches that ended, by reason"),
    "writes_total": ("counter", "objects written"),
    "write_errors_total": ("counter", "writes that failed, conflicts aside"),
    "last_sync_timestamp_seconds": ("gauge", "when this replica last found the endpoints right or put them right"),
    "known_addresses": ("gauge", "API servers in default/kubernetes, as last seen"),
}


class Metrics:
    """Numbers by name, and by name and reason where there are reasons."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], float] = {(name, ""): 0 for name in _NUMBERS if "restarts" not in name}

    def set(self, name: str, value: float) -> None:
        """Put a gauge."""
        self._values[name, ""] = value

    def add(self, name: str, reason: str = "") -> None:
        """Count one more."""
        self._values[name, reason] = self._values.get((name, reason), 0) + 1

    def get(self, name: str, reason: str = "") -> float:
        """A number."""
        return self._values.get((name, reason), 0)

    def text(self) -> str:
        """In Prometheus' format."""
        lines = []
        for name, (kind, what) in _NUMBERS.items():
            full = f"apiserver_updater_{name}"
            lines += [f"# HELP {full} {what}", f"# TYPE {full} {kind}"]
            for (found, reason), value in sorted(self._values.items()):
                if found == name:
                    label = f'{{reason="{reason}"}}' if reason else ""
                    lines.append(f"{full}{label} {value:.17g}")
        return "\n".join(lines) + "\n"
