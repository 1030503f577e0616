"""Findings, plans, errors."""

from collections.abc import Mapping, Sequence
from typing import NotRequired

from typing_extensions import TypedDict


class Finding(TypedDict):
    """What a check has found; `severity` is error or warning."""

    check: str
    host: str
    severity: str
    what: str
    hint: str


class Findings(TypedDict):
    """`preflight`."""

    findings: Sequence[Finding]


class PlanBody(TypedDict):
    """What would be done, a line each, by host."""

    title: str
    changes: bool
    header: Sequence[str]
    hosts: Mapping[str, Sequence[str]]
    warnings: Sequence[Finding]


class Plan(TypedDict):
    """`--dry-run`, of commands that have it."""

    plan: PlanBody


class HostError(TypedDict):
    """What failed, and why."""

    what: str
    why: str
    hint: NotRequired[str]
    host: NotRequired[str]


class SpecProblem(TypedDict):
    """What is wrong in the description, by its path there."""

    path: str
    text: str


class ErrorBody(TypedDict):
    """What failed, where, why, what to do; `next` is the command that resumes."""

    kind: str
    exitCode: int
    what: str
    why: NotRequired[str]
    hint: NotRequired[str]
    host: NotRequired[str]
    hosts: NotRequired[Mapping[str, HostError]]
    problems: NotRequired[Sequence[SpecProblem]]
    done: NotRequired[Sequence[str]]
    next: NotRequired[str]
    log: NotRequired[str]


class Error(TypedDict):
    """Any command that failed; on standard output, too."""

    error: ErrorBody
