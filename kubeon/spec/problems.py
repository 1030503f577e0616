"""pydantic's complaints in plain words, with paths as they stand in cluster.yaml."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

_MEANT = {
    "master": "control-plane",
    "controlplane": "control-plane",
    "control_plane": "control-plane",
    "node": "worker",
}


def path_of(location: Location) -> str:
    """`nodes.0.ssh.port`; a name with dots in it is quoted, as `--set` wants it."""
    words = [str(part) for part in location if part != "[key]"]
    return ".".join(f'"{word}"' if "." in word else word for word in words) or "the description"


def closest(word: str, choices: Iterable[str]) -> str:
    """The choice that was probably meant, or ""."""
    known = sorted(choices)
    by_shape = {_shape(choice): choice for choice in known}
    if _shape(word) in by_shape:
        return by_shape[_shape(word)]
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""


def describe(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One problem of one field, in words that need no knowledge of pydantic."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = fields_at(model, error["loc"][:-1])
        meant = closest(str(error["loc"][-1]), known)
        return f"unknown field; did you mean {meant}?" if meant else f"unknown field; known are {', '.join(known)}"
    if kind in ("enum", "literal_error"):
        expected = str(context["expected"]).replace("'", "")
        meant = _MEANT.get(str(given).lower(), "") or closest(str(given), expected.replace(" or ", ", ").split(", "))
        return f"{_shown(given)} must be {expected}" + (f"; did you mean {meant}?" if meant else "")
    if kind == "value_error":
        return str(context["error"])
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        limit = next(iter(context.values()))
        bound = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}
        return f"{_shown(given)} must be {bound.get(kind, 'less than')} {limit:g}"
    plain = {
        "missing": "is required",
        "string_type": f"{_shown(given)} must be text; write it in quotes" if _is_scalar(given) else "must be text",
        "int_type": f"{_shown(given)} must be a whole number",
        "int_parsing": f"{_shown(given)} must be a whole number",
        "int_from_float": f"{_shown(given)} must be a whole number",
        "float_type": f"{_shown(given)} must be a number",
        "float_parsing": f"{_shown(given)} must be a number",
        "bool_type": f"{_shown(given)} must be true or false",
        "bool_parsing": f"{_shown(given)} must be true or false",
        "model_type": f"{_shown(given)} must be a mapping (key: value)",
        "dict_type": f"{_shown(given)} must be a mapping (key: value)",
        "tuple_type": f"{_shown(given)} must be a list",
        "too_short": "must not be empty",
    }
    return plain.get(kind, error["msg"])


def fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The fields that may stand at a place, as they are spelled in cluster.yaml."""
    for part in location:
        if isinstance(part, int):
            continue
        field = next((field for field in model.model_fields.values() if field.alias == part), None)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for inner in typing.get_args(annotation) if (found := _model_in(inner))), None)


def _shape(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
