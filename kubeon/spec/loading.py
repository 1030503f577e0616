"""Between cluster.yaml and ClusterSpec. Flags and file fill one mapping; nothing after that can tell them apart."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kubeon.errors import SpecError
from kubeon.spec.diagnosis import field_problems
from kubeon.spec.documents import read_yaml, write_yaml
from kubeon.spec.model import ClusterSpec
from kubeon.spec.problems import Location, closest, path_of
from kubeon.spec.sets import apply_sets

__all__ = ["apply_sets", "build_spec", "dump_spec", "json_schema", "load_file", "schema_of"]

_PASSWORD = re.compile(r"(ssh|sudo|user|login|root)?[-_]?(password|passwd)", re.IGNORECASE)
_NO_PASSWORDS = "a password is not part of a cluster's description and is never stored"
_PASSWORD_HINT = "use --ask-password, --password-file or KUBEON_SSH_PASSWORD (sudo: --ask-sudo-password ...)"  # noqa: S105
# Fields whose content is Kubernetes' own: an empty value may mean something there.
_FREE = ("kubelet",)
_HEADER = "# A cluster as wanted, written by kubeon. Defaults are left out; `kubeon schema` describes every field.\n"


def load_file(text: str, source_name: str) -> dict[str, Any]:
    """The mapping in a cluster.yaml. Raises SpecError: no YAML, a key twice, not a mapping, a password in it."""
    mapping = read_yaml(text, source_name)
    if not isinstance(mapping, dict):
        raise SpecError([(source_name, "must be a mapping (name: ..., version: ..., nodes: ...)")])
    _refuse_passwords(mapping)
    return mapping


def build_spec(mapping: Mapping[str, Any], choices: Mapping[str, Collection[str]] | None = None) -> ClusterSpec:
    """The description as a frozen value. Raises SpecError with every problem at once.

    `choices` holds the names known for a field that a registry of plug-ins decides: {"networking.plugin": [...]}.
    """
    _refuse_passwords(mapping)
    given = _pruned(mapping)
    wrong = _wrong_choices(given, choices or {})
    try:
        spec = ClusterSpec.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(_in_order(given, [*field_problems(error, given), *wrong])) from None
    if wrong:
        raise SpecError(wrong)
    return spec


def dump_spec(spec: ClusterSpec) -> str:
    """cluster.yaml of a description: what differs from the defaults, name, version and nodes first."""
    return _HEADER + write_yaml(spec.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def schema_of(shape: type, title: str) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of what has this shape, a TypedDict."""
    schema = TypeAdapter(shape).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of cluster.yaml, for editors."""
    schema = ClusterSpec.model_json_schema(by_alias=True)
    schema.update(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "kubeon cluster.yaml",
            "description": "A Kubernetes cluster as wanted, for kubeon.",
        }
    )
    return schema


def _in_order(given: dict[str, Any], problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Problems in the order of the file, unknown places last."""
    order = {key: index for index, key in enumerate(given)}
    return sorted(problems, key=lambda problem: order.get(problem[0].split(".")[0], len(order)))


def _wrong_choices(given: dict[str, Any], choices: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    problems = []
    for path, known in choices.items():
        value: Any = given
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str) and value.strip() not in known:
            meant = closest(value, known)
            hint = f"; did you mean {meant}?" if meant else ""
            problems.append((path, f"{value!r} must be {' or '.join(sorted(known))}{hint}"))
    return problems


def _refuse_passwords(value: object, location: Location = ()) -> None:
    found = list(_passwords(value, location))
    if found:
        raise SpecError([(path_of(place), _NO_PASSWORDS) for place in found], hint=_PASSWORD_HINT)


def _passwords(value: object, location: Location) -> Iterable[Location]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and _PASSWORD.fullmatch(key):
                yield (*location, key)
            yield from _passwords(inner, (*location, str(key)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _passwords(inner, (*location, index))


def _pruned(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Without empty values (`ssh:` with nothing below it): not given."""

    def prune(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: prune(inner) for key, inner in value.items() if inner is not None}
        return [prune(inner) for inner in value] if isinstance(value, list | tuple) else value

    return {key: value if key in _FREE else prune(value) for key, value in mapping.items() if value is not None}
