"""Nodes come and go, on fakes: add, del, repair, and what must never happen on the way.

The numbers are those of the Go kubeon's defects; each of them has to be impossible here.
"""

from collections import Counter
from typing import Any

import pytest

from kubeon.engine.interrupt import Interrupt
from kubeon.errors import (
    CommandError,
    HostErrors,
    Interrupted,
    KubeonError,
    OperationError,
    PreflightError,
    StateError,
    UsageError,
)
from kubeon.hosts.marks import JOINED, MARKER
from kubeon.lb import haproxy
from kubeon.operations import add
from kubeon.waiting import SYSTEM_CLOCK
from tests.conftest import MakeWorld
from tests.fakes.etcd import FakeMember
from tests.fakes.machine import Machine
from tests.fakes.world import World

HAPROXY = {"load_balancer": {"mode": "haproxy"}}


def worker(number: int, **fields: Any) -> dict[str, Any]:
    """10.0.1.NUMBER."""
    return {"address": f"10.0.1.{number}", "role": "worker", **fields}


def control_plane(number: int, **fields: Any) -> dict[str, Any]:
    """10.0.0.NUMBER."""
    return {"address": f"10.0.0.{number}", "role": "control-plane", **fields}


def voters(here: World) -> list[str]:
    """Names of etcd's members; in which order several joined is left to chance."""
    return sorted(member.name for member in here.api.etcd.members)


def listed(here: World, name: str) -> list[str]:
    """The control planes that a worker's haproxy has."""
    text = here[name].files[haproxy.HOSTS][0]
    return [line.removesuffix(":6443") for line in text.splitlines() if not line.startswith("#")]


def forget_what_was_told(here: World) -> None:
    """Count from here on."""
    for machine in here.machines.values():
        machine.told.clear()
        machine.changed.clear()
    here.api.writes.clear()
    here.api.etcd.log.clear()


@pytest.mark.parametrize("mode", ["haproxy", "direct"])
def test_a_worker_is_added_and_nobody_else_is_touched(mode: str, world: MakeWorld) -> None:
    """Defect 7: members keep their way to the API, since nothing on them is written."""
    here = world(control_planes=3, workers=2, load_balancer={"mode": mode})
    here.create()
    before = {name: here[name].snapshot() for name in ("cp1", "cp2", "cp3", "w1", "w2")}
    forget_what_was_told(here)
    here.connected.clear()

    result = here.add(worker(3))

    assert [(node.name, node.ready) for node in result.nodes] == [("w3", True)]
    assert {name: here[name].snapshot() for name in before} == before
    assert sorted(here.connected) == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.3"]
    assert [str(node.address) for node in here.state.read_spec().nodes][-1] == "10.0.1.3"
    again = here.add(worker(3))
    assert not again.changed


def test_adding_one_worker_asks_members_the_same_few_things_whatever_their_number(world: MakeWorld) -> None:
    """Principle 3: one node costs one node. 4 members, and 40."""
    asked: list[Counter[str]] = []
    for workers in (3, 39):
        here = world(control_planes=1, workers=workers, name=f"c{workers}", **HAPROXY)
        here.create()
        forget_what_was_told(here)
        here.add(worker(200))
        asked.append(Counter(token for m in here.machines.values() if m.address != "10.0.1.200" for token in m.told))
    assert asked[0] == asked[1]
    assert asked[0].total() < 60


def test_from_one_control_plane_to_three_to_one(world: MakeWorld) -> None:
    """The endpoint was a name from the start; etcd, haproxy's lists, kubeconfigs and the record follow each time."""
    here = world(control_planes=1, workers=2, **HAPROXY)
    here.create()
    assert listed(here, "w1") == ["10.0.0.1"]
    pods = here["w1"].files[haproxy.POD]

    here.add(control_plane(2), control_plane(3))
    assert voters(here) == ["cp1", "cp2", "cp3"]
    assert listed(here, "w1") == listed(here, "w2") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

    here.delete("@cp1")  # the first one
    assert voters(here) == ["cp2", "cp3"]
    assert listed(here, "w1") == ["10.0.0.2", "10.0.0.3"]
    assert "https://10.0.0.2:6443" in here.kubeconfig.read_text()
    assert "cp1" not in here.api.nodes
    assert here["cp1"].files == {}

    here.delete("@cp3")
    assert listed(here, "w2") == ["10.0.0.2"]
    assert voters(here) == ["cp2"]
    assert here["w1"].files[haproxy.POD] == pods  # a change of the list does not restart the pod
    assert [node.name for node in here.state.read_spec().nodes] == ["w1", "w2", "cp2"]
    result = here.create(here.state.read_spec())
    assert (here.changes(), result.changed) == ([], False)


