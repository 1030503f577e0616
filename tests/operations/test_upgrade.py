"""`upgrade` on fakes: the order, what stops it, what is left alone, and that the same command goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from kubeon.bundle.install import WAITING
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import (
    CommandError,
    HostError,
    Interrupted,
    KubeonError,
    OperationError,
    PreflightError,
    StateError,
    UsageError,
)
from kubeon.hosts.marks import ADOPTED
from kubeon.kube.cordon import MARK
from kubeon.operations import upgrade_checks
from kubeon.spec.model import Components
from kubeon.spec.skew import removed_etcd_flags
from tests.conftest import MakeWorld
from tests.fakes.api import READY
from tests.fakes.machine import CGROUP_V1
from tests.fakes.world import World

OLD, NEW = "v1.34.1", "v1.34.3"
OWNER = [{"kind": "ReplicaSet"}]


def pod(name: str, *, owned: bool = True, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A user's pod."""
    more = ({"ownerReferences": OWNER} if owned else {}) | ({"labels": labels} if labels else {})
    return {"metadata": {"namespace": "shop", "name": name, **more}}


def budget(name: str, *, healthy: int, expected: int) -> dict[str, Any]:
    """A PodDisruptionBudget that allows nothing now."""
    status = {"disruptionsAllowed": 0, "expectedPods": expected, "desiredHealthy": healthy}
    about = {"namespace": "shop", "name": name}
    return {"apiVersion": "policy/v1", "metadata": about, "spec": {"selector": {}}, "status": status}


def roomy(name: str, selector: dict[str, Any]) -> dict[str, Any]:
    """A PodDisruptionBudget that allows one now."""
    status = {"disruptionsAllowed": 1, "expectedPods": 2, "desiredHealthy": 1}
    return budget(name, healthy=1, expected=2) | {"spec": {"selector": selector}, "status": status}


def kubelets(here: World) -> dict[str, str]:
    """What the nodes report."""
    return {name: node["status"]["nodeInfo"]["kubeletVersion"] for name, node in here.api.nodes.items()}


def cordoned(here: World) -> set[str]:
    """Nodes that take no pods."""
    return {name for name, node in here.api.nodes.items() if node["spec"].get("unschedulable")}


def running(world: MakeWorld, control_planes: int = 3, workers: int = 2, **fields: Any) -> World:
    """A cluster."""
    here = world(control_planes=control_planes, workers=workers, **fields)
    here.create()
    return here


def test_api_servers_first_then_kubelets_then_it_is_all_as_described(world: MakeWorld) -> None:
    """The fake objects to any kubelet that is newer than any API server."""
    here = running(world)

    result = here.upgrade(NEW)

    assert result.changed
    assert result.snapshot is not None
    assert result.snapshot.exists()
    assert kubelets(here) == dict.fromkeys(("cp1", "cp2", "cp3", "w1", "w2"), NEW)
    assert here.api.upgraded[0] == ("apply", "cp1")
    assert sorted(here.api.upgraded[1:3]) == [("node", "cp2"), ("node", "cp3")]
    assert sorted(here.api.upgraded[3:]) == [("node", "w1"), ("node", "w2")]
    assert here.state.read_spec().version == NEW
    assert here.state.read_proposed() is None
    assert cordoned(here) == set()
    assert not [path for machine in here.machines.values() for path in machine.programs if path.startswith(WAITING)]
    before = here.snapshot()
    assert not here.upgrade(NEW).changed
    assert not here.create(here.state.read_spec()).changed
    assert here.snapshot() == before


@pytest.mark.parametrize(
    ("balancer", "ended"),
    [
        ({"mode": "haproxy"}, ["cp1", "cp2", "cp3"]),
        ({"mode": "direct"}, ["cp2", "cp3"]),
        ({"mode": "external", "address": "10.0.0.1:6443"}, ["cp2", "cp3"]),
        ({"mode": "external", "address": "10.0.0.1:8443"}, ["cp1", "cp2", "cp3"]),
        ({"mode": "external", "address": "10.0.9.9:6443"}, ["cp1", "cp2", "cp3"]),
    ],
    ids=["haproxy", "direct", "adopted", "a balancer beside it", "external"],
)
def test_an_api_server_ends_before_kubeadm_begins_unless_workers_have_no_other(
    balancer: dict[str, str], ended: list[str], world: MakeWorld
) -> None:
    """Seen in mode direct: kubeadm begins with a Job, which a worker was given that could not hear of it."""
    here = world(control_planes=3, workers=1, load_balancer=balancer)
    here.api.balancers |= {balancer.get("address", "")}
    here.create()

    here.upgrade(NEW)

    assert sorted(here.api.ended) == ended


