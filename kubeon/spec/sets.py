"""`--set path=value`: any field of cluster.yaml from the command line."""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kubeon.errors import UsageError
from kubeon.spec.documents import read_yaml


def apply_sets(mapping: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """A copy of the mapping with `path=value` applied in order.

    Paths are those of cluster.yaml: networking.podSubnet=10.1.0.0/16, nodes.0.labels.disk=ssd.
    A dot inside a key is written `\\.` or the key is quoted. An empty value takes a field back to its default.
    """
    result: dict[str, Any] = copy.deepcopy(dict(mapping))
    for text in sets:
        path, equals, value = text.partition("=")
        keys = _split_path(path)
        if not equals or not keys or not all(keys):
            raise UsageError(f"--set {text}: write it as path=value", hint="--set networking.podSubnet=10.1.0.0/16")
        _put(result, keys, read_yaml(value, f"--set {path}"), text)
    return result


def _split_path(path: str) -> list[str]:
    words = re.findall(r'(?:"[^"]*"|\\.|[^.\\])+|(?<=\.)(?=\.)|^(?=\.)|(?<=\.)$', path)
    return [re.sub(r"\\(.)", r"\1", word.strip('"')) for word in words]


def _put(target: Any, keys: list[str], value: object, text: str) -> None:
    for index, key in enumerate(keys):
        last = index == len(keys) - 1
        if isinstance(target, list):
            position = _position(target, key, keys[:index], text)
            if position == len(target):
                target.append(None)
            if last:
                target[position] = value
            elif target[position] is None:
                target[position] = {}
            target = target[position]
        elif isinstance(target, dict):
            if last:
                target[key] = value
            elif target.get(key) is None:
                target[key] = [] if keys[index + 1] == "0" else {}
            target = target[key]
        else:
            raise UsageError(f"--set {text}: {'.'.join(keys[:index])} is a single value, nothing lies below it")


def _position(target: list[Any], key: str, parents: list[str], text: str) -> int:
    if key.isdigit() and int(key) <= len(target):
        return int(key)
    raise UsageError(f"--set {text}: {'.'.join(parents)} has {len(target)} entries; count them from 0")