def test_the_list_shrinks_before_etcd_does(world: MakeWorld) -> None:
    """Nobody is sent to a control plane that is about to go, and it ends what it has begun."""
    here = world(control_planes=3, workers=1, **HAPROXY)
    here.create()
    forget_what_was_told(here)
    seen: list[str] = []

    def note(token: str) -> None:
        if token == "stop_api_server":
            seen.append(f"{listed(here, 'w1')} {len(here.api.etcd.members)}")

    here["cp3"].hook = note
    here.delete("@cp3")
    assert seen == ["['10.0.0.1', '10.0.0.2'] 3"]


def test_the_leader_hands_over_before_it_goes(world: MakeWorld) -> None:
    """No election that would hold up every write."""
    here = world(control_planes=3, workers=1)
    here.create()
    here.api.etcd.log.clear()
    here.delete("@cp1")
    assert here.api.etcd.log in (["lead cp2", "remove cp1"], ["lead cp3", "remove cp1"])


def test_exactly_the_member_that_is_meant_leaves(world: MakeWorld) -> None:
    """Defect 2: n1 is a part of n10 and n100, in names and in addresses."""
    nodes = [control_plane(number, name=f"n{number}") for number in (100, 10, 1)]
    here = world(control_planes=0, workers=0, nodes=[*nodes, worker(1, name="n1000")])
    for node in nodes:
        here.machines[node["address"]].name = node["name"]
    here.machines["10.0.1.1"].name = "n1000"
    here.create()
    here.delete("@n1")
    assert voters(here) == ["n10", "n100"]
    assert sorted(here.api.nodes) == ["n10", "n100", "n1000"]


def test_what_would_cost_the_quorum_is_refused_with_the_numbers(world: MakeWorld) -> None:
    """Defect 3. In a healthy cluster one after the other may go; in a degraded one the living may not."""
    here = world(control_planes=3, workers=1)
    here.create()
    here.power_off("cp3")
    forget_what_was_told(here)

    with pytest.raises(PreflightError, match="2 voters of which 1 answers, and 2 are needed") as caught:
        here.delete("@cp2")

    assert caught.value.exit_code == 4
    assert here.api.etcd.log == []
    assert all(not machine.changed for machine in here.machines.values())
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "cp2", "cp3", "w1"]


def test_the_whole_control_plane_is_never_removed(world: MakeWorld) -> None:
    """That is what destroy is for."""
    here = world(control_planes=1, workers=1)
    here.create()
    with pytest.raises(UsageError, match="every control plane") as caught:
        here.delete("@cp*")
    assert "kubeon destroy demo" in caught.value.hint


def test_a_dead_control_plane_goes_and_its_replacement_comes(world: MakeWorld) -> None:
    """Defects 20 and 21: nobody waits for it; another control plane is asked, were it the first. Same name after."""
    here = world(control_planes=3, workers=1, **HAPROXY)
    here.create()
    here.state.known_hosts.write_text("10.0.0.1 ssh-ed25519 AAAA\n10.0.0.10 ssh-ed25519 AAAA\n")
    here.power_off("cp1")

    with pytest.raises(PreflightError, match="cannot be reached") as caught:
        here.delete("@cp1")
    assert "--dead" in caught.value.hint

    here.delete("@cp1", dead=True)
    assert voters(here) == ["cp2", "cp3"]
    assert "cp1" not in here.api.nodes
    assert here.state.known_hosts.read_text() == "10.0.0.10 ssh-ed25519 AAAA\n"

    del here.machines["10.0.0.1"]  # a new machine with its name and address
    here.dead.clear()
    here.add(control_plane(1, name="cp1"))
    assert voters(here) == ["cp1", "cp2", "cp3"]
    assert listed(here, "w1") == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]


