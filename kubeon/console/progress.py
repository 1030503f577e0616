"""How an operation stands, host by host; what the live view draws and the summary counts. Prints nothing."""

from collections import deque
from dataclasses import dataclass, field

from kubeon.engine.events import Event, Status

RECENT = 6  # changes remembered for the live view
ENDED = {Status.OK, Status.CHANGED, Status.FAILED, Status.BLOCKED}


@dataclass
class Line:
    """One host."""

    name: str
    total: int = 0
    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    title: str = ""  # the phase it is in
    since: float = 0.0
    note: str = ""
    seconds: float = 0.0  # spent in phases so far
    last_title: str = ""  # the last phase that ended
    error: str = ""
    stopped: str = ""  # the phase it waited for in vain

    @property
    def done(self) -> int:
        """Phases that ended well."""
        return self.counts[Status.OK] + self.counts[Status.CHANGED]

    @property
    def failed(self) -> bool:
        """Is it out of the operation?"""
        return bool(self.counts[Status.FAILED] or self.counts[Status.BLOCKED])

    @property
    def finished(self) -> bool:
        """Has it walked through all of its phases?"""
        return not self.failed and not self.title and self.done >= self.total


class Progress:
    """All hosts. `now` is always given, so that tests need no clock."""

    def __init__(self) -> None:
        self.title = ""
        self.began = 0.0
        self.hosts: dict[str, Line] = {}
        self.recent: deque[str] = deque(maxlen=RECENT)
        self.warnings: list[str] = []

    def begin(self, title: str, hosts: dict[str, list[str]], now: float) -> None:
        """A new walk through phases; counts start again."""
        self.title, self.began = title, now
        self.hosts = {name: Line(name, total=len(phases)) for name, phases in hosts.items()}
        self.recent.clear()

    def event(self, event: Event, now: float) -> None:
        """Take in one event."""
        line = self._line(event.host)
        line.counts[event.status] += 1
        if event.status is Status.STARTED:
            line.title, line.since, line.note = event.title, now, ""
            return
        line.title, line.note, line.last_title = "", "", event.title
        line.seconds += event.seconds
        if event.status is Status.FAILED:
            line.error = bare_error(event)
        elif event.status is Status.BLOCKED:
            line.stopped = event.title
        if event.status in (Status.CHANGED, Status.FAILED):
            self.recent.append(sentence(event))

    def note(self, text: str, host: str) -> None:
        """The newest word from inside a host's phase."""
        if host:
            self._line(host).note = first_line(text)
        else:
            self.recent.append(first_line(text))

    def done_lines(self) -> list[str]:
        """What is done already, for the error screen: hosts that finished, and how far the others came."""
        finished = [line.name for line in self.hosts.values() if line.finished]
        partly = [line for line in self.hosts.values() if not line.finished and line.done]
        lines = [f"finished: {shortened(finished)}"] if finished else []
        for line in partly[:10]:
            lines.append(f"{line.name}: {line.done} of {line.total} steps")
        if len(partly) > 10:
            lines.append(f"and {len(partly) - 10} more hosts in part")
        return lines

    def _line(self, name: str) -> Line:
        if name not in self.hosts:
            self.hosts[name] = Line(name)
        return self.hosts[name]


def sentence(event: Event) -> str:
    """`cp1 Install packages: changed (conntrack, socat)`."""
    detail = ""
    if event.status is Status.FAILED:
        detail = f" ({bare_error(event)})" if event.error else ""
    elif event.status is Status.BLOCKED:
        detail = f" by {event.error}" if event.error else ""
    elif event.changes:
        detail = f" ({shortened(event.changes)})"
    status = event.status.upper() if event.status is Status.FAILED else event.status.value
    return f"{event.host} {event.title}: {status}{detail}"


def bare_error(event: Event) -> str:
    """An error's first line; its host stands beside it already."""
    return first_line(event.error.removeprefix(f"{event.host}: ")).removesuffix(":")


def shortened(words: list[str] | tuple[str, ...], most: int = 5) -> str:
    """The first few of a list, and how many more there are."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def first_line(text: str) -> str:
    """The first line with something on it."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def duration(seconds: float) -> str:
    """`12.3s`, `4m05s`, `1h02m`."""
    if seconds < 100:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"