def test_a_release_that_can_remember_lifetimes_is_told_them(world: MakeWorld) -> None:
    """kubeadm has fields for them since v1beta4: without, what it issues itself one day would live a year."""
    here = running(world, control_planes=1, workers=0, version="v1.30.5", certificates={"validity": "50y"})
    here.api.cluster_configuration = {"controllerManager": {"extraArgs": {}}}

    here.upgrade("v1.31.4")

    remembered = here.api.cluster_configuration
    assert remembered["certificateValidityPeriod"] == "438000h0m0s"
    assert remembered["caCertificateValidityPeriod"] == "525600h0m0s"
    assert not here.upgrade("v1.31.4").changed


def test_a_dry_run_changes_nothing(world: MakeWorld) -> None:
    """And says for each node what would be done."""
    here = running(world, control_planes=1, workers=1)
    before = here.snapshot()

    here.upgrade(NEW, yes=False, dry_run=True)

    assert here.snapshot() == before
    assert here.state.read_proposed() is None
    plan = here.plans[-1]
    assert plan.hosts["cp1"][1] == "take a snapshot of etcd, and bring it to this machine"
    assert plan.hosts["cp1"][2] == f"kubeadm upgrade apply: static pods {NEW}"
    assert plan.hosts["w1"][-1].startswith(f"drain within 300 s, kubelet {OLD} -> {NEW}, containerd ")


def test_everything_is_brought_before_anything_is_touched(world: MakeWorld) -> None:
    """A worker whose disk is full stops all of it."""
    here = running(world)
    here["w2"].fails["place"] = "No space left on device"

    with pytest.raises(CommandError, match=r"send kubeadm failed.*No space left"):
        here.upgrade(NEW)

    assert set(kubelets(here).values()) == {OLD}
    assert here.api.upgraded == []
    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}


@pytest.mark.parametrize("name", ["cp1", "cp2", "w1"])
def test_kubeadm_that_lost_its_api_server_is_run_again(name: str, world: MakeWorld) -> None:
    """An API server stops answers for some seconds after kubeadm has seen its new pod."""
    here = running(world)
    here[name].fails["kubeadm_upgrade"] = f"FATAL post-upgrade error: dial tcp {name}:6443: connect: connection refused"

    here.upgrade(NEW)

    assert set(kubelets(here).values()) == {NEW}
    assert sorted(each for _, each in here.api.upgraded) == ["cp1", "cp2", "cp3", "w1", "w2"]


def test_why_kubeadm_failed_is_asked_of_the_host(world: MakeWorld) -> None:
    """The reason comes before kubeadm's own words."""
    here = running(world)
    here["cp2"].fails["kubeadm_upgrade"] = "error: the hash of kube-apiserver did not change after 5m0s"
    here["cp2"].trouble = "@@kubeon disks\nspace / /dev/vda1 1000 990 10 99% /\n"

    with pytest.raises(CommandError) as caught:
        here.upgrade(NEW)

    reason, words = caught.value.why.splitlines()
    assert reason.startswith("99 % of the space of / (/) is used")
    assert words == "error: the hash of kube-apiserver did not change after 5m0s"