def test_a_living_host_is_not_dead(world: MakeWorld) -> None:
    """It would go on with its pods beside their replacements."""
    here = world(control_planes=1, workers=2)
    here.create()
    with pytest.raises(PreflightError, match="w2 answers, so it is not dead"):
        here.delete("@w2", dead=True)
    assert "w2" in here.api.nodes


def test_a_drain_that_is_blocked_is_an_error_and_the_node_stays(world: MakeWorld) -> None:
    """Defect 8: what kubectl says is never dropped. Without a drain it goes all the same."""
    here = world(control_planes=1, workers=2)
    here.create()
    here.api.blocked.add("w2")
    here.api.workloads["w2"] = [{"metadata": {"namespace": "shop", "name": "db-0"}, "status": {"phase": "Running"}}]

    with pytest.raises(
        OperationError, match=r"1 pod did not leave within 300 s: shop/db-0: .*disruption budget"
    ) as caught:
        here.delete("@w2")
    assert "--drain-timeout" in caught.value.hint
    assert "kubectl uncordon w2" in caught.value.hint
    assert "w2" in here.api.nodes
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w1", "w2"]
    assert "these pods have no controller and will not be recreated: shop/db-0" in here.plans[-1].warnings[-1].what

    here.delete("@w2", drain_timeout=0)
    assert "w2" not in here.api.nodes


def test_one_of_two_that_leave_fails_and_the_other_has_left(world: MakeWorld) -> None:
    """Defect 25: the record says what is, and the same command takes up the rest."""
    here = world(control_planes=1, workers=3)
    here.create()
    here["w2"].fails["clean"] = "device is busy"
    with pytest.raises(CommandError, match="device is busy"):
        here.delete("@w2", "@w3")
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w1", "w2"]
    here.delete("@w2")
    assert sorted(here.api.nodes) == ["cp1", "w1"]


def test_one_of_two_that_are_added_fails_and_the_other_is_a_member(world: MakeWorld) -> None:
    """Defect 25 again: and create without more words brings in the rest."""
    here = world(control_planes=1, workers=1)
    here.create()
    here.machines["10.0.1.3"] = here.machines["10.0.1.1"].__class__("w3", "10.0.1.3", here.api)
    here.machines["10.0.1.3"].fails["import"] = "no space left on device"
    with pytest.raises(CommandError, match="w3: import images failed"):
        here.add(worker(2), worker(3))
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w1", "w2"]
    assert here.create(here.home.known("demo")).changed
    assert sorted(here.api.nodes) == ["cp1", "w1", "w2", "w3"]


def test_a_second_ctrl_c_while_nodes_leave(world: MakeWorld) -> None:
    """Connections are closed at once; who has left by then is not in the record, and the same command goes on."""
    here, interrupt = world(control_planes=1, workers=3), Interrupt()
    here.create()

    def twice(token: str) -> None:
        if token == "clean":
            while "delete-node" not in here.ended_by("w2"):
                SYSTEM_CLOCK.sleep(0.05)
            here["w3"].closed.clear()
            interrupt.request()
            interrupt.request()
            assert here["w3"].closed.wait(30)

    here["w3"].hook = twice
    with pytest.raises(Interrupted):
        here.delete("@w2", "@w3", interrupt=interrupt)

    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w1", "w3"]
    assert here.state.journal.entries()[-1].status == "interrupted"
    here["w3"].hook = lambda token: None
    here.delete("@w3")
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w1"]


