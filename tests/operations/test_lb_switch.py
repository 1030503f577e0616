"""`lb switch` on fakes: from each way to each other one and back, with every node reaching the API at every moment."""

import itertools
from contextlib import suppress
from typing import Any

import pytest

from kubeon.bundle.registry import Registry
from kubeon.errors import (
    BundleError,
    CommandError,
    HostErrors,
    KubeonError,
    LostError,
    OperationError,
    PreflightError,
    SpecError,
    StateError,
)
from kubeon.hosts.marks import ADOPTED
from kubeon.lb import LBS, haproxy, updater
from kubeon.pki.leaves import FILES
from tests.conftest import MakeWorld
from tests.fakes.world import World

BALANCER = "10.0.9.9:6443"
ADDRESS = {"external": BALANCER}
MODES = ("haproxy", "updater", "direct", "external")
PAIRS = list(itertools.permutations(MODES, 2))


def running(world: MakeWorld, mode: str = "haproxy", control_planes: int = 1, workers: int = 2, **fields: Any) -> World:
    """A cluster; from now on each of its nodes has to reach the API whenever anything is done on any host."""
    way = {"mode": mode, "address": ADDRESS.get(mode)}
    here = world(control_planes=control_planes, workers=workers, load_balancer=way, **fields)
    here.api.balancers.add(BALANCER)
    here.create()
    names = list(LBS[mode].sans(here.state.read_spec()))
    here.api.cluster_configuration = {"kubernetesVersion": here.api.configured, "apiServer": {"certSANs": names}}
    watch(here)
    return here


def watch(here: World) -> None:
    """An API server that is just being restarted is no matter of the way."""

    def look(token: str) -> None:
        for machine in here.machines.values():
            assert machine.name not in here.api.nodes or machine.way_problem == "", f"{machine.name} before {token}"

    for machine in here.machines.values():
        machine.hook = look


@pytest.mark.parametrize(("mode", "other"), PAIRS)
def test_there_and_back(mode: str, other: str, world: MakeWorld) -> None:
    """At the end every host is as if it had been made so; again changes nothing."""
    here = running(world, mode, workers=1)
    before = dict(here["w1"].files)

    result = here.switch(other, ADDRESS.get(other))

    assert result.changed
    assert result.mode == other
    settled(here, other)
    here.switch(mode, ADDRESS.get(mode))
    assert here["w1"].files == before


def test_certificates_get_the_new_names_once_and_kubeadm_remembers_them(world: MakeWorld) -> None:
    """API servers take them without a restart; on the way back all are there already."""
    here = running(world, control_planes=3, workers=1)
    here.api.cluster_configuration = {"apiServer": {"certSANs": ["apiserver.cluster.local"]}}

    here.switch("external", BALANCER)

    for name in ("cp1", "cp2", "cp3"):
        assert {"10.0.9.9", "apiserver.cluster.local"} <= set(here[name].serves_names)
        assert here[name].restarted == []
    assert here.api.cluster_configuration["apiServer"]["certSANs"] == ["apiserver.cluster.local", "10.0.9.9"]
    before = here["cp1"].files[FILES["apiserver"]]
    here.switch("haproxy")
    # kubeadm would refuse a new control plane, whose certificate has no name of a way that is gone
    assert here.api.cluster_configuration["apiServer"]["certSANs"] == ["apiserver.cluster.local"]
    here.switch("external", BALANCER)
    assert here["cp1"].files[FILES["apiserver"]] == before


def test_a_control_plane_joins_after_a_way_is_gone(world: MakeWorld) -> None:
    """kubeadm refuses a certificate that lacks a name that kubeadm-config has."""
    here = running(world, "external", control_planes=3, workers=1)
    here.api.cluster_configuration = {"apiServer": {"certSANs": ["apiserver.cluster.local", "10.0.9.9"]}}
    here.switch("updater")

    here.add({"address": "10.0.0.9", "role": "control-plane", "name": "cp9"})

    assert "10.0.9.9" not in here["cp9"].serves_names


