"""Selectors: who is meant, and errors instead of nobody."""

import pytest

from kubeon.errors import UsageError
from kubeon.spec.model import ClusterSpec
from kubeon.spec.selectors import select, split_cluster

# Names that substring matching would mix up.
NAMES = {"10.0.0.1": "n1", "10.0.0.10": "n10", "10.0.0.100": "n100", "10.0.1.1": "web-1", "10.0.1.10": "web-10"}
SPEC = ClusterSpec.model_validate(
    {
        "name": "demo",
        "version": "v1.34.1",
        "nodes": [
            {"address": address, "name": name, "role": "control-plane" if name.startswith("n") else "worker"}
            for address, name in NAMES.items()
        ],
    }
)


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (["@all"], "n1 n10 n100 web-1 web-10"),
        (["demo@all"], "n1 n10 n100 web-1 web-10"),
        (["@cp*"], "n1 n10 n100"),
        (["@w*"], "web-1 web-10"),
        (["@n1"], "n1"),
        (["n1"], "n1"),
        (["@name=n1"], "n1"),
        (["@n=n1,web-1"], "n1 web-1"),
        (["@name=n1*"], "n1 n10 n100"),
        (["@name=web-1?"], "web-10"),
        (["@NAME=N1"], "n1"),
        (["@ip=10.0.0.1"], "n1"),
        (["@ip=10.0.0.1,10.0.1.10"], "n1 web-10"),
        (["@ip=10.0.1.0/24"], "web-1 web-10"),
        (["@all^name=n1"], "n10 n100 web-1 web-10"),
        (["@all^cp*"], "web-1 web-10"),
        (["@w*+n1"], "n1 web-1 web-10"),
        (["@all^w*+web-1^n10"], "n1 n100 web-1"),
        (["@n1", "@web-1"], "n1 web-1"),
    ],
)
def test_who_is_meant(selectors: list[str], expected: str) -> None:
    """In the order of the spec, whatever the order of the words."""
    assert [node.name for node in select(SPEC, selectors)] == expected.split()


@pytest.mark.parametrize(
    ("selectors", "words"),
    [
        (["@n2"], "no node 'n2'"),
        (["@name=n"], "no node 'n'"),  # a part of a name is no name
        (["@name=n1,n2"], "no node 'n2'"),
        (["@ip=10.0.0.2"], "no node with the address 10.0.0.2"),
        (["@ip=10.0.0"], "neither an IPv4 address nor a network"),
        (["other@n1"], "about cluster other, not demo"),
        (["@"], "empty place"),
        (["@n1+"], "empty place"),
        (["@cp1"], "no node 'cp1'"),
        (["@etcd=n1"], "no selector"),
        (["@n1^n1"], "leaves no node"),
        (["@name=nobody*"], "no node 'nobody\\*'"),
        (["@name="], "no node ''"),
    ],
)
def test_nobody_is_an_error(selectors: list[str], words: str) -> None:
    """An unknown name is never an empty set."""
    with pytest.raises(UsageError, match=words) as caught:
        select(SPEC, selectors)
    assert caught.value.hint


def test_no_worker_is_an_error_too() -> None:
    """Whoever says @w* means somebody."""
    spec = SPEC.model_copy(update={"nodes": SPEC.control_planes})
    with pytest.raises(UsageError, match="no worker"):
        select(spec, ["@w*"])


def test_split_cluster() -> None:
    """For commands that take the cluster in the selector."""
    assert split_cluster("demo@w*") == ("demo", "w*")
    assert split_cluster("w*") == ("", "w*")
