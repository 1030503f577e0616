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


@pytest.fixture(scope="session")
def some_authorities() -> Authorities:
    """CAs of today, for all fake clusters: RSA keys take a moment."""
    return new_authorities(ca_validity(CENTURY), SYSTEM_CLOCK.now())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some_authorities: Authorities) -> MakeWorld:
    """Make a cluster's hosts; arguments are those of `a_spec`."""
    return lambda **fields: World(a_spec(**fields), tmp_path, monkeypatch, some_authorities)
