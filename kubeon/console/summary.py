"""The recap at the end of an operation: host by ok, changed, failed, seconds."""

from rich.table import Table
from rich.text import Text

from kubeon.console.progress import Line, Progress, duration
from kubeon.engine.events import Status

HEADINGS = ("HOST", "OK", "CHANGED", "FAILED", "SECONDS")


def is_quiet(progress: Progress) -> bool:
    """Nothing changed and nothing failed: one line says it all."""
    return not any(line.failed or line.counts[Status.CHANGED] for line in progress.hosts.values())


def quiet_text(progress: Progress, seconds: float) -> str:
    """That one line."""
    count = len(progress.hosts)
    return f"{progress.title}: {count} host{'' if count == 1 else 's'}, nothing changed, {duration(seconds)}"


def summary(progress: Progress, seconds: float) -> Table | Text:
    """For a terminal."""
    if is_quiet(progress):
        return Text(quiet_text(progress, seconds))
    table = Table(box=None, pad_edge=False, header_style="dim", title_justify="left")
    table.add_column(HEADINGS[0])
    for heading in HEADINGS[1:]:
        table.add_column(heading, justify="right")
    for line in progress.hosts.values():
        table.add_row(*_cells(line), style="red" if line.failed else "")
    table.caption = f"{progress.title}: {duration(seconds)}"
    table.caption_justify = "left"
    return table


def summary_text(progress: Progress, seconds: float) -> str:
    """For a file."""
    if is_quiet(progress):
        return quiet_text(progress, seconds)
    return "\n".join(
        [
            columns([HEADINGS, *(_cells(line) for line in progress.hosts.values())], numbers_from=1),
            f"{progress.title}: {duration(seconds)}",
        ]
    )


def columns(rows: list[tuple[str, ...]], *, numbers_from: int = 99) -> str:
    """Rows as aligned text; columns from `numbers_from` on stand to the right."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index >= numbers_from else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(line: Line) -> tuple[str, ...]:
    failed = line.counts[Status.FAILED] + line.counts[Status.BLOCKED]
    counts = (line.counts[Status.OK], line.counts[Status.CHANGED], failed)
    return (line.name, *(str(count) for count in counts), f"{line.seconds:.1f}")
