"""A fake API, and the program's way to it."""

from pathlib import Path

import pytest

from apiserver_updater.cluster import Api
from kubeon.pki.authorities import Authorities
from tests.updater.fake import Clock, FakeApi, an_api


@pytest.fixture
def clock() -> Clock:
    """The program's."""
    return Clock()


@pytest.fixture
def fake() -> FakeApi:
    """An API with what kubeon has made."""
    return FakeApi()


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path, some_authorities: Authorities, clock: Clock) -> Api:
    """To the fake."""
    return an_api(fake, tmp_path, some_authorities, clock)
