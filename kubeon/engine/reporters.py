"""Reporters that write down: the operation's log file, the journal, and several reporters as one."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kubeon.engine.events import Event, Reporter, Status
from kubeon.printable import printable
from kubeon.state.journal import Journal
from kubeon.waiting import SYSTEM_CLOCK, Clock


def nothing_to_hide(text: str) -> str:
    """The default of `hide`: the text as it is."""
    return text


class Silence:
    """Nobody watches: the operation itself shows what there is to see."""

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """See Reporter."""

    def event(self, event: Event) -> None:
        """See Reporter."""

    def note(self, text: str, *, host: str = "") -> None:
        """See Reporter."""

    def warn(self, text: str, *, host: str = "") -> None:
        """See Reporter."""

    def end(self) -> None:
        """See Reporter."""


class Tee:
    """Several reporters as one, called by one thread at a time whatever the phases do.

    All of them get what hosts have said without colours, and with what a terminal would obey made visible.
    """

    def __init__(self, *reporters: Reporter) -> None:
        self._reporters = reporters
        self._turn = threading.RLock()

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """See Reporter."""
        self._each(lambda reporter: reporter.begin(title, hosts))

    def event(self, event: Event) -> None:
        """See Reporter."""
        changes = tuple(map(printable, event.changes))
        shown = replace(event, changes=changes, error=printable(event.error))
        self._each(lambda reporter: reporter.event(shown))

    def note(self, text: str, *, host: str = "") -> None:
        """See Reporter."""
        self._each(lambda reporter: reporter.note(printable(text), host=host))

    def warn(self, text: str, *, host: str = "") -> None:
        """See Reporter."""
        self._each(lambda reporter: reporter.warn(printable(text), host=host))

    def end(self) -> None:
        """See Reporter."""
        self._each(lambda reporter: reporter.end())

    def _each(self, call: Callable[[Reporter], None]) -> None:
        with self._turn:
            for reporter in self._reporters:
                call(reporter)


class LogReporter:
    """Everything that happens, with the time of day, to the operation's log file; each line is there at once.

    `hide` blanks secrets out. None should come this far; a log is kept for years and sent to strangers.
    """

    def __init__(
        self, path: Path, *, hide: Callable[[str], str] = nothing_to_hide, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._hide, self._clock = hide, clock

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """Write who takes part in what."""
        self.write(f"{title}: {len(hosts)} hosts")
        for host, phases in hosts.items():
            self.write(f"{host}: {', '.join(phases) or 'nothing to do'}")

    def event(self, event: Event) -> None:
        """Write the event, its changes and its whole error."""
        seconds = "" if event.status is Status.STARTED else f" after {event.seconds:.1f}s"
        self.write(f"{event.host}: {event.title} [{event.phase}]: {event.status}{seconds}", event.changes, event.error)

    def note(self, text: str, *, host: str = "") -> None:
        """Write a line of progress."""
        self.write(f"{host}: {text}" if host else text)

    def warn(self, text: str, *, host: str = "") -> None:
        """Write a warning."""
        self.note(f"WARNING: {text}", host=host)

    def end(self) -> None:
        """Write that it is over."""
        self.write("end")

    def write(self, text: str, details: Sequence[str] = (), error: str = "") -> None:
        """Write a line, and more lines below it, indented: also what is no event, such as a traceback."""
        stamp = self._clock.now().isoformat(timespec="milliseconds")
        first, *rest = text.splitlines() or [""]
        below = [*rest, *(line for detail in details for line in detail.splitlines()), *error.splitlines()]
        lines = [f"{stamp} {first}", *(f"    {line}" for line in below)]
        self._file.write(self._hide("\n".join(lines)) + "\n")

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._file.close()


class JournalReporter:
    """Ends of phases, to the cluster's journal."""

    def __init__(
        self,
        journal: Journal,
        operation: str,
        *,
        run: str = "",
        hide: Callable[[str], str] = nothing_to_hide,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._journal, self._operation, self._run, self._hide, self._clock = journal, operation, run, hide, clock

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """Only ends of phases are worth a line."""

    def event(self, event: Event) -> None:
        """Append what ended; its beginning says nothing that the end does not say."""
        if event.status is Status.STARTED:
            return
        self._journal.append(
            self._operation,
            event.status.value,
            self._clock.now(),
            phase=event.phase,
            host=event.host,
            seconds=event.seconds,
            changes=[self._hide(change) for change in event.changes],
            error=self._hide(event.error),
            run=self._run,
        )

    def note(self, text: str, *, host: str = "") -> None:
        """Progress is for the log."""

    def warn(self, text: str, *, host: str = "") -> None:
        """Warnings are for the log."""

    def end(self) -> None:
        """The operation itself writes how it ended."""