@pytest.mark.parametrize(
    ("name", "token"),
    [
        *(("cp1", "kubeadm_upgrade"), ("cp1", "start_new_kubelet"), ("cp2", "activate"), ("cp2", "stop_kubelet")),
        *(("w1", "kubeadm_upgrade"), ("w1", "start_new_kubelet")),
    ],
)
def test_a_node_that_fails_leaves_the_rest_alone_and_takes_pods_again(token: str, name: str, world: MakeWorld) -> None:
    """And the same command goes on there."""
    here = running(world)
    here[name].fails[token] = "the disk is gone"

    with pytest.raises(CommandError, match="the disk is gone") as caught:
        here.upgrade(NEW)

    done = [each for each, version in kubelets(here).items() if version == NEW]
    assert name not in done or token == "start_new_kubelet"  # it is started once more, so that the node is not left ill
    assert ("w2" in done) <= (name == "w1")  # it may have been before w1
    assert cordoned(here) == set()
    assert here.state.read_spec().version == OLD
    assert here.state.read_proposed().version == NEW
    assert "run the same command again" in caught.value.hint or f"kubeon del demo @{name}" in caught.value.hint
    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}
    assert here.state.read_spec().version == NEW


@pytest.mark.parametrize(
    ("name", "token"),
    [
        *(("cp1", "kubeadm_upgrade"), ("cp1", "upgraded"), ("cp1", "stop_kubelet"), ("cp2", "activate")),
        *(("w1", "activate"), ("w1", "stop_kubelet"), ("w1", "start_new_kubelet")),
    ],
)
def test_a_connection_that_is_lost_anywhere(token: str, name: str, world: MakeWorld) -> None:
    """The same command completes."""
    here = running(world)
    here[name].cuts.add(token)

    with pytest.raises(HostError, match="the connection was lost"):
        here.upgrade(NEW)

    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}
    assert cordoned(here) == set()


def test_pause_after_a_node(world: MakeWorld) -> None:
    """It is the first of its kind, and nobody follows before the next command."""
    here = running(world, workers=3)

    result = here.upgrade(NEW, pause_after="w2")

    assert result.paused_after == "w2"
    assert result.left == ("w1", "w3")
    assert {name for name, version in kubelets(here).items() if version == NEW} == {"cp1", "cp2", "cp3", "w2"}
    assert here.state.read_spec().version == OLD
    with pytest.raises(StateError, match=f"the upgrade of cluster demo to {NEW} is not finished"):
        here.create()
    with pytest.raises(StateError, match="is not finished"):
        here.add({"address": "10.0.1.9", "role": "worker"})
    assert not here.upgrade(NEW).left
    assert here.state.read_spec().version == NEW


def test_a_pause_that_is_asked_for_again(world: MakeWorld) -> None:
    """It is one still: nobody else is begun."""
    here = running(world, workers=3)
    here.upgrade(NEW, pause_after="w2")
    before = kubelets(here)

    assert here.upgrade(NEW, pause_after="w2").left == ("w1", "w3")

    assert kubelets(here) == before


def test_a_node_that_is_not_well_afterwards_holds_up_all_others(world: MakeWorld) -> None:
    """Also those of the next run, which says again what is wrong, and where etcd's data of before is."""
    here = running(world, workers=3)
    machine = here["w1"]
    network = {path: what for path, what in machine.files.items() if path.startswith("/etc/cni/net.d/")}

    def lose_it(token: str) -> None:
        for path in network if token == "start_new_kubelet" else ():
            machine.files.pop(path, None)

    machine.hook = lose_it
    for pause in ("w1", ""):
        with pytest.raises(OperationError, match="the upgraded node was not well within") as caught:
            here.upgrade(NEW, pause_after=pause)

        assert "kubeon del demo @w1" in caught.value.hint
        assert "etcd as it was before: " in caught.value.hint
        assert {name for name, version in kubelets(here).items() if version == OLD} == {"w2", "w3"}
        assert cordoned(here) == set()
    assert "no other node is begun until it is well" in here.plans[-1].warnings[0].what
    machine.hook = lambda token: None
    machine.files |= network
    here.api.nodes["w1"]["status"]["conditions"] = [READY]
    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}


def test_a_runtime_that_was_exchanged_is_restarted_by_the_next_run(world: MakeWorld) -> None:
    """Where the one before was cut off in between."""
    here = running(world)
    here["w1"].fails["unit"] = "the disk is full"

    with pytest.raises(CommandError, match="the disk is full"):
        here.upgrade("v1.35.1")

    assert here["w1"].restarted == []
    here.upgrade("v1.35.1")
    assert here["w1"].restarted == ["containerd.service"]


