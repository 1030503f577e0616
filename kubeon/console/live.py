"""The live view of an operation on a terminal: a line per host, calm, gone when it is over."""

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kubeon.console.progress import Line, Progress, duration, shortened
from kubeon.console.summary import summary
from kubeon.engine.events import Event
from kubeon.waiting import SYSTEM_CLOCK, Clock

FOLD_FROM = 20  # with more hosts, those that finished share one line


class LiveReporter:
    """A Reporter that redraws. `pause` gives the terminal back for a question."""

    def __init__(self, terminal: RichConsole, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.progress = Progress()
        self._terminal, self._clock = terminal, clock
        self._live: Live | None = None
        self._open = False  # begun and not ended

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """Start to draw."""
        self.stop()
        self.progress.begin(title, hosts, self._clock.monotonic())
        self._open = True
        self._live = Live(
            console=self._terminal,
            get_renderable=self._draw,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
        )
        self._live.start()

    def event(self, event: Event) -> None:
        """A phase began or ended."""
        self.progress.event(event, self._clock.monotonic())

    def note(self, text: str, *, host: str = "") -> None:
        """The newest word from inside a phase."""
        self.progress.note(text, host)

    def warn(self, text: str, *, host: str = "") -> None:
        """A warning stays on the screen, above the moving part."""
        self._terminal.print(Text(f"warning: {host + ': ' if host else ''}{text}", style="yellow"))

    def end(self) -> None:
        """Stop drawing and leave the summary."""
        self.stop()
        if self._open:
            self._open = False
            self._terminal.print(summary(self.progress, self._clock.monotonic() - self.progress.began))

    def stop(self) -> None:
        """Leave the terminal alone, without a summary. Safe to call at any time."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _draw(self) -> RenderableType:
        return draw(self.progress, self._clock.monotonic(), self._terminal.size.height)


def draw(progress: Progress, now: float, height: int) -> RenderableType:
    """One picture. Called from rich's own thread: it reads, and never changes anything."""
    lines = list(progress.hosts.values())
    finished = [line for line in lines if line.finished]
    folded = len(lines) > FOLD_FROM
    shown = [line for line in lines if not (folded and line.finished)]
    shown.sort(key=lambda line: (not line.failed, not line.title, line.finished))  # failed, busy, waiting, finished
    room = max(4, height - 10)
    table = Table.grid(padding=(0, 2))
    for line in shown[:room]:
        table.add_row(*_row(line, now))
    below = []
    if len(shown) > room:
        below.append(Text(f"and {len(shown) - room} more hosts", style="dim"))
    if folded and finished:
        below.append(Text(f"{len(finished)} finished: {shortened([line.name for line in finished], 8)}", style="green"))
    title = Text.assemble(
        (progress.title, "bold"),
        f"  {len(finished)} of {len(lines)} hosts",
        (f"  {duration(now - progress.began)}", "dim"),
    )
    recent = [Text(text, style="dim", no_wrap=True, overflow="ellipsis") for text in list(progress.recent)]
    return Group(title, Text(""), table, *below, Text(""), *recent)


def _row(line: Line, now: float) -> tuple[RenderableType, ...]:
    bar = ProgressBar(total=max(line.total, 1), completed=line.done, width=16)
    count = Text(f"{line.done}/{line.total}", style="dim")
    name = Text(line.name)
    if line.failed:
        why = line.error or f"stopped before {line.stopped}"
        return Text(line.name, style="red"), bar, count, Text(why, style="red", no_wrap=True, overflow="ellipsis")
    if line.finished:
        return name, bar, count, Text("finished", style="green")
    if not line.title:
        return name, bar, count, Text("waiting", style="dim")
    text = Text.assemble(line.title, (f" {duration(now - line.since)}", "dim"), no_wrap=True, overflow="ellipsis")
    if line.note:
        text.append(f"  {line.note}", style="dim")
    return name, bar, count, text
