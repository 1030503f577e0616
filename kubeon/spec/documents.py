"""YAML as kubeon reads and writes it: YAML 1.2's plain words, no key twice, lines in errors.

pyyaml follows YAML 1.1, where `swap: off` is false, `010` is eight and `12:30` is 750. Nobody who writes cluster.yaml
means that, so only true/false, decimal numbers and null are more than text here.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

from kubeon.errors import SpecError

_WHOLE = "(0|[1-9][0-9]*)"
_FLOAT = rf"^[-+]?(\.[0-9]+|{_WHOLE}(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"
_RESOLVERS = (
    ("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("tag:yaml.org,2002:int", re.compile(rf"^[-+]?{_WHOLE}$"), "-+0123456789"),
    ("tag:yaml.org,2002:float", re.compile(_FLOAT), "-+.0123456789"),
    ("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:merge", re.compile(r"^<<$"), "<"),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - pyyaml's own shape

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                problem = f"{key.value!r} stands on line {seen[key.value]} already"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if isinstance(key.value, str):
                seen[key.value] = line
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True  # anchors are for authors, not for a file that a program wrote

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
    # Text that the loader would read as a number is quoted; what YAML 1.1 would mistake stays quoted as well.
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))


def read_yaml(text: str, source: str) -> object:
    """The value of a YAML document. Raises SpecError with the line of the first mistake; `source` names the text."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise SpecError([(where, error.problem or "is not YAML")]) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        first_line = (str(error) or "is not YAML").splitlines()[0]
        raise SpecError([(source, first_line)]) from None


def write_yaml(value: object) -> str:
    """A value as a YAML document, in the order given."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