def test_kube_proxy_and_your_kubeconfig_follow(world: MakeWorld) -> None:
    """kube-proxy once, and only where its /etc/hosts changed; the kubeconfig has the balancer's address."""
    here = running(world)
    here.switch("direct")
    assert {name: here[name].proxy[0] for name in ("cp1", "w1", "w2")} == {"cp1": 1, "w1": 2, "w2": 2}

    here.switch("external", BALANCER)

    assert f"server: https://{BALANCER}" in here.kubeconfig.read_text()
    assert {machine.proxy for machine in here.machines.values()} == {
        (machine.proxy[0], machine.hosts_block) for machine in here.machines.values()
    }


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(world: MakeWorld) -> None:
    """Host by host."""
    here = running(world, workers=1)
    before = here.snapshot()

    here.switch("external", BALANCER, yes=False, dry_run=True)

    assert here.snapshot() == before
    assert here.state.read_proposed() is None
    plan = here.plans[-1]
    assert plan.hosts["cp1"] == (
        "renew apiserver: lacks the names 10.0.9.9",
        f"apiserver.cluster.local leads to {BALANCER}, not to 10.0.0.1:6443 any more; kube-proxy follows",
    )
    assert plan.hosts["w1"] == (
        f"apiserver.cluster.local leads to {BALANCER}, not to 127.0.0.1:6443 any more; kube-proxy follows",
        "remove what mode haproxy has on it, when all nodes are through",
    )


CUTS = [
    *(("direct", "haproxy", token) for token in ("import", "pin", "file", "setting")),
    *(("haproxy", "external", token) for token in ("file", "served", "setting", "remove_files", "unpin")),
    *(("haproxy", "updater", token) for token in ("import", "unit", "setting", "remove_files")),
    *(("updater", "haproxy", token) for token in ("setting", "stop_units", "remove_files", "remove_folders", "unpin")),
]


def lose(here: World, token: str) -> None:
    """The connection to whoever comes to this first."""
    for name in ("cp1", "w2", "w1"):
        here[name].cuts.add(token)


@pytest.mark.parametrize(("mode", "other", "token"), CUTS)
def test_cut_off_anywhere_it_goes_on(mode: str, other: str, token: str, world: MakeWorld) -> None:
    """The same command ends as if nothing had been."""
    here = running(world, mode)
    lose(here, token)

    with pytest.raises(KubeonError, match="the connection was lost"):
        here.switch(other, ADDRESS.get(other))

    assert here.state.read_spec().load_balancer.mode == mode
    assert here.state.read_proposed().load_balancer.mode == other
    for machine in here.machines.values():
        machine.cuts.clear()
    here.switch(other, ADDRESS.get(other))
    settled(here, other)


def as_made_before(here: World, mode: str) -> None:
    """With images that kubeon made itself, which hold their programs."""
    image, old = {
        "haproxy": (haproxy.IMAGE, "localhost/local-haproxy:older"),
        "updater": (updater.IMAGE, "localhost/apiserver-updater:older"),
    }[mode]
    for machine in here.machines.values():
        if image in machine.images:
            machine.images[old] = machine.images.pop(image)
        machine.files.pop(haproxy.PROGRAM, None)
        if pod := machine.files.get(haproxy.POD):
            machine.files[haproxy.POD] = (pod[0].replace(image, old), pod[1])
    if mode == "updater":
        pods = here.api.applied[f"Deployment/{updater.UPDATER}"]["spec"]["template"]
        pods["metadata"].pop("annotations")
        pods["spec"]["containers"][0]["image"] = old
        pods["spec"]["volumes"] = []
        del here.api.applied[f"ConfigMap/{updater.UPDATER}-{updater.digest()}"]


