"""Who may write: client-go's rules, with a clock that tests set forward."""

import asyncio
from typing import Any

import pytest

from apiserver_updater.cluster import Api, ApiError
from apiserver_updater.election import Election, Terms
from apiserver_updater.report import Metrics, Pulse
from tests.updater.fake import Clock, FakeApi, run, wall
from tests.updater.objects import LEASE, a_lease


def elector(api: Api, clock: Clock, identity: str = "a") -> Election:
    """A replica's part in the election."""
    return Election(
        api, identity, namespace="kube-system", metrics=Metrics(), won=lambda: None, terms=Terms(), now=clock
    )


def spec(fake: FakeApi) -> dict[str, Any]:
    """What is in the Lease."""
    found: dict[str, Any] = fake.objects[LEASE]["spec"]
    return found


def test_an_empty_lease_is_taken_at_once(fake: FakeApi, api: Api, clock: Clock) -> None:
    """By compare-and-swap, with the fields that client-go writes."""
    election = elector(api, clock)

    run(election.step())

    assert election.left() == 10
    assert spec(fake)["holderIdentity"] == "a"
    assert spec(fake)["leaseDurationSeconds"] == 15
    assert spec(fake)["leaseTransitions"] == 1
    assert spec(fake)["acquireTime"] == spec(fake)["renewTime"]


def test_a_renewal_counts_from_before_it_was_sent(fake: FakeApi, api: Api, clock: Clock) -> None:
    """An answer that takes four seconds leaves six."""

    def slow(method: str, path: str) -> None:
        clock.forward(4 if method == "PUT" else 0)

    fake.before = slow
    election = elector(api, clock)

    run(election.step())

    assert election.left() == 6


@pytest.mark.parametrize("skew", [-86400, 0, 86400])
def test_anothers_lease_runs_out_by_what_is_seen_here(fake: FakeApi, api: Api, clock: Clock, skew: float) -> None:
    """Whatever the times in it say: clocks of machines differ, and jump."""
    fake.put(LEASE, a_lease(holderIdentity="b", leaseDurationSeconds=15, renewTime=wall(skew), leaseTransitions=7))
    election = elector(api, clock)

    async def looks() -> list[bool]:
        held = []
        for seconds in (0, 14.9, 0.2):
            clock.forward(seconds)
            await election.step()
            held.append(bool(election.left()))
        return held

    assert run(looks()) == [False, False, True]
    assert spec(fake)["leaseTransitions"] == 8


def test_a_record_that_changes_is_alive(fake: FakeApi, api: Api, clock: Clock) -> None:
    """As long as somebody renews it, nobody takes it."""
    election = elector(api, clock)

    async def looks() -> None:
        for number in range(5):
            fake.put(LEASE, a_lease(holderIdentity="b", leaseDurationSeconds=15, renewTime=wall(number)))
            await election.step()
            clock.forward(14)
            await election.step()

    run(looks())

    assert not election.left()
    assert spec(fake)["holderIdentity"] == "b"


def test_a_released_lease_is_taken_at_once(fake: FakeApi, api: Api, clock: Clock) -> None:
    """Nobody holds it."""
    fake.put(LEASE, a_lease(holderIdentity="", leaseDurationSeconds=1, leaseTransitions=3))
    election = elector(api, clock)

    run(election.step())

    assert (bool(election.left()), spec(fake)["leaseTransitions"]) == (True, 4)


def test_of_two_only_one_wins(fake: FakeApi, api: Api, clock: Clock) -> None:
    """Both have read the same record; the second write conflicts."""
    first, second = elector(api, clock, "a"), elector(api, clock, "b")

    async def both() -> None:
        await asyncio.gather(first.step(), second.step())

    run(both())

    assert sorted([bool(first.left()), bool(second.left())]) == [False, True]


def test_without_renewal_it_leads_no_more_at_the_deadline(fake: FakeApi, api: Api, clock: Clock) -> None:
    """Five seconds before anybody else may; and by the clock alone, whatever its loop is doing."""
    election = elector(api, clock)

    def broken(method: str, path: str) -> None:
        raise ConnectionError("no route")

    async def loses() -> list[bool]:
        await election.step()
        fake.before = broken
        held = []
        for seconds in (5, 4.9, 0.2):
            clock.forward(seconds)
            held.append(bool(election.left()))
        with pytest.raises(ApiError):
            await election.step()
        return held

    assert run(loses()) == [True, True, False]
    assert election.mark() == ""


