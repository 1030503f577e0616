"""`kubeon cluster-info`: exit codes, the stable shape of its JSON, the screen, and --watch."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubeon.cli.cluster_info_value import cluster_info_value
from kubeon.console import Console
from kubeon.console.cluster_info import cluster_info_line, cluster_info_text
from kubeon.hosts.health import Answer
from kubeon.operations import cluster_info
from kubeon.operations.cluster_info import ClusterInfo, Gathered, judge
from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from kubeon.state.lock import Holder
from kubeon.waiting import Clock
from tests.cli.conftest import Operations, Ran
from tests.golden import assert_golden
from tests.operations.cluster_info.factory import a_cluster, a_pod, changed, noted, silent

Run = Callable[..., Ran]
NODES = [{"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}]
SPEC = {"name": "demo", "version": "v1.34.1", "nodes": NODES}


class Looked:
    """Stands in for the Lookout: `found` are the answers of one look after the other."""

    def __init__(self) -> None:
        self.found: list[Gathered] = [a_cluster()]
        self.given: list[Any] = []
        self.closed = False

    def __call__(self, *given: Any) -> "Looked":
        self.given = list(given)
        return self

    def look(self) -> Gathered:
        """The next one; the last is followed by Ctrl-C."""
        if not self.found:
            raise KeyboardInterrupt
        return self.found.pop(0)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def looked(fake: Operations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looked:
    """A cluster on record, the current one."""
    del fake
    home = Home(tmp_path / "k")
    home.cluster("demo").write_spec(build_spec(SPEC))
    home.use("demo")
    found = Looked()
    monkeypatch.setattr(cluster_info, "Lookout", found)
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    return found


def the_worst() -> Gathered:
    """Nobody serves the API."""
    found = changed(
        silent(a_cluster(1, 1), "cp1"), ["w1"], answers={"balancer": Answer("haproxy reaches no API server", 1)}
    )
    return replace(found, nodes=None, pods=(), certificates=())


def an_information(found: Gathered) -> ClusterInfo:
    """Judged."""
    return ClusterInfo(*judge(found), found)


@pytest.mark.parametrize(
    ("found", "code"),
    [(a_cluster(), 0), (noted(a_cluster(), "w1", cordoned=True), 0), (silent(a_cluster(), "w1"), 8), (the_worst(), 9)],
)
def test_the_exit_code_is_the_verdict(looked: Looked, kubeon: Run, found: Gathered, code: int) -> None:
    """0 healthy, with warnings too; 8 degraded; 9 down. None of them is that of an error of kubeon's own."""
    looked.found = [found]

    ran = kubeon("cluster-info", "demo")

    assert (ran.code, ran.err) == (code, "")
    assert ran.out.startswith("Cluster demo is ")
    assert looked.closed


@pytest.mark.parametrize("name", ["cluster-info", "display", "info"])
def test_it_has_aliases_and_knows_the_current_cluster(looked: Looked, kubeon: Run, name: str) -> None:
    """No name: the current cluster. Time and number of hosts at once are told on."""
    assert kubeon(name, "--timeout", "20", "--parallel", "7").code == 0
    assert looked.given[0] == "demo"
    assert (looked.given[1].seconds, looked.given[1].parallel) == (20, 7)


def test_an_unknown_cluster(looked: Looked, kubeon: Run) -> None:
    """As everywhere."""
    ran = kubeon("cluster-info", "dmeo")

    assert (ran.code, looked.given) == (6, [])
    assert "there is no cluster dmeo" in ran.err
    assert "clusters known here: demo" in ran.err


def test_the_shape_for_programs(looked: Looked, kubeon: Run) -> None:
    """Stable: a change of this golden file is a change that users' monitoring notices."""
    holder = Holder("ops@control", 4711, "2026-01-31T11:59:00+00:00", "upgrade")
    found = replace(silent(a_cluster(2, 1), "cp2"), holder=holder)
    looked.found = [found]

    ran = kubeon("cluster-info", "demo", "--output", "json")

    assert ran.code == 9  # of two voters both are needed
    assert_golden(ran.out, "cli/cluster-info.json")
    assert json.loads(ran.out)["verdict"] == "down"


