"""Nodes as they are written on the command line: `[name=][user@]address[:port]`, joined by commas."""

import re
from collections.abc import Iterable
from typing import Any

from kubeon.errors import UsageError
from kubeon.spec.model import Role

SYNTAX = "[name=][user@]address[:port]"
_NODE = re.compile(r"((?P<name>[^=@:\s]+)=)?((?P<user>[^=@:\s]+)@)?(?P<address>[^=@:\s]+)(:(?P<port>[^=@:\s]+))?")


def parse_node(text: str, role: Role) -> dict[str, Any]:
    """One node as it would stand in cluster.yaml. Raises UsageError; the address itself is looked at by the spec."""
    match = _NODE.fullmatch(text)
    if not match:
        six = text.count(":") > 1
        why = "IPv6 is not supported yet" if six else f"write it as {SYNTAX}"
        raise UsageError(f"{text!r} is not a node", why=why, hint="for instance cp1=root@10.0.0.1:22")
    node: dict[str, Any] = {"address": match["address"], "role": role.value}
    if match["name"]:
        node["name"] = match["name"]
    if match["port"] and not match["port"].isdigit():
        raise UsageError(f"{text!r}: the port must be a number", hint=f"write it as {SYNTAX}")
    ssh = {"user": match["user"], "port": int(match["port"]) if match["port"] else None}
    if any(ssh.values()):
        node["ssh"] = {key: value for key, value in ssh.items() if value is not None}
    return node


def parse_nodes(values: Iterable[str], role: Role) -> list[dict[str, Any]]:
    """The nodes of a flag that may be repeated and may hold lists: `-w 10.0.0.4,10.0.0.5 -w w3=10.0.0.6`."""
    nodes = []
    for value in values:
        for part in value.split(","):
            text = part.strip()
            if not text:
                raise UsageError(f"{value!r} has an empty place in its list of nodes", hint="a comma too many?")
            nodes.append(parse_node(text, role))
    return nodes
