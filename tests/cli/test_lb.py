"""`kubeon lb`: flags to values, one call, the answer. What it does is tests/operations/test_lb_switch.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeon.operations import lb_switch
from kubeon.operations.base import NodeResult, Plan
from kubeon.operations.lb_switch import SwitchResult
from kubeon.spec.loading import build_spec
from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from tests.cli.conftest import Ran
from tests.golden import assert_golden

Run = Callable[..., Ran]
PLAN = Plan("switch cluster demo to load-balancer mode updater", (), {"w1": ("place what mode updater has on a node",)})
SPEC: dict[str, Any] = {
    "name": "demo",
    "version": "v1.34.2",
    "nodes": [{"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}],
    "loadBalancer": {"mode": "haproxy", "name": "api.example.org"},
}


@pytest.fixture
def state(tmp_path: Path) -> ClusterState:
    """The cluster's record."""
    return Home(tmp_path / "k").cluster("demo")


@pytest.fixture(autouse=True)
def asked(state: ClusterState, monkeypatch: pytest.MonkeyPatch, kubeon: Run) -> list[ClusterSpec]:
    """What the operation was asked for."""
    del kubeon
    state.write_spec(build_spec(SPEC))
    found: list[ClusterSpec] = []

    def switch(spec: ClusterSpec, *given: Any, **named: Any) -> SwitchResult:
        del named
        found.append(spec)
        mode, endpoint = spec.load_balancer.mode, "api.example.org:6443"
        if not given[3](PLAN) or mode == "haproxy":
            return SwitchResult("demo", mode, endpoint, changed=False)
        node = NodeResult("cp1", "10.0.0.1", "control-plane", "v1.34.2", ready=True)
        return SwitchResult("demo", mode, endpoint, True, (node,), ("w2",), 61.0)

    monkeypatch.setattr(lb_switch, "switch", switch)
    return found


def test_what_it_says_at_the_end(kubeon: Run) -> None:
    """For people, and as JSON."""
    ran, same = (
        kubeon("lb", "switch", "demo", "--mode", "updater", "--yes"),
        kubeon("lb", "switch", "demo", "--mode", "haproxy", "--yes"),
    )
    data = json.loads(kubeon("lb", "switch", "demo", "--mode", "updater", "--yes", "--output", "json").out)

    assert (ran.code, same.code) == (0, 0)
    assert_golden(f"{ran.out}\n{same.out}", "cli/lb-switched.txt")
    assert (data["mode"], data["endpoint"], data["left"]) == ("updater", "api.example.org:6443", ["w2"])
    assert data["nodes"][0]["ready"] is True


def test_only_the_way_differs_from_what_is_stored(kubeon: Run, asked: list[ClusterSpec]) -> None:
    """The API's name stays."""
    kubeon("lb", "switch", "demo", "--mode", "external", "--lb-address", "10.0.0.9:6443", "--yes")

    way = {"mode": "external", "name": "api.example.org", "address": "10.0.0.9:6443"}
    assert asked == [build_spec(SPEC | {"loadBalancer": way})]


def test_an_address_that_is_known_need_not_be_said_again(
    kubeon: Run, asked: list[ClusterSpec], state: ClusterState
) -> None:
    """The command goes on with what was begun."""
    way = {"mode": "external", "name": "api.example.org", "address": "10.0.0.9:6443"}
    state.write_proposed(build_spec(SPEC | {"loadBalancer": way}))

    kubeon("lb", "switch", "demo", "--mode", "external", "--yes")
    kubeon("lb", "switch", "demo", "--mode", "haproxy", "--yes")

    assert [spec.load_balancer.address for spec in asked] == ["10.0.0.9:6443", None]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--mode", "haproxi"), 3, "haproxy"),
        (("--mode", "external"), 3, "needs the address"),
        ((), 2, "--mode"),
    ],
)
def test_what_cannot_be(words: tuple[str, ...], code: int, said: str, kubeon: Run, asked: list[ClusterSpec]) -> None:
    """Before any host is asked."""
    ran = kubeon("lb", "switch", "demo", *words)

    assert ran.code == code
    assert said in ran.err
    assert asked == []


def test_a_dry_run_shows_the_plan(kubeon: Run) -> None:
    """On standard output."""
    ran = kubeon("lb", "switch", "demo", "--mode", "updater", "--dry-run")

    assert "place what mode updater has on a node" in ran.out