@pytest.mark.parametrize("mode", ["direct", "haproxy"])
@pytest.mark.parametrize("token", ["kubeadm", "clear_join", "stop_api_server", "clean", "restore", "forget", "inside"])
def test_a_removal_that_is_cut_anywhere_is_completed_by_the_same_command(
    token: str, mode: str, world: MakeWorld
) -> None:
    """The connection to the node that leaves, or to the one that is asked, is lost."""
    here = world(control_planes=3, workers=1, load_balancer={"mode": mode})
    here.create()
    for name in ("cp1", "cp3"):
        here[name].cuts.add(token)
    for _ in range(4):
        try:
            here.delete("@cp3")
        except KubeonError:
            continue
        break
    assert voters(here) == ["cp1", "cp2"]
    assert sorted(here.api.nodes) == ["cp1", "cp2", "w1"]
    assert here["cp3"].files == {}


@pytest.mark.parametrize("again", ["add", "create"])
@pytest.mark.parametrize("left", ["member", "learner", "unmarked", "no node", "cut"])
def test_what_a_dead_join_left_is_healed(left: str, again: str, world: MakeWorld) -> None:
    """A member without a node, a learner, a join that ended one step too early, a Node object that is gone."""
    here = world(control_planes=1, workers=1, **HAPROXY)
    here.create()
    if left == "cut":
        here.machines["10.0.0.2"] = here.machines["10.0.0.1"].__class__("cp2", "10.0.0.2", here.api)
        here.machines["10.0.0.2"].cuts.add("kubeadm")
        with pytest.raises(KubeonError):
            here.add(control_plane(2, name="cp2"))
    elif left == "member":
        here.api.etcd.members.append(FakeMember(77, "", "10.0.0.2"))
        here.api.etcd.members.append(FakeMember(78, "other", "10.0.0.20"))
    else:
        here.add(control_plane(2, name="cp2"))
        if left == "learner":
            here.api.etcd.members[1].learner = True
        elif left == "unmarked":
            del here["cp2"].files[JOINED]
        else:
            del here.api.nodes["cp2"]
    here.api.etcd.log.clear()

    if again == "add" or left == "member":
        here.add(control_plane(2, name="cp2"))
    else:
        here.create(here.home.known("demo"))

    ours = [member for member in here.api.etcd.members if member.address == "10.0.0.2"]
    assert [(member.name, member.learner) for member in ours] == [("cp2", False)]
    assert "cp2" in here.api.nodes
    assert [line for line in here.api.etcd.log if line.startswith("remove")] == {
        "member": ["remove 10.0.0.2"],
        "learner": ["remove cp2"],
    }.get(left, [])
    assert not here.add(control_plane(2, name="cp2")).changed


def test_a_node_object_of_an_earlier_life_goes_before_its_name_joins_again(world: MakeWorld) -> None:
    """The machine was installed anew without a word to kubeon: labels of the old one are not the new one's."""
    here = world(control_planes=1, workers=2)
    here.create()
    here.api.nodes["w2"]["metadata"]["labels"]["old"] = "yes"
    here.machines["10.0.1.2"] = here.machines["10.0.1.2"].__class__("w2", "10.0.1.2", here.api)
    here.create()
    assert "old" not in here.api.nodes["w2"]["metadata"]["labels"]


def test_there_is_never_a_second_init(world: MakeWorld) -> None:
    """Defect 1: with the first control plane installed anew and the others down, nothing is begun."""
    here = world(control_planes=3, workers=1)
    here.create()
    here.machines["10.0.0.1"] = here.machines["10.0.0.1"].__class__("cp1", "10.0.0.1", here.api)
    for name in ("cp2", "cp3"):
        here[name].units["kubelet.service"] = "inactive"
    with pytest.raises(KubeonError, match="this cluster's data is on: cp2, cp3"):
        here.create()
    assert "init-control-plane" not in [phase for host, phase in here.changes()]


def test_a_control_plane_that_was_installed_anew_joins_the_others(world: MakeWorld) -> None:
    """Its old member goes first, by its ID."""
    here = world(control_planes=3, workers=1)
    here.create()
    here.api.etcd.stop("10.0.0.1")
    here.machines["10.0.0.1"] = here.machines["10.0.0.1"].__class__("cp1", "10.0.0.1", here.api)
    here.create()
    assert voters(here) == ["cp1", "cp2", "cp3"]
    assert all(member.runs for member in here.api.etcd.members)


