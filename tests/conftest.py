"""What several levels of tests share."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.spec.versions import ca_validity
from kubeon.waiting import SYSTEM_CLOCK
from tests.cluster.living import LARGE, rank
from tests.fakes.world import World
from tests.measured import hand_over, summary
from tests.pki.factories import CENTURY
from tests.specs import a_spec

MakeWorld = Callable[..., World]


class Together(LoadFileScheduling):  # type: ignore[misc]
    """What --dist loadfile is for the lab: a process takes a module."""

    def _reschedule(self, node: Any) -> None:
        """The next module when one test is left, not two as xdist has it: of a long module they may take minutes."""
        if not self.workqueue or self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together | None:
    """For those who ask for modules; the others share out tests."""
    return Together(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole operations on fakes take seconds each. Of the lab's modules the longest begin."""
    for item in items:
        if "world" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
        if item.path.stem in LARGE and item.path.parent.name == "cluster":
            item.add_marker("large")
    items.sort(key=lambda item: rank(item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was measured goes with it."""
    report = yield
    hand_over(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """And is shown."""
    summary(terminalreporter)


@pytest.fixture(scope="session")
def some_authorities() -> Authorities:
    """CAs of today, for all fake clusters: RSA keys take a moment."""
    return new_authorities(ca_validity(CENTURY), SYSTEM_CLOCK.now())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some_authorities: Authorities) -> MakeWorld:
    """Make a cluster's hosts; arguments are those of `a_spec`."""
    return lambda **fields: World(a_spec(**fields), tmp_path, monkeypatch, some_authorities)