@pytest.mark.parametrize("token", ["import", "pin", "file"])
@pytest.mark.parametrize("mode", ["haproxy", "updater"])
def test_a_cluster_of_before_changes_over_though_it_is_cut_off(mode: str, token: str, world: MakeWorld) -> None:
    """With the next `create`: official images, and our programs beside them."""
    here = running(world, mode)
    as_made_before(here, mode)
    lose(here, token)

    with suppress(KubeonError):  # not each mode comes to each token
        here.create(here.state.read_spec())
    for machine in here.machines.values():
        machine.cuts.clear()
    here.create(here.state.read_spec())

    settled(here, mode)
    if mode == "haproxy":
        assert haproxy.IMAGE in here["w1"].files[haproxy.POD][0]
        assert haproxy.PROGRAM in here["w1"].files
    else:
        pods = here.api.applied[f"Deployment/{updater.UPDATER}"]["spec"]["template"]["spec"]
        assert pods["containers"][0]["image"] == updater.IMAGE


def test_a_connection_that_is_lost_while_one_asks_is_opened_again(world: MakeWorld) -> None:
    """Whether the new certificate is served is only asked."""
    here = running(world, "haproxy")
    lost: list[str] = []

    def once(token: str) -> None:
        if token == "served" and not lost:
            lost.append(token)
            raise LostError("the connection was lost")

    here["cp1"].hook = once

    here.switch("external", ADDRESS["external"])

    assert lost
    settled(here, "external")


@pytest.mark.parametrize(("mode", "other", "token"), CUTS)
def test_cut_off_anywhere_it_goes_back(mode: str, other: str, token: str, world: MakeWorld) -> None:
    """The mode of before makes all of it undone."""
    here = running(world, mode)
    before = {name: dict(here[name].files) for name in ("w1", "w2")}
    lose(here, token)
    with pytest.raises(KubeonError, match="the connection was lost"):
        here.switch(other, ADDRESS.get(other))
    for machine in here.machines.values():
        machine.cuts.clear()

    here.switch(mode, ADDRESS.get(mode))

    assert {name: dict(here[name].files) for name in before} == before
    settled(here, mode)


def settled(here: World, mode: str) -> None:
    """The cluster is as if it had been made so, and nothing is left to do."""
    assert here.state.read_spec().load_balancer.mode == mode
    assert here.state.read_proposed() is None
    assert here.api.cluster_configuration
    names = here.api.cluster_configuration["apiServer"]["certSANs"]
    assert set(names) == set(LBS[mode].sans(here.state.read_spec())), "kubeadm refuses to join without one of them"
    assert (haproxy.POD in here["w1"].files) is (mode == "haproxy")
    assert (updater.SCRIPT in here["w1"].files) is (updater.STARTUP in here["w1"].units) is (mode == "updater")
    assert any(updater.UPDATER in each for each in here.api.applied) is (mode == "updater")
    assert all(machine.proxy[1] == machine.hosts_block for machine in here.machines.values())
    assert not here.create(here.state.read_spec()).changed
    assert not here.switch(mode, ADDRESS.get(mode)).changed


def test_in_the_middle_everything_else_is_refused(world: MakeWorld) -> None:
    """With both commands that lead out."""
    here = running(world)
    here["w2"].fails["setting"] = "the disk is full"
    with pytest.raises(CommandError, match="the disk is full"):
        here.switch("external", BALANCER)
    there, back = (
        f"kubeon lb switch demo --mode external --lb-address {BALANCER}",
        "kubeon lb switch demo --mode haproxy",
    )
    worker: dict[str, Any] = {"address": "10.0.1.9", "role": "worker"}

    others = (
        here.create,
        lambda: here.add(worker),
        lambda: here.delete("@w2"),
        lambda: here.upgrade("v1.34.3"),
        lambda: here.renew("all"),
        here.rotate,
    )
    for other in others:
        with pytest.raises(StateError, match="the switch of cluster demo to mode external is not finished") as caught:
            other()
        assert caught.value.hint == f"resume it: {there}; or go back: {back}"
    with pytest.raises(StateError, match="the switch of cluster demo to mode external is not finished") as caught:
        here.switch("direct")
    assert there in caught.value.hint
    here.switch("external", BALANCER)
    settled(here, "external")


