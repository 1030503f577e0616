"""Every problem of a description at once: pydantic stops before the rules that join fields when one field is wrong."""

import copy
from typing import Any

from pydantic import ValidationError

from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.problems import Location, describe, path_of
from kubeon.spec.rules import Problem, ProblemsError

# Stands in for what could not be read, so that the rules that join fields can be asked about the rest.
_STAND_IN = {"name": "unknown", "version": "v1.34.0", "role": Role.CONTROL_PLANE.value}


def field_problems(error: ValidationError, given: dict[str, Any]) -> list[tuple[str, str]]:
    """(path, what is wrong) of all fields that could not be read, and of all rules that the other fields break."""
    details = error.errors(include_url=False)
    problems: list[tuple[str, str]] = []
    unknown: list[Location] = []  # places whose value could not be read
    for detail in details:
        context = detail.get("ctx", {}).get("error")
        if isinstance(context, ProblemsError):
            return [(problem.path, problem.text) for problem in context.problems]
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic counts the nodes that it could read
        problems.append((path_of(detail["loc"]), describe(detail, ClusterSpec)))
        unknown.append(detail["loc"])
    paths = {path_of(location) for location in unknown}
    for problem in _rule_problems(_repaired(given, unknown)):
        if not _touches(problem, paths):
            problems.append((problem.path, problem.text))
    return problems


def _rule_problems(repaired: dict[str, Any]) -> list[Problem]:
    """What the rules that join fields say, when unreadable fields are left aside."""
    try:
        ClusterSpec.model_validate(repaired, by_alias=True, by_name=False)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            context = detail.get("ctx", {}).get("error")
            if isinstance(context, ProblemsError):
                return context.problems
    return []


def _repaired(given: dict[str, Any], unknown: list[Location]) -> dict[str, Any]:
    """The mapping without what could not be read; required fields get a stand-in."""
    result = copy.deepcopy(given)
    for location in unknown:
        *parents, last = [part for part in location if part != "[key]"]
        target: Any = result
        for part in parents:
            inside = isinstance(target, dict) and part in target
            target = target[part] if inside or (isinstance(target, list) and isinstance(part, int)) else None
        if isinstance(target, list) and isinstance(last, int):
            target[last] = {"address": f"192.0.2.{last % 250 + 1}", "role": Role.CONTROL_PLANE.value}
        elif last == "nodes" and target is result:
            result["nodes"] = [{"address": "192.0.2.1", "role": Role.CONTROL_PLANE.value}]
        elif last == "address" and parents[:1] == ["nodes"] and isinstance(target, dict):
            target["address"] = f"192.0.2.{int(parents[1]) % 250 + 1}"
        elif last in _STAND_IN and isinstance(target, dict) and (target is result or last == "role"):
            target[last] = _STAND_IN[str(last)]
        elif isinstance(target, dict):
            target.pop(last, None)
    return result


def _touches(problem: Problem, unknown: set[str]) -> bool:
    """Was a rule's problem drawn from a field that could not be read, or from one inside or around it?"""
    fields = (problem.path, *problem.involves)
    return any(
        field == path or (path.startswith(field + ".") and field != "nodes") or field.startswith(path + ".")
        for field in fields
        for path in unknown
    )