def test_a_step_never_lasts_longer_than_the_lease(fake: FakeApi, api: Api, clock: Clock) -> None:
    """A read that was slow leaves no time for a renewal: nothing is sent."""
    election = elector(api, clock)

    def slow(method: str, path: str) -> None:
        clock.forward(11 if method == "GET" else 0)

    async def late() -> None:
        await election.step()
        fake.before = slow
        with pytest.raises(ApiError):
            await election.step()

    run(late())

    assert not election.left()
    assert fake.count("PUT", LEASE) == 1


def test_its_own_record_is_taken_back_as_a_new_leadership(fake: FakeApi, api: Api, clock: Clock) -> None:
    """After a cut network nobody else has come; the mark is another one, so that writes of before fail."""
    election = elector(api, clock)

    async def back() -> tuple[str, str]:
        await election.step()
        before = election.mark()
        clock.forward(60)
        await election.step()
        return before, election.mark()

    assert run(back()) == ("1 a", "2 a")


def test_whoever_finds_another_holder_leads_no_more(fake: FakeApi, api: Api, clock: Clock) -> None:
    """At once."""
    election = elector(api, clock)

    async def taken() -> None:
        await election.step()
        fake.put(LEASE, a_lease(holderIdentity="b", leaseDurationSeconds=15))
        await election.step()

    run(taken())

    assert not election.left()
    assert spec(fake)["holderIdentity"] == "b"


def test_a_lease_is_given_back_also_when_a_renewal_comes_between(fake: FakeApi, api: Api, clock: Clock) -> None:
    """As client-go does it: nobody, for one second."""
    election = elector(api, clock)
    between = iter([True])

    def renewal(method: str, path: str) -> None:
        if method == "PUT" and next(between, False):
            fake.put(LEASE, fake.objects[LEASE])

    async def gives() -> None:
        await election.step()
        fake.before = renewal
        await election.release(1)

    run(gives())

    assert (spec(fake)["holderIdentity"], spec(fake)["leaseDurationSeconds"]) == ("", 1)
    assert spec(fake)["leaseTransitions"] == 1
    assert not election.left()


def test_nobody_gives_back_what_another_holds(fake: FakeApi, api: Api, clock: Clock) -> None:
    """Neither one that never led nor one that has been followed."""
    election, never = elector(api, clock), elector(api, clock, "c")

    async def gives() -> None:
        await election.step()
        fake.put(LEASE, a_lease(holderIdentity="b", leaseDurationSeconds=15))
        await election.release(1)
        await never.release(1)

    run(gives())

    assert spec(fake)["holderIdentity"] == "b"


def test_fields_of_newer_releases_stay(fake: FakeApi, api: Api, clock: Clock) -> None:
    """What this program does not know is not its own to remove."""
    fake.put(LEASE, a_lease(strategy="OldestEmulationVersion"))

    run(elector(api, clock).step())

    assert spec(fake)["strategy"] == "OldestEmulationVersion"


def test_the_loop_goes_on_when_the_lease_is_absent(
    fake: FakeApi, api: Api, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so once, and leads when there is one."""
    fake.delete(LEASE)
    election = Election(
        api,
        "a",
        namespace="kube-system",
        metrics=Metrics(),
        won=lambda: None,
        terms=Terms(15, 10, 0.01),
        now=clock,
    )

    async def turns() -> None:
        loop = asyncio.create_task(election.run(Pulse(clock)))
        while fake.count("GET", LEASE) < 4:
            await asyncio.sleep(0.01)
        fake.put(LEASE, a_lease())
        while not election.left():
            await asyncio.sleep(0.01)
        loop.cancel()

    run(turns())

    assert capsys.readouterr().out.count("not found") == 1


@pytest.mark.parametrize("terms", [Terms(10, 10, 2), Terms(15, 2, 2), Terms(15, 10, 0)])
def test_terms_that_cannot_hold_are_refused(terms: Terms) -> None:
    """As client-go refuses them."""
    assert terms.wrong()
    assert not Terms().wrong()