def test_where_one_node_fails_no_other_one_is_begun(world: MakeWorld) -> None:
    """A worker goes first, and the old way stays."""
    here = running(world, workers=3)
    here["w1"].fails["setting"] = "/etc/hosts is a mount"

    with pytest.raises(CommandError, match="is a mount"):
        here.switch("direct")

    assert {name: here[name].proxy[0] for name in ("w1", "w2", "w3")} == {"w1": 1, "w2": 1, "w3": 1}
    assert all(haproxy.POD in here[name].files for name in ("w1", "w2", "w3"))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("unready", "not Ready: kubelet stopped"),
        ("port", "port 8842 is in use by nginx"),
        ("balancer", "10.0.9.8:6443 does not lead to an API server of this cluster"),
        ("adopted", "plain kubeadm made it"),
        ("stranger", "it does not bear this cluster's mark"),
        ("material", "local-haproxy cannot be made: nobody has its base"),
    ],
)
def test_what_would_strand_a_node_is_refused_before_anything_is_touched(
    reason: str, said: str, world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by its own words."""
    here = running(world, "direct")
    wanted = ("external", "10.0.9.8:6443") if reason == "balancer" else ("haproxy", None)
    if reason == "unready":
        here.api.nodes["w2"]["status"]["conditions"] = [
            {"type": "Ready", "status": "False", "message": "kubelet stopped"}
        ]
    elif reason == "port":
        here["w1"].listening = 'LISTEN 0 511 127.0.0.1:8842 0.0.0.0:* users:(("nginx",pid=1,fd=6))'
    elif reason == "adopted":
        here["w1"].files[ADOPTED] = ("", "644")
    elif reason == "stranger":
        here["w1"].files["/etc/kubernetes/kubeon-cluster"] = ("other 00", "644")
    elif reason == "material":
        gone = BundleError("local-haproxy cannot be made", why="nobody has its base")
        monkeypatch.setattr(Registry, "problem_of", lambda *_: gone)
    before = here.snapshot()

    with pytest.raises(PreflightError) as caught:
        here.switch(*wanted)

    assert said in str(caught.value.why)
    assert here.snapshot() == before
    assert here.state.read_proposed() is None


def test_a_node_that_cannot_be_reached(world: MakeWorld) -> None:
    """It would be stranded; who knows that it is gone may leave it out."""
    here = running(world)
    here.power_off("w2")
    with pytest.raises(PreflightError, match="nothing was changed") as caught:
        here.switch("direct")
    assert "kubeon create demo" in caught.value.why
    del here.api.nodes["w2"]

    result = here.switch("direct", ignore_preflight_errors=frozenset({"Unreachable"}))

    assert result.left == ("w2",)
    assert here.state.read_spec().load_balancer.mode == "direct"


@pytest.mark.parametrize(("mode", "other"), [pair for pair in PAIRS if pair[0] in ("haproxy", "updater")])
def test_a_node_that_was_left_out_is_brought_up_to_date_by_create(mode: str, other: str, world: MakeWorld) -> None:
    """What the way of before has there goes when the new one works; the others are not asked for that."""
    here = running(world, mode)
    for machine in here.machines.values():
        machine.hook = lambda token: None
    here.power_off("w2")
    here.switch(other, ADDRESS.get(other), ignore_preflight_errors=frozenset({"Unreachable"}))
    here.power_on("w2")

    def look(token: str) -> None:
        assert token not in ("stop_units", "remove_files") or here["w2"].way_problem == ""

    here["w2"].hook = look
    assert here.create(here.state.read_spec()).changed

    assert f"remove what mode {mode} has on it" in here.plans[-1].hosts["w2"]
    assert here.ended("remove-other-ways") == {"w2": "changed"}
    assert set(here["w2"].files) == set(here["w1"].files)
    assert set(here["w2"].units) == set(here["w1"].units)
    assert here["w2"].way_problem == ""
    settled(here, other)


@pytest.mark.parametrize("token", ["stop_units", "remove_files", "remove_folders"])
@pytest.mark.parametrize("mode", ["haproxy", "updater"])
def test_cut_off_while_it_is_brought_up_to_date(mode: str, token: str, world: MakeWorld) -> None:
    """The same command goes on."""
    here = running(world, mode)
    for machine in here.machines.values():
        machine.hook = lambda token: None
    here.power_off("w2")
    here.switch("direct", ignore_preflight_errors=frozenset({"Unreachable"}))
    here.power_on("w2")
    here["w2"].cuts.add(token)

    if (mode, token) != ("haproxy", "stop_units"):  # it has none
        with pytest.raises(KubeonError, match="the connection was lost"):
            here.create(here.state.read_spec())
    here["w2"].cuts.clear()
    here.create(here.state.read_spec())

    assert set(here["w2"].files) == set(here["w1"].files)
    assert set(here["w2"].units) == set(here["w1"].units)
    settled(here, "direct")


@pytest.mark.parametrize("address", ["10.0.9.9:8443", "api.example.org:6443"])
def test_another_endpoint_is_refused(address: str, world: MakeWorld) -> None:
    """It stands in every kubeconfig."""
    here = running(world)
    before = here.snapshot()
    with pytest.raises(SpecError, match="which stands in every kubeconfig"):
        here.switch("external", address)
    assert here.snapshot() == before


def test_a_way_that_does_not_come_to_work(world: MakeWorld) -> None:
    """Everybody goes on by the old one."""
    here = running(world)
    here["w1"].hook = here["w2"].hook = here["cp1"].hook = lambda token: None

    def fails(token: str) -> None:
        here.api.balancer_fails = "connection reset by peer" if token == "served" else here.api.balancer_fails

    here["cp1"].hook = fails
    with pytest.raises((OperationError, HostErrors), match=r"connection reset by peer|1 of|3 of"):
        here.switch("external", BALANCER)
    assert all(haproxy.POD in here[name].files for name in ("w1", "w2"))
    assert [machine.way_problem for machine in here.machines.values()] == ["", "", ""]


def test_from_one_balancer_to_another(world: MakeWorld) -> None:
    """It is the same mode, and another way."""
    here = running(world, "external", workers=1)
    here.api.balancers.add("10.0.9.8:6443")
    assert here.switch("external", "10.0.9.8:6443").changed
    assert here.state.read_spec().load_balancer.address == "10.0.9.8:6443"
    assert here["w1"].hosts_block.count("10.0.9.8") == 1


def test_the_services_address_is_somebody_elses(world: MakeWorld) -> None:
    """Another one can be said."""
    here = running(world, workers=1)
    here.api.services["shop/web"] = "10.96.0.2"
    with pytest.raises(PreflightError) as caught:
        here.switch("updater")
    assert "10.96.0.2 is that of Service shop/web" in caught.value.why

    here.switch("updater", "10.96.0.7:6443")

    assert "10.96.0.7 apiserver.cluster.local" in here["w1"].hosts_block
    assert "10.96.0.7" in here["cp1"].serves_names
    with pytest.raises(SpecError, match="keeps it as long as it lives"):
        here.switch("updater", "10.96.0.8:6443")


def test_the_connection_is_lost_when_the_cluster_has_the_new_way(world: MakeWorld) -> None:
    """Objects that are there already are no hindrance, on the way there or back."""
    here = running(world, workers=1)

    def lose_it(token: str) -> None:
        if token == "kubectl" and ("apply", "-f", "-") in here.api.writes:
            here["cp1"].cuts.add(token)

    here.api.writes.clear()
    here["cp1"].hook = lose_it
    with pytest.raises(KubeonError, match="the connection was lost"):
        here.switch("updater")
    watch(here)

    here.switch("haproxy")
    settled(here, "haproxy")
    here.switch("updater")
    settled(here, "updater")