def test_other_parts_for_the_same_version(world: MakeWorld) -> None:
    """Are told of node by node, with a snapshot before; once they are there, there is nothing more to do."""
    here = running(world, control_planes=1)
    here.api.workloads["w1"] = [pod("alone", owned=False)]
    newer = here.state.read_spec().model_copy(update={"components": Components(containerd="2.2.9")})

    with pytest.raises(PreflightError, match="these pods have no controller"):
        here.upgrade(OLD, spec=newer)

    here.api.workloads.clear()
    result = here.upgrade(OLD, spec=newer)
    assert result.snapshot is not None
    assert {host for host, lines in here.plans[-1].hosts.items() if any("containerd 2.2.9" in x for x in lines)} == {
        "cp1",
        "w1",
        "w2",
    }
    assert here["w1"].restarted == here["w2"].restarted == ["containerd.service"]
    assert not here.upgrade(OLD, spec=newer).changed


def test_other_parts_that_are_half_way(world: MakeWorld) -> None:
    """Nothing puts the old ones back; `del` leaves the rest to go on, whose nodes are looked at again before."""
    here = running(world, control_planes=1, workers=3)
    newer = here.state.read_spec().model_copy(update={"components": Components(containerd="2.2.9")})
    here["w1"].fails["unit"] = "the disk is full"
    with pytest.raises(CommandError, match="the disk is full"):
        here.upgrade(OLD, spec=newer)

    half_way = f"the upgrade of cluster demo to {OLD} is not finished"
    with pytest.raises(StateError, match=half_way):
        here.create()
    with pytest.raises(StateError, match=half_way):
        here.add({"address": "10.0.1.9", "role": "worker"})
    here.delete("@w3")
    assert here.state.read_proposed().components == newer.components
    here.api.workloads["w2"] = [pod("alone", owned=False)]
    with pytest.raises(PreflightError, match="these pods have no controller"):
        here.upgrade(OLD)  # back to those of before
    del here.api.workloads["w2"]
    here.upgrade(OLD, spec=here.state.read_proposed())
    assert here.state.read_spec().components == newer.components
    assert here["w1"].restarted == here["w2"].restarted == ["containerd.service"]


def test_where_a_kubelet_did_not_come_up_the_next_run_goes_first(world: MakeWorld) -> None:
    """No other node is taken before that one is well."""
    here = running(world, workers=4)
    here["w3"].fails |= {"start_new_kubelet": "the disk is gone", "start_kubelet_again": "the disk is gone"}
    with pytest.raises(CommandError, match="the disk is gone"):
        here.upgrade(NEW, pause_after="w3")
    here.api.upgraded.clear()

    here.upgrade(NEW)

    assert here.api.upgraded[0] == ("node", "w3")
    assert set(kubelets(here).values()) == {NEW}


def test_a_member_without_a_node(world: MakeWorld) -> None:
    """Is told of before anything is touched."""
    here = running(world, control_planes=1)
    del here.api.nodes["w2"]

    with pytest.raises(PreflightError, match="the cluster has no Node for it"):
        here.upgrade(NEW)

    assert set(kubelets(here).values()) == {OLD}


def test_a_node_may_leave_in_the_middle_of_an_upgrade(world: MakeWorld) -> None:
    """And the upgrade is still one that goes on."""
    here = running(world, workers=3)
    here.upgrade(NEW, pause_after="w2")

    here.delete("@w3")

    assert here.state.read_proposed().version == NEW
    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}
    assert "w3" not in kubelets(here)


@pytest.mark.parametrize(("most", "at_once"), [("1", 1), ("2", 2), ("50%", 2), ("10%", 1)])
def test_max_unavailable(most: str, at_once: int, world: MakeWorld) -> None:
    """So many workers are cordoned at the same time, and control planes one by one."""
    here = running(world, workers=4)
    seen: list[set[str]] = []
    for machine in here.machines.values():
        machine.hook = lambda token: seen.append(cordoned(here)) if token == "stop_kubelet" else None

    here.upgrade(NEW, max_unavailable=most)

    assert max(len(each) for each in seen if any(name.startswith("w") for name in each)) <= at_once
    assert max(len(each) for each in seen if any(name.startswith("cp") for name in each)) == 1


