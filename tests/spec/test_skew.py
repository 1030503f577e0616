"""Which version may come next."""

import pytest

from kubeon.spec.skew import upgrade_problems
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
