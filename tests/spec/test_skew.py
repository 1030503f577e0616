"""Which version may come next."""

import pytest

from kubeon.spec.skew import etcd_problems, removed_etcd_flags, upgrade_problems
from kubeon.spec.versions import Version


def versions(**texts: str) -> dict[str, Version]:
    """By name."""
    return {name: Version.parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("target", "api", "kubelets", "wanted"),
    [
        ("v1.34.2", {"cp1": "v1.34.1"}, {"w1": "v1.34.1"}, []),
        ("v1.34.1", {"cp1": "v1.34.1"}, {"w1": "v1.34.1"}, []),  # there already
        ("v1.35.0", {"cp1": "v1.34.1"}, {"w1": "v1.32.0"}, []),  # three behind
        ("v1.35.0", {"cp1": "v1.35.0", "cp2": "v1.34.1"}, {"cp1": "v1.34.1"}, []),  # interrupted
        ("v1.34.0", {"cp1": "v1.34.1"}, {}, ["downgrade: v1.34.1 runs already (cp1 v1.34.1)"]),
        ("v1.34.1", {"cp1": "v1.34.1"}, {"w1": "v1.34.2"}, ["downgrade: v1.34.2 runs already (w1 v1.34.2)"]),
        ("v1.36.0", {"cp1": "v1.34.1"}, {}, ["skips a minor release: API server v1.34.1 (cp1 v1.34.1); v1.35 comes"]),
        ("v1.36.0", {"cp1": "v1.35.0", "cp2": "v1.34.1"}, {}, ["skips a minor release: API server v1.34.1 (cp2"]),
        ("v1.36.0", {"cp1": "v1.35.0"}, {"w1": "v1.32.0"}, ["more than 3 minor releases behind: w1 v1.32.0"]),
        ("v1.24.0", {"cp1": "v1.23.0"}, {"w1": "v1.21.0"}, ["more than 2 minor releases behind: w1 v1.21.0"]),
    ],
)
def test_upgrade_problems(target: str, api: dict[str, str], kubelets: dict[str, str], wanted: list[str]) -> None:
    """By what really runs."""
    found = upgrade_problems(Version.parse(target), versions(**api), versions(**kubelets))

    assert len(found) == len(wanted)
    assert all(text in problem for text, problem in zip(wanted, found, strict=True)), found


@pytest.mark.parametrize(
    ("target", "running", "wrong", "doubtful"),
    [
        ("3.6.5-0", {"cp1": "3.5.33", "cp2": "3.5.26"}, "", ""),
        ("3.6.5-0", {"cp1": "3.5.26", "cp2": "3.5.24"}, "", "3.5.26 or newer before 3.6.5: members that were removed"),
        ("3.6.5-0", {"cp1": "3.5.24", "cp2": "3.5.19"}, "needs members of 3.5.20 or newer: cp2 3.5.19", ""),
        ("3.6.5-0", {"cp1": "3.6.4"}, "", ""),  # has crossed
        ("3.7.1-0", {"cp1": "3.7.1", "cp2": "3.6.8"}, "", "3.6.11 or newer before 3.7.1"),
        ("3.7.1-0", {"cp1": "3.6.11"}, "", ""),
        ("3.5.0-0", {"cp1": "3.4.13"}, "", ""),
        ("3.6.8-0", {}, "", ""),
    ],
)
def test_what_etcd_asks_for_before_its_next_release(
    target: str, running: dict[str, str], wrong: str, doubtful: str
) -> None:
    """By what its members say that they are."""
    found = etcd_problems(target, running)

    assert [bool(each) for each in found] == [bool(wrong), bool(doubtful)]
    assert wrong in found[0]
    assert doubtful in found[1]


def test_flags_that_etcd_has_no_more() -> None:
    """With what took their place."""
    flags = ["experimental-initial-corrupt-check", "experimental-max-learners", "quota-backend-bytes"]

    assert removed_etcd_flags("3.6.11-0", flags) == {}
    assert removed_etcd_flags("3.7.0-0", flags) == {
        "experimental-initial-corrupt-check": "--feature-gates=InitialCorruptCheck=...",
        "experimental-max-learners": "--max-learners",
    }
