"""Nodes on the command line."""

from typing import Any

import pytest

from kubeon.errors import UsageError
from kubeon.spec.model import Role
from kubeon.spec.nodes import parse_node, parse_nodes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", {"address": "10.0.0.1"}),
        ("cp1=10.0.0.1", {"address": "10.0.0.1", "name": "cp1"}),
        ("admin@10.0.0.1", {"address": "10.0.0.1", "ssh": {"user": "admin"}}),
        ("10.0.0.1:2222", {"address": "10.0.0.1", "ssh": {"port": 2222}}),
        ("cp1=root@10.0.0.1:22", {"address": "10.0.0.1", "name": "cp1", "ssh": {"user": "root", "port": 22}}),
    ],
)
def test_a_node_is_read(text: str, expected: dict[str, Any]) -> None:
    """`[name=][user@]address[:port]`."""
    assert parse_node(text, Role.WORKER) == {**expected, "role": "worker"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fd00::1", "IPv6 is not supported yet"),
        ("a@b@10.0.0.1", "write it as [name="),
        ("=10.0.0.1", "write it as [name="),
        ("10.0.0.1:", "write it as [name="),
        ("10.0.0.1:ssh", "the port must be a number"),
        ("10.0.0.1 10.0.0.2", "write it as [name="),
    ],
)
def test_a_bad_node_is_refused(text: str, problem: str) -> None:
    """With the syntax in the error."""
    with pytest.raises(UsageError) as caught:
        parse_node(text, Role.WORKER)

    assert problem in str(caught.value)


def test_lists_and_repeated_flags_join() -> None:
    """Both ways of giving several nodes may be mixed."""
    nodes = parse_nodes(["10.0.0.1, w2=10.0.0.2", "10.0.0.3"], Role.WORKER)

    assert [node["address"] for node in nodes] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_an_empty_place_is_a_mistake() -> None:
    """A comma too many may be an address too few."""
    with pytest.raises(UsageError, match="empty place"):
        parse_nodes(["10.0.0.1,,10.0.0.2"], Role.WORKER)
