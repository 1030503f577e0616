"""What is written, by whom, and what never is."""

from collections.abc import Callable
from typing import Any

import pytest

from apiserver_updater.cluster import Api
from apiserver_updater.copying import Copier
from apiserver_updater.election import Election, Terms
from apiserver_updater.report import Metrics
from apiserver_updater.target import WRITER, Servers, servers_in, wanted_endpoints, wanted_slice
from tests.updater.fake import Clock, FakeApi, run
from tests.updater.objects import (
    ENDPOINTS,
    SOURCE,
    TARGET,
    Json,
    a_source,
    a_target,
    addresses_in,
    an_endpoints,
)

TWO = Servers(("10.0.0.11", "10.0.0.12"), 6443)


class Leader:
    """A replica that leads, and copies when told."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.metrics = Metrics()
        self.election = Election(
            api, "a", namespace="kube-system", metrics=self.metrics, won=lambda: None, terms=Terms(), now=clock
        )
        self.copier = Copier(api, self.election, "kube-system", self.metrics)

    async def copy(self) -> float:
        """Become leader, if that is to be had, and copy."""
        await self.election.step()
        return await self.copier.step()


@pytest.fixture
def leader(api: Api, clock: Clock) -> Leader:
    """Of the fake."""
    return Leader(api, clock)


def test_slice_and_endpoints_become_equal_to_the_source(fake: FakeApi, leader: Leader) -> None:
    """On a release whose slices are in beta both are; the second time nothing is written."""
    fake.versions = ["v1beta1"]
    fake.put(SOURCE, a_source("10.0.0.11", "10.0.0.12"))

    async def twice() -> None:
        await leader.copy()
        await leader.copy()

    run(twice())

    assert addresses_in(fake.objects[TARGET]) == addresses_in(fake.objects[ENDPOINTS]) == ["10.0.0.11", "10.0.0.12"]
    assert (fake.count("PUT", TARGET.replace("/v1/", "/v1beta1/")), fake.count("PUT", ENDPOINTS)) == (1, 1)
    assert leader.metrics.get("writes_total") == 2


def test_endpoints_are_left_alone_where_slices_are_stable(fake: FakeApi, leader: Leader) -> None:
    """Nobody reads them there, and they are being retired."""
    fake.versions = ["v1", "v1beta1"]
    fake.put(SOURCE, a_source("10.0.0.12"))

    run(leader.copy())

    assert addresses_in(fake.objects[TARGET]) == ["10.0.0.12"]
    assert fake.count("GET", ENDPOINTS) == fake.count("PUT", ENDPOINTS) == 0


def test_nothing_is_written_by_a_replica_that_does_not_lead(fake: FakeApi, leader: Leader) -> None:
    """It does not even look."""
    run(leader.copier.step())

    assert fake.asked == []


@pytest.mark.parametrize(
    "source",
    [a_source(), a_source("10.0.0.12", ready=False), {**a_source("10.0.0.12"), "ports": []}, None],
    ids=["empty", "not ready", "no port", "absent"],
)
def test_no_empty_set_is_written(fake: FakeApi, leader: Leader, source: Json | None) -> None:
    """Whatever has become of the source: better the servers of yesterday than none."""
    if source:
        fake.put(SOURCE, source)
    else:
        fake.delete(SOURCE)

    pause = run(leader.copy())

    assert pause < 1
    assert fake.count("PUT", TARGET) == fake.count("PUT", ENDPOINTS) == 0
    assert addresses_in(fake.objects[TARGET]) == ["10.0.0.11"]


def test_a_conflict_is_looked_at_again(fake: FakeApi, leader: Leader) -> None:
    """What somebody else has done meanwhile is not overwritten unseen."""
    between = iter([True])

    def other(method: str, path: str) -> None:
        if method == "PUT" and path == TARGET and next(between, False):
            fake.put(TARGET, {**a_target("10.9.9.9"), "metadata": {**a_target()["metadata"], "labels": {"mine": "1"}}})

    fake.before = other

    run(leader.copy())

    assert addresses_in(fake.objects[TARGET]) == ["10.0.0.11"]
    assert fake.objects[TARGET]["metadata"]["labels"]["mine"] == "1"
    assert leader.metrics.get("write_errors_total") == 0


def test_no_write_is_begun_when_the_lease_has_run_out_meanwhile(fake: FakeApi, leader: Leader, clock: Clock) -> None:
    """The read was slow, or the machine slept."""

    def sleepy(method: str, path: str) -> None:
        clock.forward(9.6 if path == TARGET else 0)

    fake.before = sleepy

    run(leader.copy())

    assert fake.count("GET", TARGET) == 1
    assert fake.count("PUT", TARGET) == 0


def test_a_write_lasts_no_longer_than_the_lease(fake: FakeApi, leader: Leader, clock: Clock) -> None:
    """Tried at one server after another, it ends with what was left."""

    def slow(method: str, path: str) -> None:
        if method == "PUT" and path == TARGET:
            clock.forward(6)
            raise TimeoutError("slow")

    fake.put(SOURCE, a_source("10.0.0.12"))
    fake.before = slow
    clock_at_start = clock()

    run(leader.copy())

    assert fake.count("PUT", TARGET) == 1
    assert clock() - clock_at_start <= 10
    assert leader.metrics.get("write_errors_total") == 1


def test_every_leadership_leaves_its_mark(fake: FakeApi, leader: Leader, api: Api, clock: Clock) -> None:
    """One write though nothing else is new: it makes every write of the leader before, still under way, a conflict."""

    async def follow() -> list[str]:
        await leader.copy()
        marks = [fake.objects[TARGET]["metadata"]["annotations"][WRITER]]
        await leader.election.release(1)
        other = Leader(api, clock)
        other.election.identity = "b"
        await other.copy()
        return [*marks, fake.objects[TARGET]["metadata"]["annotations"][WRITER]]

    assert run(follow()) == ["1 a", "2 b"]


def test_an_absent_slice_is_waited_for(fake: FakeApi, leader: Leader, capsys: pytest.CaptureFixture[str]) -> None:
    """kubeon makes it; the program may not."""
    fake.delete(TARGET)

    async def tries() -> None:
        for _ in range(3):
            await leader.copy()
        fake.put(TARGET, a_target("10.9.9.9"))
        await leader.copy()

    run(tries())

    assert capsys.readouterr().out.count("not found") == 1
    assert addresses_in(fake.objects[TARGET]) == ["10.0.0.11"]


def changed(change: Callable[[Json], object]) -> Json:
    """The slice as this program writes it, with a change."""
    written = wanted_slice(a_target("10.9.9.9"), TWO, "1 a")
    assert written
    change(written)
    return written


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (lambda _: None, True),
        (lambda found: found["endpoints"].reverse(), True),
        (lambda found: found["endpoints"][0].update(nodeName="cp1", topology={}), True),
        (lambda found: found["endpoints"][0].update(conditions={}), True),
        (lambda found: found["endpoints"].pop(), False),
        (lambda found: found.update(endpoints=None), False),
        (lambda found: found["endpoints"].append(found["endpoints"][0]), False),
        (lambda found: found["endpoints"][0]["conditions"].update(ready=False), False),
        (lambda found: found["endpoints"][0]["conditions"].update(terminating=True), False),
        (lambda found: found.update(ports=None), False),
        (lambda found: found["ports"][0].update(port=443), False),
        (lambda found: found["ports"][0].update(name=""), False),
        (lambda found: found["metadata"]["labels"].pop("kubernetes.io/service-name"), False),
        (lambda found: found["metadata"]["labels"].update(mine="1"), True),
        (lambda found: found["metadata"]["annotations"].clear(), False),
    ],
)
def test_damage_to_a_slice_is_seen(change: Callable[[Json], object], right: bool) -> None:
    """And what is none is left alone."""
    found = changed(change)

    wanted = wanted_slice(found, TWO, "1 a")

    assert (wanted is None) == right
    if wanted:
        assert wanted_slice(wanted, TWO, "1 a") is None
        assert addresses_in(wanted) == ["10.0.0.11", "10.0.0.12"] or found["endpoints"] == wanted["endpoints"]


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (lambda _: None, True),
        (lambda found: found.update(subsets=None), False),
        (lambda found: found["subsets"].append(found["subsets"][0]), False),
        (lambda found: found["subsets"][0].update(notReadyAddresses=[{"ip": "10.0.0.13"}]), False),
        (lambda found: found["metadata"].update(labels={}), False),
    ],
)
def test_damage_to_endpoints_is_seen(change: Callable[[Json], Any], right: bool) -> None:
    """Likewise."""
    found = wanted_endpoints(an_endpoints(), TWO, "1 a")
    assert found
    change(found)

    assert (wanted_endpoints(found, TWO, "1 a") is None) == right


def test_addresses_of_the_other_family_are_no_part_of_a_slice() -> None:
    """Its addressType cannot be changed; and nothing at all is better than an empty set."""
    six = Servers(("fd00::1",), 6443)

    assert wanted_slice(a_target(), six, "1 a") is None
    assert addresses_in(wanted_slice({**a_target(), "addressType": "IPv6"}, six, "1 a") or {}) == ["fd00::1"]


def test_addresses_are_sorted_as_numbers_and_each_is_there_once() -> None:
    """So that the order of the source makes no writes."""
    found = servers_in([a_source("10.0.0.11", "10.0.0.2", "10.0.0.11", "nonsense")])

    assert found == Servers(("10.0.0.2", "10.0.0.11"), 6443)
