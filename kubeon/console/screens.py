"""Screens as text: an error, preflight findings, a plan. Pure; `Console` prints them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kubeon.console.progress import shortened
from kubeon.errors import HostErrors, KubeonError, SpecError

if TYPE_CHECKING:
    from kubeon.console.shapes import screens as shapes

INDENT = "    "
SEVERITIES = ("error", "warning")


class FindingLike(Protocol):
    """What preflight found, as far as showing it goes."""

    @property
    def check(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def hint(self) -> str: ...


class PlanLike(Protocol):
    """What an operation would do, as far as showing it goes."""

    @property
    def title(self) -> str: ...
    @property
    def header(self) -> tuple[str, ...]: ...
    @property
    def hosts(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def warnings(self) -> Sequence[FindingLike]: ...
    @property
    def changes(self) -> bool: ...


@dataclass(frozen=True)
class Aftermath:
    """What the error screen says beside the error: what is done, what to type next, where the log is."""

    done: Sequence[str] = ()
    again: str = ""
    log: Path | None = None


def error_screen(error: KubeonError, after: Aftermath) -> str:
    """What failed, where, why, what is done, what next, where the log is."""
    blocks = [f"Error: {_headline(error)}"]
    if isinstance(error, HostErrors):
        blocks.append(_hosts(error))
    elif isinstance(error, SpecError):
        blocks.append("\n".join(f"{INDENT}{path}: {text}" for path, text in error.problems))
    elif error.why:
        blocks.append(_indented(error.why))
    if after.done:
        blocks.append("Done so far:\n" + _indented("\n".join(after.done)))
    ends = (("Hint", error.hint), ("Next", after.again), ("Log", str(after.log or "")))
    last = "\n".join(f"{name + ':':<6}{_continued(text)}" for name, text in ends if text)
    return "\n\n".join(block for block in (*blocks, last) if block) + "\n"


def error_object(error: KubeonError, after: Aftermath) -> dict[str, Any]:
    """The same for programs; keys that would be empty are left out."""
    found: dict[str, Any] = {"kind": type(error).__name__, "exitCode": error.exit_code, **_bare(error)}
    if isinstance(error, HostErrors):
        del found["why"]  # the hosts say it
        found["hosts"] = {host: _bare(inner) for host, inner in error.errors.items()}
    if isinstance(error, SpecError):
        found.pop("why", None)
        found["problems"] = [{"path": path, "text": text} for path, text in error.problems]
    found |= {"done": list(after.done), "next": after.again, "log": str(after.log or "")}
    return {"error": {key: value for key, value in found.items() if value not in ("", [])}}


def findings_text(findings: Sequence[FindingLike]) -> str:
    """Findings, errors first; the same finding on many hosts is one."""
    if not findings:
        return "Preflight checks passed\n"
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for finding in findings:
        key = (str(finding.severity), finding.check, finding.what, finding.hint)
        groups.setdefault(key, []).append(finding.host)
    lines = []
    for severity, check, what, hint in sorted(groups, key=lambda key: _rank(key[0])):
        hosts = shortened([host for host in groups[severity, check, what, hint] if host])
        lines.append(f"{severity:<9}{hosts + ': ' if hosts else ''}{what} [{check}]")
        if hint:
            lines.append(f"{'':<9}{_continued(hint, 9)}")
    counts = [(name, sum(str(finding.severity) == name for finding in findings)) for name in SEVERITIES]
    lines.append(", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts if count))
    return "\n".join(lines) + "\n"


def findings_object(findings: Sequence[FindingLike]) -> "list[shapes.Finding]":
    """Findings for programs."""
    return [
        {"check": each.check, "host": each.host, "severity": str(each.severity), "what": each.what, "hint": each.hint}
        for each in findings
    ]


def plan_text(plan: PlanLike) -> str:
    """What would be done; hosts with the same work stand together."""
    blocks = ["\n".join([plan.title, *(f"{INDENT}{line}" for line in plan.header)])]
    groups: dict[tuple[str, ...], list[str]] = {}
    for host, lines in plan.hosts.items():
        groups.setdefault(tuple(lines), []).append(host)
    for work, hosts in groups.items():
        if work:
            blocks.append("\n".join([f"{shortened(hosts, 8)}:", *(f"{INDENT}{line}" for line in work)]))
    idle = groups.get((), [])
    if not plan.changes:
        blocks.append("Nothing to do.")
    elif idle:
        blocks.append(f"Nothing to do on {shortened(idle, 8)}.")
    if plan.warnings:
        blocks.append(findings_text(plan.warnings).rstrip())
    return "\n\n".join(blocks) + "\n"


def plan_object(plan: PlanLike) -> "shapes.Plan":
    """The plan for programs."""
    return {
        "plan": {
            "title": plan.title,
            "changes": plan.changes,
            "header": list(plan.header),
            "hosts": {host: list(lines) for host, lines in plan.hosts.items()},
            "warnings": findings_object(plan.warnings),
        }
    }


def _headline(error: KubeonError) -> str:
    return f"{error.host}: {error.what}" if error.host else error.what


def _hosts(errors: HostErrors) -> str:
    """Hosts that failed alike stand together: three hundred times the same line helps nobody."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for host, error in errors.errors.items():
        groups.setdefault((error.what, error.why, error.hint), []).append(host)
    blocks = []
    for (what, why, hint), hosts in groups.items():
        lines = [f"{shortened(hosts, 8)}: {what}", *([_indented(why)] if why else [])]
        blocks.append("\n".join([*lines, *([f"{INDENT}hint: {hint}"] if hint and hint != errors.hint else [])]))
    return "\n\n".join(blocks)


def _bare(error: KubeonError) -> dict[str, str]:
    fields = {"what": error.what, "why": error.why, "hint": error.hint, "host": error.host}
    return {key: value for key, value in fields.items() if value or key in ("what", "why")}


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{line}".rstrip() for line in text.splitlines())


def _continued(text: str, width: int = 6) -> str:
    return text.replace("\n", "\n" + " " * width)


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def named(rows: Iterable[Mapping[str, object]], keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Rows of a table with its headings, out of mappings."""
    return [tuple(key.upper() for key in keys), *(tuple(_cell(row.get(key, "")) for key in keys) for row in rows)]


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
