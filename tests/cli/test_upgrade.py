"""`kubeon upgrade`: flags to values. What it does is tests/operations/test_upgrade.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeon.cli.description import upgraded
from kubeon.errors import UsageError
from kubeon.operations import upgrade
from kubeon.operations.base import NodeResult, UpgradeResult
from kubeon.spec.loading import build_spec
from kubeon.spec.model import ClusterSpec
from kubeon.state.home import Home
from tests.cli.conftest import Ran

NODES = [{"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}]


def a_spec(**fields: Any) -> ClusterSpec:
    """A cluster."""
    return build_spec({"name": "demo", "version": "v1.34.1", "nodes": NODES, **fields})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A cluster is on record."""
    found = Home(tmp_path / "k")
    found.cluster("demo").write_spec(a_spec(components={"runc": "1.2.1"}))
    return found


def test_what_a_run_that_was_cut_off_was_told_is_not_said_again(home: Home) -> None:
    """Of the same version; another one begins with what the cluster has. It may be said otherwise."""
    told = upgraded("demo", "v1.34.2", {"sets": ("components.containerd=2.2.1",)}, home)
    home.cluster("demo").write_proposed(told)

    assert told == a_spec(version="v1.34.2", components={"runc": "1.2.1", "containerd": "2.2.1"})
    assert upgraded("demo", "v1.34.2", {}, home) == told
    assert upgraded("demo", "v1.34.3", {}, home) == a_spec(version="v1.34.3", components={"runc": "1.2.1"})
    otherwise = upgraded("demo", "v1.34.2", {"sets": ("components.containerd=2.2.0",)}, home)
    assert otherwise.components.containerd == "2.2.0"


def test_only_versions_and_sources_may_differ(home: Home) -> None:
    """Of --set."""
    with pytest.raises(UsageError, match=r"--set networking.plugin=flannel"):
        upgraded("demo", "v1.34.2", {"sets": ("networking.plugin=flannel",)}, home)


def test_the_answer(home: Home, kubeon: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paused: what is left, and how to go on."""
    del home
    snapshot = tmp_path / "etcd.db"

    def run(spec: ClusterSpec, *_: object, **__: object) -> UpgradeResult:
        node = NodeResult("cp1", "10.0.0.1", "control-plane", "v1.34.2", ready=True)
        return UpgradeResult("demo", spec.version, True, (node,), ("w1", "w2"), "cp1", snapshot, 61.25)

    monkeypatch.setattr(upgrade, "upgrade", run)

    ran = kubeon("upgrade", "demo", "v1.34.2", "--yes", "--output", "json")
    assert json.loads(ran.out) == {
        "cluster": "demo",
        "changed": True,
        "nodes": [{"name": "cp1", "address": "10.0.0.1", "role": "control-plane", "version": "v1.34.2", "ready": True}],
        "seconds": 61.2,
        "log": None,
        "version": "v1.34.2",
        "left": ["w1", "w2"],
        "pausedAfter": "cp1",
        "snapshot": str(snapshot),
    }
    text = kubeon("upgrade", "demo", "v1.34.2", "--yes").out
    assert text.startswith("Paused after cp1; 2 to go: kubeon upgrade demo v1.34.2 (61.2s).")
    assert text.endswith(f"etcd as it was before: {snapshot}\n")
