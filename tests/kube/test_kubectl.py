"""kubectl over SSH: what is read from its answers, and what an error says."""

import pytest

from kubeon.errors import CommandError, OperationError
from kubeon.kube.kubectl import Kubectl, why_not_ready
from kubeon.waiting import Clock
from tests.fakes.api import FakeApi
from tests.fakes.restore import ExitError
from tests.kube.test_tokens import an_api


class FakeClock(Clock):
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 0.0

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def register(api: FakeApi, name: str, *, ready: bool) -> None:
    """A kubelet reports."""
    api.register(name, "v1.34.1", ready=ready, address="10.0.1.1", machine_id=name)


def test_an_object_that_is_not_there_is_none() -> None:
    """No exception, no parsing of error texts."""
    _, kubectl, _ = an_api()

    assert kubectl.get("node", "w1") is None


def test_apply_names_what_it_changed() -> None:
    """Applying again changes nothing."""
    _, kubectl, _ = an_api()
    role = '{"kind": "ClusterRole", "metadata": {"name": "a"}}'

    assert kubectl.apply(role) == ["clusterrole/a created"]
    assert kubectl.apply(role) == []


def test_an_error_has_the_host_and_kubectls_words() -> None:
    """An API server that is down is no bug; asking whether it answers says no."""
    _, kubectl, machine = an_api()
    machine.units["kubelet.service"] = "inactive"

    assert not kubectl.answers()
    with pytest.raises(CommandError, match=r"cp1: kubectl get nodes -o failed .*: The connection .* was refused"):
        kubectl.nodes()


def test_an_election_of_etcd_is_waited_for() -> None:
    """Seen while control planes joined on a busy machine: the same question is answered a second later."""
    api, kubectl, machine = an_api()
    kubectl = Kubectl(kubectl.host, clock=(clock := FakeClock()))
    register(api, "w1", ready=True)
    machine.fails["kubectl"] = "Error from server: etcdserver: leader changed"

    assert list(kubectl.nodes()) == ["w1"]
    assert clock.time == 1


def test_who_is_patient_waits_until_an_api_server_has_etcd_again() -> None:
    """Seen on a busy machine: all three said so in the same second, and `add` gave up."""
    _, kubectl, machine = an_api()
    kubectl = Kubectl(kubectl.host, clock=(clock := FakeClock()))
    unready = 'Error from server (InternalError): an error on the server ("[+]ping ok\\n[-]etcd failed: reason withheld'

    machine.fails["kubectl"] = unready
    assert "[-]etcd failed" in kubectl.why_not()
    assert clock.time == 0
    machine.fails["kubectl"] = unready
    assert kubectl.why_not(patient=True) == ""
    assert clock.time == 1


def test_one_that_takes_too_long_is_ended_on_its_host() -> None:
    """Seen when three API servers started at once on a busy machine: not ready yet, and no lost connection."""
    _, kubectl, machine = an_api()

    def end(token: str) -> None:
        if token == "kubectl":
            raise ExitError(code=124)

    machine.hook = end

    assert not kubectl.answers()
    with pytest.raises(
        CommandError, match=r"cp1: kubectl get nodes -o failed \(exit code 124\): no answer within 60 s"
    ):
        kubectl.nodes()


def test_waiting_says_of_each_node_why_it_is_not_ready() -> None:
    """Once the time is over, in the kubelet's words."""
    api, kubectl, _ = an_api()
    kubectl = Kubectl(kubectl.host, clock=(clock := FakeClock()))
    register(api, "w1", ready=True)
    register(api, "w2", ready=False)
    api.nodes["w3"] = {"metadata": {"name": "w3"}}

    with pytest.raises(OperationError) as caught:
        kubectl.wait_ready(["w1", "w2", "w3", "w4"], seconds=60)

    assert caught.value.what == "3 of 4 nodes did not become Ready within 60 s"
    assert caught.value.why.splitlines() == [
        "w2: no network",
        "w3: its kubelet has not reported yet",
        "w4: it has not registered",
    ]
    assert clock.time == pytest.approx(60)


def test_waiting_ends_as_soon_as_all_are_ready() -> None:
    """No pause before the first question."""
    api, kubectl, _ = an_api()
    register(api, "w1", ready=True)
    clock = FakeClock()

    Kubectl(kubectl.host, clock=clock).wait_ready(["w1"], seconds=60)

    assert clock.time == 0


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ({"status": "True"}, ""),
        ({"status": "False", "message": "no network", "reason": "KubeletNotReady"}, "no network"),
        ({"status": "Unknown", "reason": "NodeStatusUnknown"}, "NodeStatusUnknown"),
    ],
)
def test_why_a_node_is_not_ready(condition: dict[str, str], why: str) -> None:
    """The message before the reason."""
    assert why_not_ready({"status": {"conditions": [{"type": "Ready", **condition}]}}) == why
