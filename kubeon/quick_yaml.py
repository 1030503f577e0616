"""YAML of machines, read and written by libyaml where pyyaml has it: ten times as fast as pyyaml alone.

What people write, and want to be told the mistakes of, is read by `spec.documents`.
"""

from collections.abc import Iterator
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load(text: str | bytes) -> Any:
    """The value of a document, as yaml.safe_load gives it. Raises yaml.YAMLError."""
    return yaml.load(text, LOADER)  # noqa: S506 - a SafeLoader, of whatever language


def load_all(text: str | bytes) -> Iterator[Any]:
    """The values of all documents. Raises yaml.YAMLError."""
    return yaml.load_all(text, LOADER)


def dump(*documents: Any, sort_keys: bool = True, width: int = 80) -> str:
    """Documents in block style, as yaml.safe_dump writes them."""
    return yaml.dump_all(documents, Dumper=DUMPER, default_flow_style=False, sort_keys=sort_keys, width=width)
