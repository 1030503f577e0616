"""What several levels of tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.spec.versions import ca_validity
from kubeon.waiting import SYSTEM_CLOCK
from tests.fakes.world import World
from tests.pki.factories import CENTURY
from tests.specs import a_spec

MakeWorld = Callable[..., World]


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests stay together when those of the lab are spread over processes (--dist loadgroup)."""
    for item in items:
        if item.get_closest_marker("lab") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def some_authorities() -> Authorities:
    """CAs of today, for all fake clusters: RSA keys take a moment."""
    return new_authorities(ca_validity(CENTURY), SYSTEM_CLOCK.now())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some_authorities: Authorities) -> MakeWorld:
    """Make a cluster's hosts; arguments are those of `a_spec`."""
    return lambda **fields: World(a_spec(**fields), tmp_path, monkeypatch, some_authorities)
