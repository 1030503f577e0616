"""The program as processes, with a real API server and etcd on loopback, and a proxy between them that does wrong."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from kubeon.pki.authorities import Authorities
from tests.updater.objects import (
    ACCOUNT,
    ACCOUNTS,
    ENDPOINTS,
    LEASE,
    SOURCE,
    TARGET,
    a_lease,
    a_source,
    a_target,
    addresses_in,
    an_endpoints,
)
from tests.updater.proxy import Proxy, proxied
from tests.updater.server import Cluster, Replica, machine_address, programs, wait_for, writes

pytestmark = [
    pytest.mark.lab,  # it needs no hosts, but what the lab builds
    pytest.mark.alone,  # seconds are measured
    pytest.mark.skipif(len(programs()) < 2, reason="needs kube-apiserver and etcd, which the lab builds"),
]
LEASE_SECONDS = 3.0  # of Replica
RETRY = 0.4 * 2.2
SLACK = 2.0  # for a busy machine

MakeReplica = Callable[..., Replica]
MakeProxy = Callable[..., Proxy]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, some_authorities: Authorities) -> Iterator[Cluster]:
    """One API server for all."""
    made = Cluster(tmp_path_factory.mktemp("cluster"), some_authorities)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """With one API server in it, as kubeon leaves it. Afterwards: there never were two writers at once."""
    for path, content in (
        (LEASE, a_lease()),
        (SOURCE, a_source("10.0.0.11")),
        (TARGET, a_target("10.0.0.11")),
        (ENDPOINTS, an_endpoints("10.0.0.11")),
    ):
        running.delete(path)
        running.put(path, content)
    begun = len(running.audit())
    yield running
    audit = running.audit()[begun:]
    assert [event for event in audit if event["responseStatus"]["code"] == 403] == []
    holder, terms = "", list[str]()
    for write in writes(audit):
        if write.kind == "leases":
            holder = write.who
        else:
            assert write.who == holder, f"{write.who} wrote while {holder or 'nobody'} held the lease"
            terms += [write.who] if terms[-1:] != [write.who] else []
    assert len(terms) == len(set(terms)), "a leader wrote again after another one had"


@pytest.fixture
def replica(cluster: Cluster) -> Iterator[MakeReplica]:
    """Start a replica; those that are left are killed."""
    made: list[Replica] = []

    def make(name: str, *api: str, **options: object) -> Replica:
        made.append(Replica(cluster, name, *api, **options))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[MakeProxy]:
    """Put a proxy before the API server."""
    with ExitStack() as stack:
        yield lambda *address: stack.enter_context(proxied(cluster, *address))


def leading(replica: Replica, seconds: float = 10) -> Replica:
    """Wait until it leads."""
    wait_for(replica.leads, f"{replica.name} does not lead: {replica.log.read_text()}", seconds)
    return replica


def copied(cluster: Cluster, *addresses: str, seconds: float = 8) -> float:
    """Wait until the slice has these addresses; how long it took."""
    return wait_for(
        lambda: addresses_in(cluster.call("GET", TARGET)) == list(addresses), f"no {addresses} in the slice", seconds
    )


def version(cluster: Cluster, path: str = TARGET) -> str:
    """The object's resourceVersion."""
    return str(cluster.call("GET", path)["metadata"]["resourceVersion"])


def test_the_servers_are_copied_and_nothing_is_written_twice(cluster: Cluster, replica: MakeReplica) -> None:
    """The slice follows; with nothing new, nothing is written, however often it is looked at, and Endpoints never."""
    endpoints = version(cluster, ENDPOINTS)
    leader = leading(replica("a", resync=0.3))
    cluster.put(SOURCE, a_source("10.0.0.11", "10.0.0.12", "10.0.0.2"))

    copied(cluster, "10.0.0.2", "10.0.0.11", "10.0.0.12")
    before = version(cluster)
    looked = len([event for event in cluster.audit() if event["verb"] == "get" and "slices" in event["requestURI"]])
    wait_for(
        lambda: (
            len([each for each in cluster.audit() if each["verb"] == "get" and "slices" in each["requestURI"]])
            > looked + 4
        ),
        "it does not look again",
    )

    assert (version(cluster), version(cluster, ENDPOINTS)) == (before, endpoints)
    found = cluster.call("GET", TARGET)
    assert found["metadata"]["labels"] == {
        "kubernetes.io/service-name": "apiserver",
        "endpointslice.kubernetes.io/managed-by": "apiserver-updater.kubeon",
    }
    assert found["ports"] == [{"name": "https", "port": 6443, "protocol": "TCP"}]
    assert leader.get("/healthz") == leader.get("/readyz") == "ok\n"
    assert leader.number("known_addresses") == 3