def test_a_degraded_etcd_takes_no_new_member(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would need more answers than there are: told before anything is touched, and kept to by the join."""
    here = world(control_planes=3, workers=0)
    here.create()
    here.power_off("cp3")
    with pytest.raises(PreflightError, match="4 voters and needs 3, but cp3 does not answer"):
        here.add(control_plane(4))
    assert MARKER not in here["cp4"].files
    monkeypatch.setattr(add, "room_in_etcd", lambda *_: [])  # as when one dies just after that
    with pytest.raises(
        OperationError, match=r"(?s)cannot become a member of etcd.*4 voters and needs 3, but cp3 does not answer"
    ):
        here.add(control_plane(4))
    assert len(here.api.etcd.members) == 3


def test_what_a_dead_join_left_of_one_new_node_stops_no_other(world: MakeWorld) -> None:
    """A voter that was added and never started, on a host that has its kubelet's configuration: it is cleared first."""
    here = world(control_planes=1, workers=0)
    here.create()
    here.add(control_plane(2))
    here.machines["10.0.0.3"] = Machine("cp3", "10.0.0.3", here.api)
    here["cp3"].cuts.add("kubeadm")
    with pytest.raises(KubeonError):
        here.add(control_plane(3))
    assert "/var/lib/kubelet/config.yaml" in here["cp3"].files
    here.api.etcd.members[2] = FakeMember(77, "", "10.0.0.3")

    here.add(control_plane(3), control_plane(4))

    assert voters(here) == ["cp1", "cp2", "cp3", "cp4"]


def test_names_and_machines_of_members_that_are_not_visited_are_known(world: MakeWorld) -> None:
    """From the Node objects."""
    here = world(control_planes=1, workers=1)
    here.create()
    here.machines["10.0.1.7"] = here["w1"].__class__("w1", "10.0.1.7", here.api)  # its own hostname
    with pytest.raises(PreflightError, match=r"the cluster has a node w1 already, at 10\.0\.1\.1"):
        here.add(worker(7))
    here.api.register("stray", "v1.34.1", ready=True, address="10.0.1.8", machine_id="other")
    with pytest.raises(PreflightError, match=r"the cluster has a node at 10\.0\.1\.8 already, which it calls stray"):
        here.add(worker(8))
    here.api.register("clone", "v1.34.1", ready=True, address="10.0.1.99", machine_id="id-10.0.1.9")
    with pytest.raises(PreflightError, match=r"it has the machine-id of node clone"):
        here.add(worker(9))
    assert "10.0.1.7" not in here.state.read_spec().model_dump_json()


def test_add_needs_a_cluster_that_answers(world: MakeWorld) -> None:
    """And says which control planes did not, and why."""
    here = world(control_planes=1, workers=1)
    with pytest.raises(StateError, match="there is no cluster demo"):
        here.add(worker(7))
    here.create()
    here.power_off("cp1")
    with pytest.raises(OperationError, match=r"(?s)no control plane of demo answers.*no route to host"):
        here.add(worker(7))


def cut_off_at_the_very_end(here: World) -> None:
    """Two control planes have joined, and `add` was killed before it wrote that down."""
    here.create()
    record = here.state.read_spec()
    here.add(control_plane(2), control_plane(3))
    proposed = here.state.read_spec()
    here.state.write_spec(record)
    here.state.write_proposed(proposed)


def test_while_the_first_api_server_restarts_others_are_asked(world: MakeWorld) -> None:
    """Also those that an `add` has brought in that was killed: nobody waits for the one on record."""
    here = world(control_planes=1, workers=2)
    cut_off_at_the_very_end(here)
    here["cp1"].refuses = 10**6

    here.delete("@w1")
    assert "w1" not in here.api.nodes
    here.add(control_plane(2), control_plane(3))

    assert [str(node.address) for node in here.state.read_spec().control_planes] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert here.state.read_proposed() is None


def test_the_error_names_all_that_were_asked(world: MakeWorld) -> None:
    """And what each said."""
    here = world(control_planes=3, workers=1)
    here.create()
    for name in ("cp1", "cp2", "cp3"):
        here[name].refuses = 10**6

    with pytest.raises(OperationError, match="no control plane of demo answers") as caught:
        here.delete("@w1")

    assert [line.partition(":")[0] for line in caught.value.why.splitlines()] == ["cp1", "cp2", "cp3"]


def test_workers_that_cannot_be_told_are_named(world: MakeWorld) -> None:
    """One that is down keeps its list, and the next create brings it up to date."""
    here = world(control_planes=1, workers=2, **HAPROXY)
    here.create()
    here.power_off("w2")
    here.add(control_plane(2))
    assert [(one.host, one.check) for one in here.plans[-1].warnings if one.check == "Unreachable"] == [
        ("w2", "Unreachable")
    ]
    assert listed(here, "w1") == ["10.0.0.1", "10.0.0.2"]
    assert listed(here, "w2") == ["10.0.0.1"]
    here.power_on("w2")
    here.create(here.state.read_spec())
    assert listed(here, "w2") == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(("version", "restarted"), [("v1.20.2", ["kube-apiserver"]), ("v1.21.14", [])])
def test_the_first_api_server_is_restarted_where_its_watches_fall_silent(
    version: str, restarted: list[str], world: MakeWorld
) -> None:
    """kubernetes/kubernetes#97294; once, when etcd grows from one to two."""
    here = world(version=version, control_planes=1, workers=1)
    here.create()
    here.add(control_plane(2))
    assert here["cp1"].restarted == restarted
    here.add(control_plane(3))
    assert here["cp1"].restarted == restarted
    assert here["cp2"].restarted == here["cp3"].restarted == []


def test_kubeadms_list_of_old_releases_follows(world: MakeWorld) -> None:
    """ClusterStatus in kubeadm-config, which 1.20 and 1.21 still read."""
    here = world(version="v1.20.2", control_planes=3, workers=0)
    here.create()
    here.api.cluster_status = {"apiEndpoints": {name: {"bindPort": 6443} for name in ("cp1", "cp2", "cp3")}}
    here.delete("@cp2")
    assert list(here.api.cluster_status["apiEndpoints"]) == ["cp1", "cp3"]


def test_an_external_balancer_is_asked_before_anybody_joins(world: MakeWorld) -> None:
    """Its words are the reason, and no node has joined by it."""
    here = world(control_planes=1, workers=1, load_balancer={"mode": "external", "address": "10.9.9.9:8443"})
    here.api.balancer_fails = "dial tcp 10.9.9.9:8443: connect: connection refused"
    with pytest.raises((HostErrors, OperationError), match="connection refused"):
        here.create()
    assert sorted(here.api.nodes) == ["cp1"]
    here.api.balancer_fails = ""
    here.create()
    assert sorted(here.api.nodes) == ["cp1", "w1"]


def test_what_was_begun_before_stays_known(world: MakeWorld) -> None:
    """A dead add is neither forgotten nor taken for done by the next add or del of other nodes."""
    here = world(control_planes=1, workers=2, **HAPROXY)
    here.create()
    here.machines["10.0.0.2"] = Machine("cp2", "10.0.0.2", here.api)
    here["cp2"].fails["kubeadm"] = "power failure"
    with pytest.raises(CommandError):
        here.add(control_plane(2, name="cp2"))

    here.add(worker(3))
    here.delete("@w1")

    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "w2", "w3"]
    assert [node.name for node in here.home.known("demo").nodes] == ["cp1", "w2", "w3", "cp2"]
    assert listed(here, "w2") == ["10.0.0.1"]
    here.delete("@cp2")
    assert here.state.read_proposed() is None
    assert here["cp2"].files == {}


