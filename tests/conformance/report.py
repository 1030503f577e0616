"""What Ginkgo's JSON report says of the tests that ran."""

import re
from collections.abc import Iterator
from typing import Any

from tests.conformance.table import FAILED, NOT_HERE, PASSED, Outcome

_FAILURES = {"failed", "panicked", "timedout"}  # interrupted and aborted are not the test's
_LONGEST = 300  # characters of a reason


def outcomes(report: list[dict[str, Any]]) -> dict[str, Outcome]:
    """How each test ended that was begun. One that says itself that it cannot run here is not runnable here."""
    found = {}
    for spec in _specs(report, tests=True):
        failure = spec.get("Failure") or {}
        said = reason(failure.get("Message", ""))
        if spec["State"] == "passed":
            found[name(spec)] = Outcome(PASSED)
        elif spec["State"] in _FAILURES:
            found[name(spec)] = Outcome(FAILED, said or spec["State"])
        elif spec["State"] == "skipped" and failure:  # without, it was not asked for
            found[name(spec)] = Outcome(NOT_HERE, said)
    return found


def problems(report: list[dict[str, Any]]) -> list[str]:
    """What went wrong before or after all tests."""
    return [
        f"{spec['LeafNodeType']}: {reason((spec.get('Failure') or {}).get('Message', '')) or spec['State']}"
        for spec in _specs(report, tests=False)
        if spec["State"] in _FAILURES
    ]


def name(spec: dict[str, Any]) -> str:
    """A test's name as conformance.yaml has it."""
    return " ".join([*(spec.get("ContainerHierarchyTexts") or ()), spec.get("LeafNodeText") or ""]).strip()


def reason(message: str) -> str:
    """The beginning of a message, on one line."""
    line = re.sub(r"\s+", " ", message).strip()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rstrip()} ..."


def _specs(report: list[dict[str, Any]], *, tests: bool) -> Iterator[dict[str, Any]]:
    for suite in report:
        for spec in suite.get("SpecReports") or ():
            if (spec["LeafNodeType"] == "It") == tests:
                yield spec