def test_no_empty_set_is_ever_written(cluster: Cluster, replica: MakeReplica) -> None:
    """Not when the source is gone, has nobody, or nobody who is ready; and the next real one is written."""
    leader = leading(replica("a", resync=0.3))
    copied(cluster, "10.0.0.11")
    for wrong in (a_source(), a_source("10.0.0.12", ready=False)):
        cluster.put(SOURCE, wrong)
        wait_for(lambda: leader.number("known_addresses") == 0, "it does not see it")
        cluster.put(SOURCE, a_source("10.0.0.11"))
        wait_for(lambda: leader.number("known_addresses") == 1, "it does not see it")
    cluster.delete(SOURCE)
    wait_for(lambda: leader.number("known_addresses") == 0, "it does not see it")

    assert addresses_in(cluster.call("GET", TARGET)) == ["10.0.0.11"]
    cluster.put(SOURCE, a_source("10.0.0.13"))
    copied(cluster, "10.0.0.13")


def test_damage_is_put_right(cluster: Cluster, replica: MakeReplica) -> None:
    """Somebody empties the slice, takes the label away, deletes the object; it is right again, once it can be."""
    leader = leading(replica("a", resync=0.3))
    copied(cluster, "10.0.0.11")

    cluster.put(TARGET, a_target("10.9.9.9", "10.9.9.8"))
    copied(cluster, "10.0.0.11")
    wait_for(lambda: "labels" in cluster.call("GET", TARGET)["metadata"], "no label")
    cluster.delete(TARGET)
    wait_for(lambda: leader.said('"apiserver-kubeon" not found'), "it says nothing")
    cluster.put(TARGET, a_target("10.9.9.9"))
    copied(cluster, "10.0.0.11")


def test_a_lease_that_is_gone_is_waited_for(cluster: Cluster, replica: MakeReplica) -> None:
    """Without one nobody leads; with a new one somebody does."""
    cluster.delete(LEASE)
    waiting = replica("a")
    wait_for(lambda: waiting.said('"apiserver-updater" not found'), "it says nothing")

    assert not waiting.leads()
    cluster.put(LEASE, a_lease())
    leading(waiting)


def test_sigterm_gives_the_lease_back(cluster: Cluster, replica: MakeReplica) -> None:
    """It ends within two seconds, and another one leads without waiting for the lease's end."""
    leader, other = leading(replica("a", lease_duration=60)), replica("b")
    wait_for(lambda: "ok" in other.get("/readyz"), "it does not start")
    begun = time.monotonic()

    took = leader.signal(signal.SIGTERM)
    leading(other)

    assert time.monotonic() - begun < 3
    assert (leader.process.returncode, took < 2) == (0, True)
    assert leader.said("the lease is given back")
    cluster.put(SOURCE, a_source("10.0.0.12"))
    copied(cluster, "10.0.0.12")


def test_a_killed_leader_is_followed_when_its_lease_runs_out(cluster: Cluster, replica: MakeReplica) -> None:
    """Within lease and retry; not before, for it might live."""
    leader, other = leading(replica("a")), replica("b")
    wait_for(lambda: "ok" in other.get("/readyz"), "it does not start")
    begun = time.monotonic()

    leader.signal(signal.SIGKILL)
    leading(other)

    assert LEASE_SECONDS - 1 < time.monotonic() - begun < LEASE_SECONDS + RETRY + SLACK
    cluster.put(SOURCE, a_source("10.0.0.12"))
    copied(cluster, "10.0.0.12")


def test_a_leader_that_is_cut_off_leads_no_more_before_another_does(
    cluster: Cluster, replica: MakeReplica, proxy: MakeProxy
) -> None:
    """It goes on running, says so, and is an ordinary replica when the network is back."""
    cut = proxy()
    old, new = leading(replica("a", cut.url)), replica("b")
    wait_for(lambda: "ok" in new.get("/readyz"), "it does not start")
    begun = time.monotonic()

    cut.silence()
    cluster.put(SOURCE, a_source("10.0.0.12"))
    wait_for(lambda: not old.leads(), "the old one leads for ever")
    stepped_down = time.monotonic()
    led_by_nobody = not new.leads()
    leading(new)
    copied(cluster, "10.0.0.12")

    assert stepped_down - begun < LEASE_SECONDS
    assert led_by_nobody
    assert time.monotonic() - begun < LEASE_SECONDS + RETRY + SLACK
    assert old.process.poll() is None
    cut.heal()
    cluster.put(SOURCE, a_source("10.0.0.13"))
    copied(cluster, "10.0.0.13")
    assert not old.leads()