@pytest.mark.parametrize("most", ["", "0", "x", "-1", "1.5", "%"])
def test_max_unavailable_that_means_nothing(most: str, world: MakeWorld) -> None:
    """Before any host is asked."""
    here = running(world, control_planes=1, workers=1)

    with pytest.raises(UsageError, match="--max-unavailable"):
        here.upgrade(NEW, max_unavailable=most)


def test_a_budget_that_can_never_be_met_is_told_before_anything_is_touched(world: MakeWorld) -> None:
    """By evictions that are not carried out."""
    here = running(world)
    here.api.workloads["w1"] = [pod("db-0"), pod("free-0")]
    here.api.budgets = [budget("db", healthy=1, expected=1)]
    here.api.held["shop/db-0"] = "Cannot evict pod as it would violate the pod's disruption budget."
    before = here.snapshot()

    with pytest.raises(PreflightError, match=r"shop/db-0 could not be evicted.*disruption budget") as caught:
        here.upgrade(NEW)

    assert "its PodDisruptionBudget can never be satisfied: db" in str(caught.value)
    assert here.snapshot() == before
    here.upgrade(NEW, drain_timeout=0)
    assert set(kubelets(here).values()) == {NEW}
    assert [each["metadata"]["name"] for each in here.api.workloads["w1"]] == ["db-0", "free-0"]


def test_a_budget_that_is_tight_just_now_is_a_warning(world: MakeWorld) -> None:
    """The drain waits for it."""
    here = running(world, control_planes=1)
    here.api.workloads["w1"] = [pod("web-0")]
    here.api.budgets = [budget("web", healthy=2, expected=3)]
    here.api.held["shop/web-0"] = "Cannot evict pod as it would violate the pod's disruption budget."

    here.upgrade(NEW)

    assert [(one.check, one.host) for one in here.plans[-1].warnings] == [("PodDisruptionBudget", "w1")]


def test_a_pod_that_two_budgets_cover(world: MakeWorld) -> None:
    """The API never evicts it, however much they allow; budgets that choose other pods do not matter."""
    here = running(world, control_planes=1)
    here.api.workloads["w1"] = [pod("web-0", labels={"app": "web", "tier": "front"}), pod("db-0", labels={"app": "db"})]
    by = {
        "wide": {"key": "app", "operator": "In", "values": ["web", "api"]},
        "front": {"key": "tier", "operator": "Exists"},
    }
    here.api.budgets = [
        *(roomy(name, {"matchExpressions": [expression]}) for name, expression in by.items()),
        budget("hopeless", healthy=1, expected=1) | {"spec": {"selector": {"matchLabels": {"app": "cache"}}}},
    ]
    several = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    here.api.held |= {"shop/web-0": several, "shop/db-0": "nobody asks"}

    with pytest.raises(PreflightError, match=r"shop/web-0 could not be evicted.*more than one") as caught:
        here.upgrade(NEW)

    assert "several budgets cover: front, wide. Leave it one" in str(caught.value)
    assert "db-0" not in str(caught.value)


def test_a_drain_that_takes_too_long(world: MakeWorld) -> None:
    """The node takes pods again."""
    here = running(world, control_planes=1)
    here.api.workloads["w1"] = [pod("web-0")]
    here.api.blocked.add("w1")

    with pytest.raises(OperationError, match="did not leave within 300 s: shop/web-0") as caught:
        here.upgrade(NEW)

    assert "--drain-timeout" in caught.value.hint
    assert "stays cordoned" not in caught.value.hint
    assert cordoned(here) == set()


def test_pods_of_nobody_are_not_deleted_without_a_word(world: MakeWorld) -> None:
    """An upgrade brings nodes back: whoever started such a pod wants it to stay."""
    here = running(world)
    here.api.workloads["w2"] = [pod("by-hand", owned=False)]

    with pytest.raises(
        PreflightError, match="these pods have no controller, and a drain deletes them for good: shop/by-hand"
    ):
        here.upgrade(NEW)

    here.upgrade(NEW, ignore_preflight_errors=frozenset({"UnmanagedPods"}))
    assert "w2" not in here.api.workloads


