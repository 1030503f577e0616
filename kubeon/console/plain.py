"""The same operation where there is no terminal: one line per event, fit for a file or a CI log."""

from typing import TextIO

from kubeon.console.progress import Progress, duration, sentence
from kubeon.console.summary import summary_text
from kubeon.engine.events import Event, Status
from kubeon.waiting import SYSTEM_CLOCK, Clock


class PlainReporter:
    """A Reporter that prints `12.3s cp1 Install packages: changed (socat)`; `verbose` adds beginnings and notes."""

    def __init__(self, stream: TextIO, *, verbose: bool = False, clock: Clock = SYSTEM_CLOCK) -> None:
        self.progress = Progress()
        self._stream, self._verbose, self._clock = stream, verbose, clock

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """Say what begins."""
        self.progress.begin(title, hosts, self._clock.monotonic())
        self._print(f"{title}: {len(hosts)} host{'' if len(hosts) == 1 else 's'}")

    def event(self, event: Event) -> None:
        """A line for every phase that ended."""
        self.progress.event(event, self._clock.monotonic())
        if event.status is not Status.STARTED or self._verbose:
            self._print(f"{self._elapsed()} {sentence(event)}")

    def note(self, text: str, *, host: str = "") -> None:
        """Progress inside a phase would fill a file; only on `verbose`."""
        self.progress.note(text, host)
        if self._verbose:
            self._print(f"{self._elapsed()} {host + ' ' if host else ''}{text}")

    def warn(self, text: str, *, host: str = "") -> None:
        """A warning."""
        self._print(f"{self._elapsed()} warning: {host + ': ' if host else ''}{text}")

    def end(self) -> None:
        """The summary."""
        self._print(summary_text(self.progress, self._clock.monotonic() - self.progress.began))

    def stop(self) -> None:
        """Nothing moves here."""

    def _elapsed(self) -> str:
        return duration(self._clock.monotonic() - self.progress.began)

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