def test_a_write_that_arrives_after_the_lease_changes_nothing(
    cluster: Cluster, replica: MakeReplica, proxy: MakeProxy
) -> None:
    """It lay somewhere on the way, the old leader is past, and the new one has found everything right."""
    slow = proxy()
    old, new = leading(replica("a", slow.url)), replica("b")
    wait_for(lambda: old.said("wrote apiserver-kubeon: "), "it does not leave its mark")
    wait_for(lambda: "ok" in new.get("/readyz"), "it does not start")
    slow.asked.clear()
    slow.held = lambda method, path: method == "PUT" and "slices" in path
    cluster.put(SOURCE, a_source("10.0.0.66"))
    wait_for(lambda: any("PUT" in each and "slices" in each for each in slow.asked), "it does not write")

    slow.silence()
    cluster.put(SOURCE, a_source("10.0.0.11"))  # what the slice has already: nothing to be written but the mark
    leading(new)
    wait_for(lambda: new.said("wrote apiserver-kubeon"), "the new leader does not leave its mark")
    slow.released.set()
    wait_for(lambda: slow.answers_to_held, "the write does not arrive")

    assert set(slow.answers_to_held) == {409}
    assert addresses_in(cluster.call("GET", TARGET)) == ["10.0.0.11"]
    assert old.number("write_errors_total") == 1


def test_a_watch_that_is_gone_begins_with_a_list(cluster: Cluster, replica: MakeReplica, proxy: MakeProxy) -> None:
    """410 as an event in its middle, and as the answer to its beginning."""
    between = proxy()
    leader = leading(replica("a", between.url))
    wait_for(between.watches, "no watch")
    lists = [each for each in between.asked if "watch=" not in each]
    assert "allowWatchBookmarks=true" in between.asked[-1] or len(lists) > 1

    between.tell({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "old"}})
    wait_for(lambda: leader.number('watch_restarts_total{reason="gone"}') == 1, "it does not begin again")
    cluster.put(SOURCE, a_source("10.0.0.12"))
    copied(cluster, "10.0.0.12")
    between.status = (lambda _, path: "watch=true" in path), 410
    between.reset()
    cluster.put(SOURCE, a_source("10.0.0.13"))
    copied(cluster, "10.0.0.13")
    wait_for(lambda: leader.said("watch (gone): "), "it says nothing")
    between.status = None

    wait_for(between.watches, "no watch")


def test_a_reset_and_errors_are_survived(cluster: Cluster, replica: MakeReplica, proxy: MakeProxy) -> None:
    """The connection is reset in the middle of a watch, then nothing but 500s for a while."""
    between = proxy()
    leader = leading(replica("a", between.url))
    wait_for(between.watches, "no watch")

    between.status = (lambda _, path: "slices" in path), 500
    between.reset()
    wait_for(lambda: leader.number('watch_restarts_total{reason="broken"}'), "it does not see it")
    cluster.put(SOURCE, a_source("10.0.0.12"))
    between.status = None

    copied(cluster, "10.0.0.12", seconds=20)
    assert leader.get("/healthz") == "ok\n"


def test_the_token_is_read_again(cluster: Cluster, replica: MakeReplica) -> None:
    """The account is made anew, so that the token of before is worth nothing; the file has a new one."""
    leader = leading(replica("a"))
    copied(cluster, "10.0.0.11")
    cluster.delete(ACCOUNT)
    cluster.call("POST", ACCOUNTS, {"metadata": {"name": "apiserver-updater"}})
    wait_for(lambda: not leader.leads(), "the old token is still good", 20)

    leader.token.write_text(cluster.token())

    leading(leader)
    cluster.put(SOURCE, a_source("10.0.0.12"))
    copied(cluster, "10.0.0.12", seconds=20)


def test_the_servers_own_addresses_carry_when_the_service_address_breaks(
    cluster: Cluster, replica: MakeReplica, proxy: MakeProxy
) -> None:
    """It goes on leading, by way of the API server in default/kubernetes, and comes back to the service address."""
    service, own = proxy(), proxy(machine_address())
    cluster.put(SOURCE, a_source(machine_address(), port=own.port))
    leader = leading(replica("a", service.url, lease_duration=8, renew_deadline=7))
    copied(cluster, machine_address())
    assert own.asked == []

    service.silence()
    service.reset()
    cluster.put(SOURCE, a_source(machine_address(), "192.0.2.66", port=own.port))

    copied(cluster, *sorted([machine_address(), "192.0.2.66"], key=_number), seconds=12)
    assert own.asked
    assert not leader.said("leading no more")
    service.heal()
    asked = len(service.asked)
    wait_for(lambda: len(service.asked) > asked + 2, "it does not come back", 20)


def _number(address: str) -> list[int]:
    return [int(part) for part in address.split(".")]
