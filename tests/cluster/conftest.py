"""The lab for tests of real clusters. A module names its hosts, so nothing else in the lab is touched."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kubeon.spec.versions import Version
from tests.cluster.driver import OLDER, VERSION, Kubeon
from tests.cluster.living import Keeper, Living
from tests.cluster.prepared import snapshot
from tests.lab import hosts, machine, mirror, network

Up = Callable[..., list[hosts.LabHost]]
GOES_UP = pytest.mark.skipif(
    Version.parse(VERSION).minor != Version.parse(OLDER).minor + 1,
    reason=f"it goes up from {OLDER} by one minor release",
)
"""For modules that begin with the release before, of a run with another one (KUBEON_LAB_RELEASE)."""


@pytest.fixture(scope="session")
def lab() -> None:
    """The network, the guard and the mirror; built once, kept for the next run."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    with machine.lock():  # several processes of pytest begin with this
        network.up()
    mirror.prepare((VERSION,))
    mirror.start()


@pytest.fixture(scope="module")
def up(lab: None) -> Iterator[Up]:
    """Start fresh hosts (arguments as in hosts.up); they are gone when the module ends."""
    started: list[str] = []

    def start(*names: str, **flags: Any) -> list[hosts.LabHost]:
        plain = [name.partition("=")[0] for name in names]
        hosts.down([host.name for host in hosts.known() if host.name in plain])
        started.extend(plain)
        return hosts.up(names, **flags)

    yield start
    hosts.down([host.name for host in hosts.known() if host.name in started])


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Material fetched once for all tests of a session, by whichever of its processes needs it first."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "store"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def prepared(lab: None, tmp_path_factory: pytest.TempPathFactory, store: Path) -> hosts.Snapshot:
    """For hosts that need no material any more: `up(..., like=prepared)`."""
    return snapshot(control_machine(tmp_path_factory.mktemp("prepared"), store))


@pytest.fixture
def kubeon(tmp_path: Path, store: Path) -> Kubeon:
    """A fresh control machine that has the material already."""
    return control_machine(tmp_path, store)


@pytest.fixture(scope="module")
def module_kubeon(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Kubeon:
    """The same, for the clusters that a whole module shares."""
    return control_machine(tmp_path_factory.mktemp("control"), store)


@pytest.fixture(scope="session")
def keeper(lab: None, tmp_path_factory: pytest.TempPathFactory, store: Path) -> Iterator[Keeper]:
    """Of the cluster that modules hand on."""

    def machine() -> Kubeon:
        return control_machine(tmp_path_factory.mktemp("living"), store)

    def like(release: str) -> hosts.Snapshot:
        mirror.prepare((release,))
        return snapshot(machine(), release)

    found = Keeper(machine, like)
    yield found
    found.give_up()


@pytest.fixture(scope="module")
def ha(keeper: Keeper) -> Living:
    """One whose workers have a haproxy."""
    return keeper.living("ha", "10.77.2", "haproxy")


@pytest.fixture(scope="module")
def older(keeper: Keeper) -> Living:
    """One of the release before."""
    return keeper.living("up", "10.77.6", "haproxy", OLDER)


@pytest.fixture(scope="module")
def ud(keeper: Keeper) -> Living:
    """One in mode updater."""
    return keeper.living("ud", "10.77.9", "updater")


def control_machine(folder: Path, store: Path) -> Kubeon:
    """A control machine in a folder."""
    machine = Kubeon(folder / "machine")
    machine.home.mkdir(parents=True, mode=0o700)
    (machine.home / "store").symlink_to(store)
    return machine
