"""What tests measured, in pytest's summary, of those that passed, too: numbers have to be on record."""

from typing import Any

import pytest

_NAME = "measured"
_lines: list[str] = []


def measured(what: object) -> None:
    """Note a line, or several, under the test that runs. They are printed, too: pytest -s shows them at once."""
    print(what)
    _lines.extend(str(what).splitlines())


def hand_over(report: pytest.TestReport) -> None:
    """Into the report, which goes from the process that ran the test to the one that writes the summary."""
    report.user_properties.extend((_NAME, line) for line in _lines)
    _lines.clear()


def summary(terminal: Any) -> None:
    """The section, where anything was measured."""
    reports = [each for group in terminal.stats.values() for each in group if isinstance(each, pytest.TestReport)]
    found = [(each.nodeid, line) for each in reports for name, line in each.user_properties if name == _NAME]
    shown = ""
    for test, line in found:
        if not shown:
            terminal.section("measured")
        if test != shown:
            terminal.line(test)
            shown = test
        terminal.line(f"    {line}")