def test_the_screen() -> None:
    """The verdict and why first."""
    well = a_cluster()
    ill = noted(silent(a_cluster(), "cp2"), "w1", cordoned=True)

    assert_golden(cluster_info_text(cluster_info_value(an_information(well))), "cli/cluster-info-healthy")
    assert_golden(cluster_info_text(cluster_info_value(an_information(ill))), "cli/cluster-info-degraded")
    assert_golden(cluster_info_text(cluster_info_value(an_information(the_worst()))), "cli/cluster-info-down")


def test_a_large_cluster_fits_on_a_screen() -> None:
    """Nodes that are well are counted; --all lists them."""
    value = cluster_info_value(an_information(silent(a_cluster(3, 200), "w7")))

    assert_golden(cluster_info_text(value), "cli/cluster-info-large")
    assert len(cluster_info_text(value, every=True).splitlines()) > 200


def test_watching_without_a_terminal_is_a_line_a_look(looked: Looked, kubeon: Run) -> None:
    """Until Ctrl-C; the exit code is that of the last look."""
    looked.found = [a_cluster(), silent(a_cluster(), "w1")]

    ran = kubeon("cluster-info", "--watch")

    assert ran.code == 8
    assert ran.out.splitlines() == [
        "2026-01-31T12:00:00+00:00 demo is healthy",
        "2026-01-31T12:00:00+00:00 demo is degraded: w1: cannot be reached by SSH (No route to host); not Ready for 3m",
    ]
    assert looked.closed


def test_watching_as_json_is_an_object_a_line(looked: Looked, kubeon: Run) -> None:
    """For programs that read a stream."""
    looked.found = [a_cluster(), the_worst()]

    ran = kubeon("cluster-info", "--watch", "2", "--output", "json")

    assert [json.loads(line)["verdict"] for line in ran.out.splitlines()] == ["healthy", "down"]
    assert ran.code == 9


def test_ctrl_c_before_the_first_answer(looked: Looked, kubeon: Run) -> None:
    """Nothing is known: no verdict."""
    looked.found = []

    assert kubeon("cluster-info", "--watch").code == 130
    assert looked.closed


class Terminal:
    """Standard output that can be drawn over."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of ten lines."""
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("lines")
def test_on_a_terminal_a_screen_takes_the_place_of_the_one_before() -> None:
    """Its beginning, where the verdict is, stays in sight."""
    terminal = Terminal()
    console = Console(out=terminal, environment={"TERM": "xterm"})  # type: ignore[arg-type]

    console.refresh({}, "\n".join(f"line {number}" for number in range(30)), "a line")

    assert terminal.text.startswith("\x1b[H\x1b[Jline 0\n")
    assert terminal.text.endswith("line 7\nand 22 lines more\n")


def test_one_line_for_a_log() -> None:
    """Warnings do not make it longer."""
    value = cluster_info_value(an_information(noted(a_cluster(), "w1", cordoned=True)))

    assert cluster_info_line(value) == "2026-01-31T12:00:00+00:00 demo is healthy"


def test_pods_of_one_component_with_two_images_are_two_lines() -> None:
    """An upgrade that stands half-way can be seen."""
    pods = (*a_cluster().pods, a_pod("kube-proxy", "w1", images=("registry.k8s.io/kube-proxy:v1.33.0",), ready=False))
    value = cluster_info_value(an_information(replace(a_cluster(), pods=pods)))

    assert [(group["image"][-7:], group["ready"], group["total"]) for group in value["pods"]] == [
        ("v1.33.0", 0, 1),
        ("v1.34.1", 5, 5),
    ]
