"""Benchmarks on the lab. They run when asked for by name: `inv bench`, or `pytest tests/bench -m bench`.

KUBEON_BENCH_ROUNDS: how often each is run (2); KUBEON_BENCH_JSON: a file for the figures.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.report import Report
from tests.cluster.driver import VERSION, Kubeon, nodes, sources
from tests.cluster.prepared import BEFORE_KUBEADM, prepare
from tests.lab import hosts, mirror, network

_REPORT = Report()
Up = Callable[..., list[hosts.LabHost]]
Control = Callable[..., Kubeon]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Minutes that nobody wants without asking."""
    if "bench" not in config.getoption("markexpr"):
        for item in items:
            if item.get_closest_marker("bench"):
                item.add_marker(pytest.mark.skip(reason="a benchmark: run with -m bench"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the tables."""
    for line in _REPORT.lines:
        terminalreporter.write_line(line)


@pytest.fixture
def report() -> Report:
    """Where figures go."""
    return _REPORT


@pytest.fixture(scope="session")
def rounds() -> int:
    """How often each is run."""
    return int(os.environ.get("KUBEON_BENCH_ROUNDS", "2"))


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    """Fresh hosts with these names (or NAME=ADDRESS); those of the round before go."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    network.up()
    mirror.prepare()
    mirror.start()
    started: set[str] = set()

    def start(*names: str) -> list[hosts.LabHost]:
        stop()
        assert all(name.startswith("bench-") for name in names)
        started.update(name.partition("=")[0] for name in names)
        return hosts.up(names, start_address="10.77.201.1")

    def stop() -> None:
        hosts.down({host.name for host in hosts.known() if host.name.startswith("bench-")})

    yield start
    stop()


@pytest.fixture(scope="session")
def store(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Material on the control machine, as after the first cluster."""
    (host,) = up("bench-first")
    machine = Kubeon(tmp_path_factory.mktemp("first"))
    prepare(machine, BEFORE_KUBEADM, "first", VERSION, *nodes([host], []), *sources())
    return machine.home / "store"


@pytest.fixture
def control(tmp_path: Path, store: Path) -> Control:
    """Control machines by name, each new to its hosts; with the material unless `warm` is False."""

    def machine(name: str, *, warm: bool = True) -> Kubeon:
        made = Kubeon(tmp_path / name)
        made.home.mkdir(parents=True, mode=0o700)
        if warm:
            (made.home / "store").symlink_to(store)
        return made

    return machine