def test_a_cluster_that_is_not_finished_loses_no_node(world: MakeWorld) -> None:
    """First it has to be one."""
    here = world(control_planes=1, workers=2)
    here["w1"].fails["import"] = "no space left on device"
    with pytest.raises(CommandError):
        here.create()
    with pytest.raises(StateError, match="not finished"):
        here.delete("@w2")
    with pytest.raises(StateError, match="not finished"):
        here.add(worker(3))


@pytest.mark.parametrize("mode", ["haproxy", "direct"])
def test_a_worker_that_is_broken_can_leave(mode: str, world: MakeWorld) -> None:
    """Its machine answers, and nothing else of it: nobody waits for its way to the API."""
    here = world(control_planes=2, workers=2, load_balancer={"mode": mode})
    here.create()
    here["w1"].units["kubelet.service"] = "inactive"
    here["w2"].units["kubelet.service"] = "inactive"

    here.delete("@w1")
    assert "update-load-balancer" not in here.ended_by("w1")
    here.delete("@w2", "@cp2")

    assert sorted(here.api.nodes) == ["cp1"]


def test_a_control_plane_that_is_not_drained_stays_and_comes_back_to_the_lists(world: MakeWorld) -> None:
    """Its member and its record are untouched; create puts right what was begun."""
    here = world(control_planes=3, workers=1, **HAPROXY)
    here.create()
    here.api.blocked.add("cp3")
    with pytest.raises(OperationError, match="did not leave within 300 s"):
        here.delete("@cp3")
    assert voters(here) == ["cp1", "cp2", "cp3"]
    assert [node.name for node in here.state.read_spec().nodes] == ["cp1", "cp2", "cp3", "w1"]

    here.create(here.home.known("demo"))

    assert listed(here, "w1") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_a_static_pod_that_somebody_moved_away_is_no_reason_to_join_again(world: MakeWorld) -> None:
    """Principle 1: a working member is not undone, and a taint that was taken off stays off."""
    here = world(control_planes=3, workers=0)
    here.create()
    for name in ("cp1", "cp2", "cp3"):
        here[name].files.pop("/etc/kubernetes/manifests/kube-scheduler.yaml")
    here["cp1"].units["kubelet.service"] = "inactive"  # another one is asked
    here.api.etcd.log.clear()
    here.api.writes.clear()

    here.create()

    assert here.api.etcd.log == []
    assert not any("taint" in words or "label" in words for words in here.api.writes)
    assert here.changes() == [("cp1", "join-control-planes")]  # kubelet started