def test_pods_that_are_about_to_go_and_kubeons_own_are_nobodys_loss(world: MakeWorld) -> None:
    """Those with which `create` looked whether pods reach each other may still be there."""
    here = running(world, control_planes=1)
    leaving = pod("by-hand", owned=False)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    here.api.workloads["w1"] = [leaving, pod("kubeon-verify-0a0b0c0d-w1", owned=False)]

    here.upgrade(NEW)

    assert set(kubelets(here).values()) == {NEW}


def test_what_a_killed_run_left_cordoned_holds_up_nobody(world: MakeWorld) -> None:
    """Seen on the lab: the pods of the other worker had nowhere to go, and their budget held the drain."""
    here = running(world, control_planes=1)
    seen: list[set[str]] = []
    here.api.nodes["w2"]["spec"]["unschedulable"] = True
    here.api.nodes["w2"]["metadata"]["annotations"] = {MARK: "upgrade"}
    for machine in here.machines.values():
        machine.hook = lambda token: seen.append(cordoned(here)) if token == "stop_kubelet" else None

    here.upgrade(NEW)

    assert sorted(map(sorted, seen)) == [["cp1"], ["w1"], ["w2"]]
    assert cordoned(here) == set()


def test_a_node_that_somebody_else_has_cordoned_stays_so(world: MakeWorld) -> None:
    """It is upgraded all the same."""
    here = running(world)
    here.api.nodes["w1"]["spec"]["unschedulable"] = True

    here.upgrade(NEW)

    assert cordoned(here) == {"w1"}
    assert MARK not in here.api.nodes["w1"]["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("v1.34.0", "would be a downgrade: v1.34.1 runs already"),
        ("v1.33.9", "would be a downgrade"),
        ("v1.36.1", r"skips a minor release: API server v1\.34\.1 .* v1\.35 comes first"),
    ],
)
def test_version_skew(version: str, why: str, world: MakeWorld) -> None:
    """Never down, one minor release at a time."""
    here = running(world, control_planes=1)
    before = here.snapshot()

    with pytest.raises(PreflightError, match=why):
        here.upgrade(version)

    assert here.snapshot() == before


def test_the_next_minor_release(world: MakeWorld) -> None:
    """With its components."""
    here = running(world)

    here.upgrade("v1.35.1")

    assert set(kubelets(here).values()) == {"v1.35.1"}
    assert here["w1"].restarted == ["containerd.service"]


def test_a_kubeadm_of_a_killed_run_is_waited_for_and_that_is_said(world: MakeWorld) -> None:
    """On the screen and in the log: on which host, for what, since when."""
    here = running(world, control_planes=1, workers=1)
    here["cp1"].busy = "kubeadm upgrade"

    result = here.upgrade(NEW)

    what = "waits for a command of an earlier run to end: kubeadm upgrade, which began 85 s ago"
    assert here.watcher.warnings == [(what, "cp1")]
    assert result.log is not None
    assert f"cp1: WARNING: {what}" in result.log.read_text()


@pytest.mark.parametrize("control_planes", [1, 3])
def test_what_a_new_kubelet_remakes_is_waited_for(control_planes: int, world: MakeWorld) -> None:
    """One of another minor release makes static pods anew: etcd, and an API server that first refuses everybody."""
    here = running(world, control_planes=control_planes, workers=1)
    started = {name: here[name].containers["etcd"] for name in kubelets(here) if name != "w1"}

    here.upgrade("v1.35.1")

    assert all(here[name].containers["etcd"] > count for name, count in started.items())
    assert set(kubelets(here).values()) == {"v1.35.1"}
    assert cordoned(here) == set()
    assert any("not yet" in text for text, _ in here.watcher.notes)


def test_a_node_that_fails_while_its_static_pods_are_remade_takes_pods_again(world: MakeWorld) -> None:
    """The API server may be away for longer than the question whether the node is well."""
    here = running(world, control_planes=1, workers=1)

    def away(token: str) -> None:
        if token == "stop_kubelet":
            here["cp1"].fails["start_new_kubelet"] = "the disk is gone"
        if token == "start_kubelet_again":
            here["cp1"].refuses = 3

    here["cp1"].hook = away
    with pytest.raises(CommandError, match="the disk is gone"):
        here.upgrade("v1.35.1")

    assert cordoned(here) == set()


