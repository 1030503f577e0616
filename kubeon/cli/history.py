"""kubeon history"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.console.progress import duration
from kubeon.console.shapes import records as shapes
from kubeon.console.summary import columns
from kubeon.errors import StateError, UsageError
from kubeon.state.history import PastOperation, history


@click.command("history")
@click.argument("name", required=False)
@click.argument("number", required=False, type=click.IntRange(min=1))
@click.option("--last", is_flag=True, help="show the last operation, host by host")
@click.option("--log", is_flag=True, help="print the operation's log")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="so many, the newest"
)
@common_options
@pass_app
def history_command(app: App, /, name: str | None, number: int | None, **flags: Any) -> None:
    """Show what was done to a cluster: when, by whom, what, and how it ended. With NUMBER: one, host by host.

    \b
    kubeon history demo
    kubeon history demo 3
    kubeon history demo --last --log
    """
    last, log, limit = flags["last"], flags["log"], flags["limit"]
    if name and name.isdigit() and name not in app.home.clusters():  # of the current cluster
        number = int(name)
        name = None
    if last and number is not None:
        raise UsageError("a number and --last exclude each other", hint="leave one out")
    cluster = app.cluster(name)
    found = history(app.home.cluster(cluster))
    if not (last or log or number is not None):
        shown = found[-limit:]
        value: shapes.History = {"cluster": cluster, "operations": [_value(one) for one in shown]}
        app.console.data(value, lambda: _table(shown) if shown else f"nothing is on record about {cluster}")
        return
    one = _chosen(found, number, cluster)
    if log:
        with_log: shapes.LogOf = {"cluster": cluster, **_value(one), "text": _log(one)}
        app.console.data(with_log, lambda: _log(one))
    else:
        with_phases: shapes.PhasesOf = {"cluster": cluster, **_value(one), "phases": _phases(one)}
        app.console.data(with_phases, lambda: _details(one))


def moment(when: str) -> str:
    """A moment of the journal for people: to the minute, in UTC."""
    try:
        return f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M}"
    except ValueError:
        return when


def _chosen(found: Sequence[PastOperation], number: int | None, cluster: str) -> PastOperation:
    wanted = number or len(found)
    if not 1 <= wanted <= len(found):
        what = f"there is no operation {wanted} of {cluster}" if found else f"nothing is on record about {cluster}"
        raise UsageError(what, hint=f"kubeon history {cluster} lists them" if found else "")
    return found[wanted - 1]


def _log(one: PastOperation) -> str:
    if one.log is None:
        raise StateError(f"operation {one.number} ({one.operation}) has no log any more")
    return one.log.read_text(encoding="utf-8", errors="replace")


def _value(one: PastOperation) -> shapes.Operation:
    return {
        "number": one.number,
        "operation": one.operation,
        "begun": one.begun,
        "who": one.who,
        "command": list(one.words),
        "result": one.result,
        "changed": one.changed,
        "seconds": None if one.seconds is None else round(one.seconds, 1),
        "error": one.error,
        "log": None if one.log is None else str(one.log),
    }


def _phases(one: PastOperation) -> list[shapes.PhaseOnHost]:
    return [
        {
            "host": entry.host,
            "phase": entry.phase,
            "status": entry.status,
            "seconds": round(entry.seconds, 1),
            "changes": list(entry.changes),
            "error": entry.error,
        }
        for entry in one.phases
    ]


def _table(found: Sequence[PastOperation]) -> str:
    rows: list[tuple[str, ...]] = [("NO", "WHEN (UTC)", "WHO", "RESULT", "TOOK", "WHAT")]
    return columns([*rows, *(_row(one) for one in found)])


def _row(one: PastOperation) -> tuple[str, ...]:
    took = "" if one.seconds is None else duration(one.seconds)
    return (str(one.number), moment(one.begun), one.who, one.result, took, " ".join(one.words) or one.operation)


def _details(one: PastOperation) -> str:
    head = [("operation:", " ".join(one.words) or one.operation), ("begun:", f"{one.begun} by {one.who}")]
    head += [("result:", one.result if one.seconds is None else f"{one.result} after {duration(one.seconds)}")]
    head += [("error:", one.error.replace("\n", "\n" + " " * 12))] if one.error else []
    head += [("log:", str(one.log))] if one.log else []
    blocks = ["\n".join(f"{name:<12}{text}" for name, text in head)]
    hosts: dict[str, list[str]] = {}
    for entry in one.phases:
        lines = hosts.setdefault(entry.host, [])
        lines.append(f"    {entry.phase:<24}{entry.status:<9}{duration(entry.seconds):>8}")
        lines += [f"        {line}" for line in (*entry.changes, *entry.error.splitlines())]
    blocks += ["\n".join([f"{host}:", *lines]) for host, lines in hosts.items()]
    return "\n\n".join(blocks)
