"""What the engine tells whoever watches it: the console, the journal, the log file."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    """How a phase stands on one host."""

    STARTED = "started"
    OK = "ok"  # nothing had to be done
    CHANGED = "changed"
    FAILED = "failed"
    BLOCKED = "blocked"  # a phase it waits for failed


@dataclass(frozen=True)
class Event:
    """One phase on one host began or ended."""

    host: str
    phase: str  # stable identifier: "join-workers"
    title: str  # for people: "Join workers"
    status: Status
    seconds: float = 0.0  # how long it ran; 0 when it begins
    changes: tuple[str, ...] = ()  # what was changed, a line each
    error: str = ""


class Reporter(Protocol):
    """Watches an operation. Called from many threads, one call at a time."""

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """The operation starts: its title, and for each host the titles of the phases it will walk through."""

    def event(self, event: Event) -> None:
        """A phase began or ended on a host."""

    def note(self, text: str, *, host: str = "") -> None:
        """A line of progress from inside a phase ("pulling kubelet v1.34.2, 40 of 70 MiB")."""

    def warn(self, text: str, *, host: str = "") -> None:
        """Something the user should know."""

    def end(self) -> None:
        """The operation is over."""
