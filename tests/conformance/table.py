"""The table of results: a line for each conformance test of a release. A run replaces the lines of what it ran."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeon import quick_yaml

PASSED, FAILED, NOT_HERE, NOT_RUN = "passed", "failed", "not runnable here", "not run"
RESULTS = (PASSED, FAILED, NOT_HERE, NOT_RUN)
REASONS = Path(__file__).with_name("reasons.toml")

_HEAD = """\
# Upstream's conformance tests on a cluster of 3 control planes and 2 workers that kubeon made in the lab. Written by
# `./dev conformance`; the reasons are reasons.toml's where that knows one, else what the test said.
"""


@dataclass(frozen=True)
class Outcome:
    """How a test ended, and why, unless it passed."""

    result: str
    reason: str = ""


@dataclass(frozen=True)
class Reason:
    """Something known of the tests whose names have `test` in them, a regular expression."""

    test: str
    why: str


@dataclass(frozen=True)
class Reasons:
    """What people have found out: why tests cannot be run in the lab, and why others fail there."""

    not_here: tuple[Reason, ...] = ()
    failed: tuple[Reason, ...] = ()


def table_of(release: str) -> Path:
    """The file with a release's table."""
    return Path(__file__).with_name(f"{release}.yaml")


def reasons(text: str) -> Reasons:
    """What reasons.toml says."""
    found = tomllib.loads(text)
    return Reasons(*(tuple(Reason(**entry) for entry in found.get(name, ())) for name in ("not-here", "failed")))


def reason_for(name: str, known: Iterable[Reason]) -> str:
    """The first reason that is about this test, or ""."""
    return next((reason.why for reason in known if re.search(reason.test, name)), "")


def load(text: str) -> dict[str, Outcome]:
    """The outcomes in a table's file."""
    document = quick_yaml.load(text) or {}
    return {row["test"]: Outcome(row["result"], row.get("reason", "")) for row in document.get("tests", ())}


def merged(
    names: Iterable[str], known: Mapping[str, Outcome], new: Mapping[str, Outcome], why: Reasons
) -> dict[str, Outcome]:
    """The table with what a run found: every test of the release and no others, with the reasons known today."""
    found = {}
    for name in names:
        outcome = new.get(name) or known.get(name) or Outcome(NOT_RUN)
        if reason := reason_for(name, why.not_here):
            outcome = Outcome(NOT_HERE, reason)
        elif outcome.result == FAILED and (reason := reason_for(name, why.failed)):
            outcome = Outcome(FAILED, reason)
        found[name] = outcome
    return found


def counts(table: Mapping[str, Outcome]) -> dict[str, int]:
    """How many tests have each of the results."""
    found = Counter(outcome.result for outcome in table.values())
    return {result: found[result] for result in RESULTS if found[result]}


def dump(table: Mapping[str, Outcome], facts: Mapping[str, Any]) -> str:
    """The table's file; `facts` says what it is about."""
    rows = [
        {"test": name, "result": outcome.result} | ({"reason": outcome.reason} if outcome.reason else {})
        for name, outcome in table.items()
    ]
    document = {**facts, "count": counts(table), "tests": rows}
    return _HEAD + quick_yaml.dump(document, sort_keys=False, width=1000)
