"""`kubeon add` and `kubeon del`: flags to values, one call, the result. What they do: tests/operations."""

import json
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from kubeon.errors import (
    BundleError,
    HostError,
    HostErrors,
    KubeonError,
    OperationError,
    PreflightError,
    StateError,
)
from kubeon.operations import delete
from kubeon.operations.base import Plan
from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from tests.cli.conftest import Operations, Ran
from tests.golden import assert_golden

Run = Callable[..., Ran]
NODES = [
    {"address": "10.0.0.1", "role": "control-plane", "name": "cp1"},
    {"address": "10.0.1.1", "role": "worker", "name": "w1"},
]
ADD = ("add", "demo", "-w", "10.0.1.7")
DEL = ("del", "demo", "@w1")
_DELETE = delete.delete  # before a fake stands in its place


@pytest.fixture(autouse=True)
def home(tmp_path: Path, fake: Operations) -> Home:
    """A cluster is on record."""
    del fake
    found = Home(tmp_path / "k")
    found.cluster("demo").write_spec(
        build_spec({"name": "demo", "version": "v1.34.2", "nodes": NODES, "networking": {"plugin": "none"}})
    )
    return found


def test_new_nodes_join_what_is_on_record(fake: Operations, kubeon: Run) -> None:
    """The description is the stored one with more nodes, whose addresses are named."""
    ran = kubeon(*ADD, "-w", "gpu1=admin@10.0.1.8:2222", "-m", "10.0.0.2,cp3=10.0.0.3", "--master", "10.0.0.4", "-y")

    spec = fake.last["spec"]
    assert ran.code == 0
    assert spec == build_spec(
        {
            "name": "demo",
            "version": "v1.34.2",
            "networking": {"plugin": "none"},
            "nodes": [
                *NODES,
                {"address": "10.0.0.2", "role": "control-plane"},
                {"address": "10.0.0.3", "role": "control-plane", "name": "cp3"},
                {"address": "10.0.0.4", "role": "control-plane"},
                {"address": "10.0.1.7", "role": "worker"},
                {"address": "10.0.1.8", "role": "worker", "name": "gpu1", "ssh": {"user": "admin", "port": 2222}},
            ],
        }
    )
    new = ("10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.1.7", "10.0.1.8")
    assert fake.last["new"] == frozenset(map(IPv4Address, new))


def test_a_node_that_is_there_may_be_named_again(fake: Operations, kubeon: Run) -> None:
    """The same command again is no mistake, with its name or without."""
    for words in ("w1=10.0.1.1", "10.0.1.1"):
        assert kubeon("add", "demo", "-w", words, "-y").code == 0
        assert [node.name for node in fake.last["spec"].nodes] == ["cp1", "w1"]
        assert fake.last["new"] == frozenset({IPv4Address("10.0.1.1")})


def test_an_add_that_did_not_end_is_not_taken_up_by_another(fake: Operations, kubeon: Run, home: Home) -> None:
    """What it was about is known, and may be named again; but nobody asked for it now."""
    state = home.cluster("demo")
    stored = state.read_spec()
    assert stored is not None
    more = [*NODES, {"address": "10.0.1.7", "role": "worker"}]
    state.write_proposed(stored.model_copy(update={"nodes": build_spec({**_json(stored), "nodes": more}).nodes}))

    kubeon("add", "demo", "-w", "10.0.1.8", "-y")

    assert [str(node.address) for node in fake.last["spec"].nodes] == ["10.0.0.1", "10.0.1.1", "10.0.1.8"]
    assert fake.last["new"] == frozenset({IPv4Address("10.0.1.8")})
    kubeon("add", "demo", "-w", "10.0.1.7", "-y")
    assert fake.last["new"] == frozenset({IPv4Address("10.0.1.7")})