def on_cgroup_v1(here: World) -> World:
    """All of its hosts."""
    for machine in here.machines.values():
        machine.cgroup = CGROUP_V1
    return here


def test_cgroup_v1_that_the_new_kubelet_refuses_is_told_before_anything_is_touched(world: MakeWorld) -> None:
    """With the setting to make; once it is made, in the cluster, kubeadm and kubelets go by it."""
    here = on_cgroup_v1(running(world))
    before = here.snapshot()

    with pytest.raises(PreflightError, match=r"cgroup v1, which the kubelet of v1\.35\.1 refuses") as caught:
        here.upgrade("v1.35.1")

    assert "kubectl -n kube-system edit configmap kubelet-config" in str(caught.value)
    assert here.snapshot() == before
    here.api.configmaps["kubelet-config"]["kubelet"] += "failCgroupV1: false\n"
    here.upgrade("v1.35.1")
    assert set(kubelets(here).values()) == {"v1.35.1"}


@pytest.mark.parametrize("how", [{"kubelet": {"failCgroupV1": False}}, {}])
def test_cgroup_v1_that_the_user_stands_by_reaches_the_kubelets(how: dict[str, Any], world: MakeWorld) -> None:
    """By the description, or by the check that is ignored, as `create` takes it."""
    here = on_cgroup_v1(running(world, **how))
    ignore = frozenset() if how else frozenset({"systemverification"})

    here.upgrade("v1.35.1", ignore_preflight_errors=ignore)

    assert "failCgroupV1: false" in here.api.configmaps["kubelet-config"]["kubelet"]
    assert set(kubelets(here).values()) == {"v1.35.1"}


def test_a_cluster_that_began_on_cgroup_v1_needs_no_word_for_its_upgrade(world: MakeWorld) -> None:
    """`create` has told its kubelets."""
    here = on_cgroup_v1(world(control_planes=3, workers=1, version="v1.35.1"))
    here.create(ignore_preflight_errors=frozenset({"SystemVerification"}))

    here.upgrade("v1.36.2")

    assert set(kubelets(here).values()) == {"v1.36.2"}


def test_an_etcd_too_old_for_the_next_one_is_refused(world: MakeWorld) -> None:
    """By what the members say; who knows better names the check."""
    here = running(world, control_planes=1, workers=1, version="v1.33.1")
    here.api.etcd.version = "3.5.16"

    with pytest.raises(
        PreflightError, match=r"\[EtcdVersion\] etcd 3\.6\.5 needs members of 3\.5\.20 or newer: cp1 3\.5\.16"
    ):
        here.upgrade("v1.34.3")

    assert here.api.upgraded == []
    here.upgrade("v1.34.3", ignore_preflight_errors=frozenset({"EtcdVersion"}))
    assert set(kubelets(here).values()) == {"v1.34.3"}


def test_an_etcd_that_its_guide_would_have_newer_is_a_warning(world: MakeWorld) -> None:
    """kubeadm of the release before brings no newer one."""
    here = running(world, control_planes=1, workers=1, version="v1.33.1")
    here.api.etcd.version = "3.5.24"

    here.upgrade("v1.34.3")

    [warning] = here.plans[-1].warnings
    assert warning.check == "EtcdVersion"
    assert "members that were removed from older clusters" in warning.what


