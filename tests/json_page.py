"""What docs/json.md says of the shapes of `--output json`: a block for each, out of its JSON Schema."""

from collections.abc import Iterator
from typing import Any

from kubeon.console.shapes import SHAPES
from kubeon.spec.loading import schema_of


def shape_blocks() -> Iterator[str]:
    """Markdown: commands, what it is, and the fields below each other."""
    for shape in dict.fromkeys(SHAPES.values()):
        schema = schema_of(shape, "")
        fields = "\n".join(_fields(schema, schema))
        yield f"## {', '.join(name for name, each in SHAPES.items() if each is shape)}\n"
        yield f"{schema['description']}\n\n```yaml\n{fields}\n```\n"


def _fields(schema: dict[str, Any], node: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, field in node["properties"].items():
        kind, inner = _kind(schema, field)
        about = f"  # {inner['description']}" if inner else ""
        yield f"{indent}{name}{'' if name in node['required'] else '?'}: {kind}{about}"
        if inner:
            yield from _fields(schema, inner, indent + "  ")


def _kind(schema: dict[str, Any], field: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """In words; and the object that is in it, if any."""
    if "$ref" in field:
        field = schema["$defs"][field["$ref"].rpartition("/")[2]]
    if choices := field.get("anyOf"):
        found = [_kind(schema, each) for each in choices]
        return " or ".join(kind for kind, _ in found), next((inner for _, inner in found if inner), {})
    if "items" in field:
        kind, inner = _kind(schema, field["items"])
        return f"array of {kind}", inner
    if "properties" in field:
        return "object", field
    if isinstance(each := field.get("additionalProperties"), dict):
        kind, inner = _kind(schema, each)
        return f"object, of {kind} by name", inner
    return field.get("type", "any"), {}