def _json(spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return found


@pytest.mark.parametrize(
    ("words", "code", "wanted"),
    [
        (("add", "demo"), 2, ("no nodes to add", "kubeon add demo -w ADDRESS")),
        (("add",), 2, ("NAME",)),
        (("add", "dmeo", "-w", "10.0.1.7"), 6, ("there is no cluster dmeo", "clusters known here: demo")),
        (("add", "demo", "-m", "10.0.1.1"), 2, ("10.0.1.1: w1 is a worker already", "kubeon del removes it first")),
        (("add", "demo", "-w", "cp1=10.0.0.1"), 2, ("10.0.0.1: cp1 is a control-plane already",)),
        (("add", "demo", "-w", "w9=10.0.1.1"), 2, ("10.0.1.1: w1 is a worker already",)),
        (("add", "demo", "-w", "w1=10.0.1.9"), 3, ("nodes.2.name: w1 is nodes.1.name already",)),
        (("add", "demo", "-w", "10.0.1.7,10.0.1.7"), 3, ("10.0.1.7 is nodes.2.address already",)),
        (("add", "demo", "-w", "10.0.1.7:ssh"), 2, ("10.0.1.7:ssh",)),
        (("add", "demo", "-w", "node-7"), 3, ("nodes.2.address", "'node-7' is not an IPv4 address")),
        ((*ADD, "--ignore-preflight-errors", "Memm"), 2, ("is called Memm", "did you mean Mem?")),
        ((*ADD, "--network", "flannel"), 2, ("--network",)),
        (ADD, 2, ("no terminal",)),
        (("del", "demo"), 2, ("SELECTOR",)),
        (("del",), 2, ("NAME",)),
        ((*DEL, "--drain-timeout", "-1"), 2, ("--drain-timeout",)),
        ((*DEL, "--drain-timeout", "5m"), 2, ("--drain-timeout", "5m")),
        (DEL, 2, ("no terminal",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes(kubeon: Run, words: tuple[str, ...], code: int, wanted: tuple[str, ...]) -> None:
    """The word, what is wrong with it, what to type."""
    ran = kubeon(*words)
    as_json = kubeon(*words, "--output", "json")

    assert (ran.code, ran.out) == (code, "")
    assert [text for text in wanted if text not in ran.err] == []
    assert json.loads(as_json.out)["error"]["exitCode"] == code


def test_flags_of_del(fake: Operations, kubeon: Run, tmp_path: Path) -> None:
    """Every one arrives."""
    ran = kubeon(
        "del", "demo", "@w1", "@ip=10.0.0.0/24", "--dead", "--drain-timeout", "5", "--remove-packages",
        "--parallel", "7", "--kubeconfig", str(tmp_path / "c"), "--yes",
    )  # fmt: skip

    options = fake.last["options"]
    assert ran.code == 0
    assert (fake.last["name"], fake.last["selectors"]) == ("demo", ("@w1", "@ip=10.0.0.0/24"))
    assert (options.dead, options.drain_timeout, options.remove_packages) == (True, 5, True)
    assert (options.parallel, options.kubeconfig) == (7, tmp_path / "c")


def test_defaults_of_del(fake: Operations, kubeon: Run, tmp_path: Path) -> None:
    """Five minutes of drain, a living machine, packages stay."""
    kubeon(*DEL, "--yes")

    options = fake.last["options"]
    assert (options.dead, options.drain_timeout, options.remove_packages) == (False, 300, False)
    assert options.kubeconfig == tmp_path / ".kube" / "config"


def test_add_shows_the_new_nodes(fake: Operations, kubeon: Run) -> None:
    """The plan to standard error, the nodes to standard output; and when they were there, that nothing was changed."""
    ran = kubeon("add", "demo", "-w", "10.0.1.7,gpu1=10.0.1.8", "--yes")
    fake.changed = False
    again = kubeon("add", "demo", "-w", "gpu1=10.0.1.8", "--yes")

    assert "install packages" in ran.err
    assert_golden(ran.out, "cli/added.txt")
    assert again.out.startswith("Cluster demo had 1 node already; nothing was changed (31.4s).\n")


def test_del_shows_who_left_and_what_stays(kubeon: Run) -> None:
    """As destroy does."""
    assert_golden(kubeon(*DEL, "--yes").out, "cli/deleted.txt")
    assert kubeon(*DEL, "--yes", "--remove-packages").out == "w1, w2 left cluster demo (12.0s).\n"


def test_answers_as_json(kubeon: Run, tmp_path: Path) -> None:
    """One object each, with a stable shape."""
    added = json.loads(kubeon(*ADD, "--yes", "--output", "json").out)
    removed = json.loads(kubeon(*DEL, "--yes", "--output", "json").out)

    assert added == {
        "cluster": "demo",
        "changed": True,
        "nodes": [{"name": "w7", "address": "10.0.1.7", "role": "worker", "version": "v1.34.2", "ready": True}],
        "seconds": 31.4,
        "kubeconfig": str(tmp_path / ".kube" / "config"),
        "log": None,
    }
    assert removed == {
        "cluster": "demo",
        "removed": ["w1", "w2"],
        "stays": ["w2: package socat stays: kubeon had installed it"],
        "seconds": 12.0,
        "log": None,
    }


@pytest.mark.parametrize("command", [ADD, DEL], ids=["add", "del"])
def test_a_dry_run_shows_the_plan_and_ends(fake: Operations, kubeon: Run, command: tuple[str, ...]) -> None:
    """With etcd's arithmetic in its header; the plan is the answer."""
    fake.plan = Plan("a plan", ("etcd now: 3 voters", "etcd then: 2 voters"), {"w1": ("drain",)})
    began: list[Any] = []
    fake.when_begun = began.append

    ran = kubeon(*command, "--dry-run")
    as_json = kubeon(*command, "--dry-run", "--output", "json")

    assert (ran.code, as_json.code, began) == (0, 0, [])
    assert "etcd then: 2 voters" in ran.out
    assert json.loads(as_json.out)["plan"]["hosts"] == {"w1": ["drain"]}
    assert fake.last["options"].dry_run is True


@pytest.mark.parametrize("command", [ADD, DEL], ids=["add", "del"])
def test_both_ask(fake: Operations, kubeon: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    """A no is 1, and changes nothing; where there is nothing to do nobody is asked."""
    monkeypatch.setattr("kubeon.console.Console.ask", lambda *_, **__: False)
    began: list[Any] = []
    fake.when_begun = began.append

    ran = kubeon(*command)

    assert (ran.code, began) == (1, [])
    assert "not confirmed; nothing was changed" in ran.err
    fake.plan, fake.changed = Plan("nothing", (), {"w1": ()}), False
    assert kubeon(*command).code == 0


@pytest.mark.parametrize("command", [ADD, DEL], ids=["add", "del"])
def test_a_failure_names_the_command_to_repeat(fake: Operations, kubeon: Run, command: tuple[str, ...]) -> None:
    """The same again continues."""
    fake.fail = KubeonError("no")

    ran = kubeon(*command, "-y")

    assert ran.code == 1
    assert f"Next: kubeon {' '.join(command)} -y\n" in ran.err


@pytest.mark.parametrize("command", [ADD, DEL], ids=["add", "del"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationError("no control plane of demo answers"), 1),
        (PreflightError("etcd would lose its quorum; nothing was changed"), 4),
        (HostErrors({"w1": HostError("no")}, done=2), 5),
        (StateError("no"), 6),
        (BundleError("no"), 7),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("no"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_exit_codes(fake: Operations, kubeon: Run, error: BaseException, code: int, command: tuple[str, ...]) -> None:
    """Those of create, as a program and in JSON."""
    fake.fail = error

    ran = kubeon(*command, "--yes")
    as_json = kubeon(*command, "--yes", "--output", "json")

    assert (ran.code, ran.out, as_json.code) == (code, "", code)
    assert json.loads(as_json.out)["error"]["exitCode"] == code


def test_the_real_del_refuses_before_it_looks(monkeypatch: pytest.MonkeyPatch, kubeon: Run) -> None:
    """An unknown name or cluster is an error, never nobody; so is the whole control plane."""
    monkeypatch.setattr(delete, "delete", _DELETE)

    for words, code, wanted in [
        (("demo", "@w9"), 2, "cluster demo has no node 'w9'"),
        (("demo", "other@w1"), 2, "'other@w1' is about cluster other, not demo"),
        (("demo", "@etcd=x"), 2, "'etcd=x' is no selector"),
        (("demo", "@ip=10.0.9.0/24"), 2, "no node with the address 10.0.9.0/24"),
        (("demo", "@cp*"), 2, "that would be every control plane of demo"),
        (("dmeo", "@w1"), 6, "there is no cluster dmeo"),
    ]:
        ran = kubeon("del", *words, "--yes")
        assert (ran.code, wanted in ran.err) == (code, True), ran.err