@pytest.mark.parametrize(
    "args", [{"experimental-max-learners": "2"}, [{"name": "experimental-max-learners", "value": "2"}]]
)
def test_flags_that_the_next_etcd_does_not_know(args: Any, world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would end at them, on the first control plane."""
    monkeypatch.setattr(upgrade_checks, "removed_etcd_flags", lambda target, flags: removed_etcd_flags("3.7.1", flags))
    here = running(world, control_planes=1, workers=1)
    here.api.cluster_configuration = {"kubernetesVersion": OLD, "etcd": {"local": {"extraArgs": args}}}
    before = here.snapshot()

    with pytest.raises(PreflightError, match="has no --experimental-max-learners, and would end at once") as caught:
        here.upgrade(NEW)

    assert "--experimental-max-learners: --max-learners" in str(caught.value)
    assert here.snapshot() == before


def test_a_node_under_pressure_is_told_before_anything_is_touched(world: MakeWorld) -> None:
    """No pod is scheduled there, not even that of kubeadm's health check; whose eyes are open names the check."""
    here = running(world, control_planes=1)
    full = {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"}
    here.api.nodes["w1"]["status"]["conditions"].append(full)

    with pytest.raises(PreflightError, match="DiskPressure: kubelet has disk pressure"):
        here.upgrade(NEW)

    here["cp1"].fails["kubeadm_upgrade"] = "Job upgrade-health-check in namespace kube-system did not complete in 15s"
    with pytest.raises(CommandError, match="did not complete in 15s\nw1: DiskPressure: kubelet has disk pressure"):
        here.upgrade(NEW, ignore_preflight_errors=frozenset({"NodePressure"}))


@pytest.mark.parametrize("role", ["cp3", "w1"])
def test_a_host_that_cannot_be_reached(role: str, world: MakeWorld) -> None:
    """Workers may be left out by the word that says so, control planes never."""
    here = running(world)
    here.power_off(role)
    ignore = frozenset({"Unreachable"})

    with pytest.raises(PreflightError, match=r"no route to host"):
        here.upgrade(NEW)
    if role == "cp3":
        with pytest.raises(PreflightError, match=r"no route to host"):
            here.upgrade(NEW, ignore_preflight_errors=ignore)
        return
    result = here.upgrade(NEW, ignore_preflight_errors=ignore)

    assert result.left == ("w1",)
    assert kubelets(here)["w1"] == OLD
    assert here.state.read_spec().version == OLD
    here.power_on("w1")
    assert here.upgrade(NEW).left == ()
    assert here.state.read_spec().version == NEW


def test_a_control_plane_that_is_not_ready(world: MakeWorld) -> None:
    """kubeadm would refuse, after everything had been brought."""
    here = running(world)
    here.api.nodes["cp2"]["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "PLEG"}]

    with pytest.raises(PreflightError, match="not Ready: PLEG"):
        here.upgrade(NEW)

    assert here.api.upgraded == []


def test_a_worker_whose_kubelet_is_down_is_upgraded_without_a_drain(world: MakeWorld) -> None:
    """No pod could leave it."""
    here = running(world)
    here.api.nodes["w1"]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "message": "silent"}]
    here.api.blocked.add("w1")  # a drain would take for ever

    here.upgrade(NEW)

    assert set(kubelets(here).values()) == {NEW}


def test_an_adopted_node_is_refused(world: MakeWorld) -> None:
    """Its programs are a package's."""
    here = running(world, control_planes=1)
    here["w1"].files[ADOPTED] = ("", "644")

    with pytest.raises(PreflightError, match="it was adopted") as caught:
        here.upgrade(NEW)

    assert "--ignore-preflight-errors" not in str(caught.value.hint)


def test_a_description_that_lags_behind_the_cluster_undoes_nothing(world: MakeWorld) -> None:
    """Somebody upgraded by hand, or the record is an old copy."""
    here = running(world)
    here.api.configured = NEW

    with pytest.raises(PreflightError, match=rf"has {NEW}, and its description says {OLD}"):
        here.create()


def test_nodes_that_are_being_added_come_first(world: MakeWorld) -> None:
    """An upgrade is of a cluster that stands."""
    here = running(world)
    with pytest.raises(KubeonError):
        failing(here, lambda: here.add({"address": "10.0.1.9", "role": "worker"}))

    with pytest.raises(StateError, match="nodes are being added"):
        here.upgrade(NEW)


def failing(here: World, add: Callable[[], object]) -> None:
    """The new worker's kubeadm fails."""
    here.api.accepts = lambda token: False  # type: ignore[method-assign]
    add()


def test_ctrl_c_between_two_nodes(world: MakeWorld) -> None:
    """What was begun is finished; the same command goes on."""
    here, interrupt = running(world), Interrupt()
    here["cp2"].hook = lambda token: interrupt.request() if token == "kubeadm_upgrade" else None

    with pytest.raises(Interrupted):
        here.upgrade(NEW, interrupt=interrupt)

    assert ("node", "cp2") in here.api.upgraded
    assert set(kubelets(here).values()) == {OLD}
    here.upgrade(NEW)
    assert set(kubelets(here).values()) == {NEW}