def test_the_api_server_is_not_restarted_while_others_join(world: MakeWorld) -> None:
    """Without workers there is no list to wait for, and all the same the joins come first."""
    here = world(version="v1.20.2", control_planes=3, workers=0)
    here.create()
    ended = [f"{host} {phase}" for host, phase, _ in here.watcher.ended()]
    restart = ended.index("cp1 restart-api-server")
    assert {ended.index(f"{name} join-control-planes") < restart for name in ("cp2", "cp3")} == {True}
    assert here["cp1"].restarted == ["kube-apiserver"]


@pytest.mark.parametrize("role", ["worker", "control-plane"])
def test_a_name_that_is_taken_cannot_be_ignored(role: str, world: MakeWorld) -> None:
    """Two machines under one name would be one to everything that follows."""
    here = world(control_planes=1, workers=1)
    here.create()
    here.machines["10.0.0.77"] = Machine("w1", "10.0.0.77", here.api)  # its own hostname
    before = here.snapshot()

    with pytest.raises(PreflightError, match=r"the cluster has a node w1 already, at 10\.0\.1\.1"):
        here.add({"address": "10.0.0.77", "role": role}, ignore_preflight_errors=frozenset({"all", "Hostname"}))

    assert here.snapshot() == before


def test_the_node_object_of_another_machine_is_never_taken_away(world: MakeWorld) -> None:
    """Also where preflight cannot know: a member that the description does not have."""
    here = world(control_planes=1, workers=1)
    here["w1"].fails["kubeadm"] = "not yet"
    with pytest.raises(HostErrors):
        here.create()
    here.api.register("w1", "v1.34.1", ready=True, address="10.9.9.9", machine_id="another")

    with pytest.raises(HostErrors) as caught:
        here.create()

    refusal = caught.value.errors["w1"]
    assert "node w1 is the machine at 10.9.9.9, and not this one" in str(refusal)
    assert "kubeon del demo @w1" in refusal.hint
    assert here.api.nodes["w1"]["status"]["addresses"][0]["address"] == "10.9.9.9"
