"""List and watch: bookmarks, 410, what is broken, and what is never taken for an empty cluster."""

import itertools
from urllib.parse import parse_qs, urlsplit

import pytest

from apiserver_updater.cluster import Api
from apiserver_updater.report import Backoff, Metrics
from apiserver_updater.target import Servers
from apiserver_updater.watch import Watcher
from tests.updater.fake import Clock, FakeApi, answer, run
from tests.updater.objects import SOURCE, SOURCES, Json, a_source


class Watched:
    """A watcher, and how often it has told of a change."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.changes = 0
        self.metrics = Metrics()
        self.watcher = Watcher(api, self._changed, self.metrics, now=clock)

    def _changed(self) -> None:
        self.changes += 1

    def ended(self, reason: str) -> float:
        """How many watches ended so."""
        return self.metrics.get("watch_restarts_total", reason)


@pytest.fixture
def watched(api: Api, clock: Clock) -> Watched:
    """A watcher of the fake."""
    return Watched(api, clock)


def event(kind: str, version: int, *addresses: str) -> Json:
    """A line of a watch."""
    found = a_source(*addresses)
    return {"type": kind, "object": {**found, "metadata": {**found["metadata"], "resourceVersion": str(version)}}}


def versions(fake: FakeApi) -> list[str]:
    """The resourceVersions from which it was watched."""
    queries = [parse_qs(urlsplit(asked.split()[1]).query) for asked in fake.asked]
    return [query["resourceVersion"][0] for query in queries if "watch" in query]


def test_a_list_then_a_watch_from_there(fake: FakeApi, watched: Watched) -> None:
    """Events change what is known; the same again is no change."""
    fake.watches = [[event("MODIFIED", 90, "10.0.0.12", "10.0.0.11"), event("MODIFIED", 91, "10.0.0.11", "10.0.0.12")]]

    run(watched.watcher.step())

    assert versions(fake) == ["4"]
    assert watched.watcher.servers == Servers(("10.0.0.11", "10.0.0.12"), 6443)
    assert watched.changes == 2
    assert watched.watcher.listed


def test_the_next_watch_goes_on_from_the_last_bookmark(fake: FakeApi, watched: Watched) -> None:
    """Without a list, when the one before ended well."""
    fake.watches = [[event("BOOKMARK", 200)], []]

    async def twice() -> None:
        await watched.watcher.step()
        await watched.watcher.step()

    run(twice())

    assert versions(fake) == ["4", "200"]
    assert watched.watcher.servers == Servers(("10.0.0.11",), 6443)
    assert watched.ended("ended") == 2


def test_after_a_while_there_is_a_list_all_the_same(fake: FakeApi, watched: Watched, clock: Clock) -> None:
    """A watch that had missed something would never tell."""
    fake.watches = [[], []]

    async def later() -> None:
        await watched.watcher.step()
        fake.put(SOURCE, a_source("10.0.0.99"))
        clock.forward(61)
        await watched.watcher.step()

    run(later())

    assert watched.watcher.servers == Servers(("10.0.0.99",), 6443)


@pytest.mark.parametrize(
    "gone", [410, {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}]
)
def test_what_is_gone_is_listed_again(fake: FakeApi, watched: Watched, gone: int | Json) -> None:
    """410 as the answer, or as an event in the middle."""
    fake.watches = [[gone], []]

    async def twice() -> None:
        await watched.watcher.step()
        fake.put(SOURCE, a_source("10.0.0.12"))
        await watched.watcher.step()

    run(twice())

    assert versions(fake) == ["4", "5"]
    assert watched.watcher.servers == Servers(("10.0.0.12",), 6443)
    assert watched.ended("gone") == 1


def test_lines_that_are_no_events_break_a_watch(fake: FakeApi, watched: Watched) -> None:
    """It begins again; nothing of them is believed."""
    fake.before = lambda method, path: (
        answer(200, content=b'{"type": "MODIFIED", \xff\n') if len(fake.asked) == 3 else None
    )
    fake.watches = [[]]

    async def twice() -> None:
        await watched.watcher.step()
        await watched.watcher.step()

    run(twice())

    assert watched.ended("broken") == 1
    assert watched.watcher.servers == Servers(("10.0.0.11",), 6443)


def test_a_deleted_source_is_none_and_no_empty_list(fake: FakeApi, api: Api, watched: Watched) -> None:
    """And the servers known before stay known, as ways to the API."""
    fake.watches = [[event("DELETED", 90, "10.0.0.11")]]

    run(watched.watcher.step())

    assert watched.watcher.servers is None
    assert [server.url for server in api.servers()] == ["https://10.96.0.1:443", "https://10.0.0.11:6443"]


def test_the_version_of_the_api_is_found_again_after_an_upgrade(fake: FakeApi, watched: Watched) -> None:
    """v1beta1 is gone one day; the newest that there is is taken."""
    fake.versions = ["v1beta1"]
    fake.watches = [[], []]

    async def upgrade() -> None:
        await watched.watcher.step()
        fake.versions = ["v1"]
        await watched.watcher.step()
        await watched.watcher.step()

    run(upgrade())

    assert watched.ended("404") == 1
    assert fake.count("GET", SOURCES) == 2


def test_one_failure_after_another_waits_longer_and_never_for_ever(fake: FakeApi, watched: Watched) -> None:
    """Up to fifteen seconds; a watch that has lasted makes it short again."""

    def broken(method: str, path: str) -> None:
        raise ConnectionResetError("reset")

    fake.before = broken

    async def steps() -> list[float]:
        return [await watched.watcher.step() for _ in range(12)]

    pauses = run(steps())

    assert 0.1 <= pauses[0] <= 0.2
    assert all(7.5 <= pause <= 15 for pause in pauses[7:])
    assert watched.ended("broken") == 12


def test_a_watch_that_lasted_is_no_failure(fake: FakeApi, watched: Watched, clock: Clock) -> None:
    """The next begins soon, however many there have been."""

    def lasting(method: str, path: str) -> None:
        clock.forward(15)

    fake.before = lasting
    fake.watches = [[] for _ in range(12)]

    async def steps() -> list[float]:
        return [await watched.watcher.step() for _ in range(12)]

    assert max(run(steps())) <= 0.2


def test_waits_differ_between_replicas() -> None:
    """They do not all come at once."""
    backoff = Backoff(1, 1)

    assert len({backoff.next() for _ in itertools.repeat(None, 5)}) == 5
