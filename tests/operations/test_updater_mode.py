"""Whole operations in `loadBalancer.mode: updater`, on fakes."""

from typing import Any

import pytest
import yaml

from kubeon.errors import KubeonError, OperationError
from kubeon.kube.proxy import PINGS
from kubeon.lb import updater
from tests.conftest import MakeWorld
from tests.fakes.startup import cluster_ip_answers
from tests.fakes.world import World
from tests.operations.test_add_and_del import control_plane, forget_what_was_told, voters, worker
from tests.operations.test_rename import rename

MODE = {"load_balancer": {"mode": "updater"}}
SLICE, DEPLOYMENT = f"EndpointSlice/{updater.SLICE}", f"Deployment/{updater.UPDATER}"


def listed(here: World, name: str) -> list[str]:
    """The control planes that a worker takes while the cluster IP does not answer."""
    text = here[name].files[updater.HOSTS][0]
    return [line.removesuffix(":6443") for line in text.splitlines() if not line.startswith("#")]


def led(here: World, name: str) -> str:
    """Where a worker's line for the API leads."""
    [block] = [call for call in here[name].settings if call.startswith("ensure_hosts_block")]
    [line] = [line for line in block.splitlines() if line.endswith(" apiserver.cluster.local")]
    return here[name].detour or line.split()[0]


def replicas(here: World) -> int:
    """Of the updater."""
    return int(here.api.applied[DEPLOYMENT]["spec"]["replicas"])


def booted(here: World, name: str) -> None:
    """A worker that has booted, and on which kube-proxy is not up yet."""
    here[name].detour = "10.0.0.2:6443"


@pytest.mark.parametrize(("control_planes", "workers"), [(1, 0), (1, 1), (3, 2)])
@pytest.mark.parametrize("version", ["v1.20.2", "v1.34.1"])
def test_create_then_again(version: str, control_planes: int, workers: int, world: MakeWorld) -> None:
    """The Service leads to who answers, workers lead to it, and the second run changes nothing and says so."""
    here = world(version=version, control_planes=control_planes, workers=workers, **MODE)

    first = here.create()
    before, writes = here.snapshot(), [each for each in here.api.writes if each[0] == "create"]
    again = here.create()

    assert first.changed
    assert all(cluster_ip_answers(here[f"w{number}"]) for number in range(1, workers + 1))
    assert {led(here, f"w{number}") for number in range(1, workers + 1)} <= {"10.96.0.2"}
    assert here.api.applied[SLICE]["endpoints"][0]["addresses"] == ["10.0.0.1"]
    assert replicas(here) == min(2, control_planes + workers)
    assert updater.IMAGE in here["cp1"].images
    assert ("Endpoints/apiserver" in here.api.applied) == (version == "v1.20.2")
    assert here.changes() == []
    assert (again.changed, here.snapshot()) == (False, before)
    assert [each for each in here.api.writes if each[0] == "create"] == writes
    assert "server: https://10.0.0.1:6443" in here.kubeconfig.read_text()  # a user is not inside the cluster


def test_proxies_find_out_soon_that_their_server_is_dead(world: MakeWorld) -> None:
    """Also when an upgrade has written kubeadm's DaemonSet anew."""
    here = world(control_planes=1, workers=1, **MODE)
    here.create()
    of_kubeadm = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    container: dict[str, Any] = {"name": "kube-proxy", "image": "kube-proxy:v", "env": of_kubeadm}
    here.api.applied["DaemonSet/kube-proxy"] = {
        "kind": "DaemonSet",
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    with_pings = {"NODE_NAME": None, **PINGS}

    here.create()
    assert {each["name"]: each.get("value") for each in container["env"]} == with_pings
    assert not here.create().changed
    container["env"] = of_kubeadm
    here.upgrade("v1.34.3")
    assert {each["name"]: each.get("value") for each in container["env"]} == with_pings


def test_what_is_the_updaters_is_created_when_it_is_gone_and_never_written_again(world: MakeWorld) -> None:
    """Whatever stands in it by then."""
    here = world(control_planes=3, workers=1, **MODE)
    here.create()
    here.api.applied[SLICE]["endpoints"] = []
    del here.api.applied[f"Lease/{updater.UPDATER}"]
    before = dict(here.api.applied)

    here.create()

    assert here.changes() == [("cp1", "apply-load-balancer")]
    assert here.api.applied.pop(f"Lease/{updater.UPDATER}")["spec"] == {}
    assert here.api.applied == before
    del here.api.applied[SLICE]
    here.create()
    assert [each["addresses"] for each in here.api.applied[SLICE]["endpoints"]] == [
        ["10.0.0.1"],
        ["10.0.0.2"],
        ["10.0.0.3"],
    ]


@pytest.mark.parametrize("address", ["10.96.0.2", "10.96.0.77"])
def test_an_address_that_is_taken_is_refused(address: str, world: MakeWorld) -> None:
    """With the name of the Service that has it, and before anything is applied."""
    here = world(workers=0, load_balancer={"mode": "updater", "address": f"{address}:6443"})
    here.api.services["default/shop"] = address

    with pytest.raises(OperationError, match=rf"{address} is that of Service default/shop"):
        here.create()

    assert DEPLOYMENT not in here.api.applied
    del here.api.services["default/shop"]
    assert here.create().changed


def test_a_service_with_another_address_is_refused(world: MakeWorld) -> None:
    """Kubernetes changes none."""
    here = world(workers=0, **MODE)
    here.create()
    here.api.applied["Service/apiserver"]["spec"]["clusterIP"] = "10.96.0.9"

    with pytest.raises(OperationError, match=r"has the cluster IP 10\.96\.0\.9, not 10\.96\.0\.2"):
        here.create()


def test_an_updater_that_does_not_start_is_an_error(world: MakeWorld) -> None:
    """Nothing would follow control planes that come and go."""
    here = world(workers=0, **MODE)
    here.api.holders = lambda reference: set()

    with pytest.raises(OperationError, match="no pod of kube-system/apiserver-updater was available"):
        here.create()


def test_the_second_node_gets_the_second_replica(world: MakeWorld) -> None:
    """And no other one changes anything in the cluster; when the second one goes, so does the replica."""
    here = world(control_planes=1, workers=0, **MODE)
    here.create()
    assert replicas(here) == 1

    here.add(worker(1))
    assert replicas(here) == 2
    assert ("cp1", "apply-load-balancer") in here.changes()
    here.add(worker(2))
    assert {phase for host, phase in here.changes() if host != "w2"} == {"record-pod-ranges"}
    assert listed(here, "w2") == ["10.0.0.1"]
    assert led(here, "w2") == "10.96.0.2"
    here.delete("@w1")
    assert replicas(here) == 2
    here.delete("@w2")
    assert replicas(here) == 1


def test_from_one_control_plane_to_three_to_one(world: MakeWorld) -> None:
    """Lists follow each time, lines and endpoint stay for ever, nothing is restarted."""
    here = world(control_planes=1, workers=2, **MODE)
    here.create()
    units = dict(here["w1"].units)
    forget_what_was_told(here)

    here.add(control_plane(2), control_plane(3))
    assert listed(here, "w1") == listed(here, "w2") == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    here.delete("@cp1")
    assert listed(here, "w1") == ["10.0.0.2", "10.0.0.3"]
    here.delete("@cp3")

    assert listed(here, "w2") == ["10.0.0.2"]
    assert voters(here) == ["cp2"]
    assert led(here, "w1") == led(here, "w2") == "10.96.0.2"
    assert here["w1"].units == units
    assert "start_way" not in here["w1"].told
    assert not [each for each in here.api.writes if "k8s-app=kube-proxy" in each]
    assert here["cp1"].files == here["cp3"].files == {}
    again = here.create(here.state.read_spec())
    assert (here.changes(), again.changed) == ([], False)
    here.add(control_plane(4), control_plane(5))
    assert listed(here, "w1") == ["10.0.0.2", "10.0.0.4", "10.0.0.5"]


def test_a_worker_that_has_just_booted_is_not_cut_off(world: MakeWorld) -> None:
    """Its line leads to a control plane for a while; `create` writes it, and has it looked for again."""
    here = world(control_planes=3, workers=1, **MODE)
    here.create()
    booted(here, "w1")
    [block] = [call for call in here["w1"].settings if call.startswith("ensure_hosts_block")]
    here["w1"].settings = {call.replace("10.96.0.2", "10.0.0.2"): None for call in here["w1"].settings}
    forget_what_was_told(here)

    here.create()

    told = here["w1"].told
    assert told.index("setting") < told.index("start_way") < told.index("images")
    assert block in here["w1"].settings
    assert led(here, "w1") == "10.96.0.2"


def test_a_line_that_does_not_come_back_is_looked_for_again(world: MakeWorld) -> None:
    """Where somebody stopped who looks after it."""
    here = world(control_planes=1, workers=1, **MODE)
    here.create()
    here["w1"].units[updater.STARTUP] = "inactive"
    booted(here, "w1")

    here.create()

    assert here.changes() == [("w1", "update-load-balancer")]
    assert led(here, "w1") == "10.96.0.2"


def test_a_worker_is_pointed_at_a_living_control_plane_before_it_joins(world: MakeWorld) -> None:
    """kube-proxy, by which the cluster IP works, is not there yet."""
    here = world(control_planes=1, workers=1, **MODE)
    joined: list[str] = []
    here["w1"].hook = lambda token: joined.append(led(here, "w1")) if token == "kubeadm" else None

    here.create()

    assert joined == ["10.0.0.1:6443"]


@pytest.mark.parametrize("token", ["unit", "start_way", "kubeadm", "check_updater"])
def test_a_worker_cut_off_anywhere_is_continued(token: str, world: MakeWorld) -> None:
    """By the same command."""
    here = world(control_planes=1, workers=1, **MODE)
    here["w1"].cuts.add(token)
    with pytest.raises(KubeonError):
        here.create()

    here.create()

    assert led(here, "w1") == "10.96.0.2"
    assert set(here.api.nodes) == {"cp1", "w1"}
    assert not here.create().changed


def test_who_creates_at_the_same_moment_is_right_too(world: MakeWorld) -> None:
    """An object that came to be meanwhile is no error."""
    here = world(control_planes=1, workers=0, **MODE)
    objects = list(yaml.safe_load_all(updater.Updater().initial(here.spec, ["10.0.0.9"])))
    asked: list[str] = []

    def meanwhile(token: str) -> None:
        if token == "kubectl" and here.api.writes and here.api.writes[-1][0] == "apply" and DEPLOYMENT in applied():
            asked.append(token)
            if len(asked) == 2:  # between looking and creating
                here.api.applied[SLICE] = objects[0]

    def applied() -> dict[str, Any]:
        return here.api.applied

    here["cp1"].hook = meanwhile
    here.create()

    assert here.api.applied[SLICE]["endpoints"][0]["addresses"] == ["10.0.0.9"]
    assert f"Lease/{updater.UPDATER}" in here.api.applied


def test_add_leaves_another_kubeons_updater_as_it_is(world: MakeWorld) -> None:
    """Its image is what the members have; `create` brings the new one to all, and applies it."""
    here = world(control_planes=1, workers=1, **MODE)
    here.create()
    [container] = here.api.applied[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    container["image"] = "localhost/apiserver-updater:older"
    here.api.holders = lambda reference: {"cp1"}

    here.add(worker(2))
    assert container["image"] == "localhost/apiserver-updater:older"
    here.delete("@w1")
    assert here.api.applied[DEPLOYMENT]["spec"]["template"]["spec"]["containers"] == [container]
    here.create(here.state.read_spec())
    [container] = here.api.applied[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == updater.IMAGE


def test_another_program_comes_under_another_name(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods of before find theirs, until the Deployment has changed twice; a switch leaves none."""
    here = world(control_planes=1, workers=1, **MODE)
    here.create()
    first = f"ConfigMap/{updater.UPDATER}-{updater.digest()}"
    names = []
    for text in ("second", "third"):
        monkeypatch.setattr(updater, "program", lambda text=text: {"main.py": ("__main__.py", text)})
        names.append(f"ConfigMap/{updater.UPDATER}-{updater.digest()}")
        assert here.create(here.state.read_spec()).changed
        assert not here.create(here.state.read_spec()).changed

    assert {each for each in here.api.applied if each.startswith(f"ConfigMap/{updater.UPDATER}")} == set(names)
    assert first not in names
    here.switch("haproxy")
    assert not [each for each in here.api.applied if each.startswith(f"ConfigMap/{updater.UPDATER}")]


def test_an_upgrade_brings_the_image_everywhere_before_it_is_asked_for(world: MakeWorld) -> None:
    """And before any node lets go of the old one; workers keep their way."""
    here = world(version="v1.20.2", control_planes=3, workers=2, **MODE)
    here.create()
    [container] = here.api.applied[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    container["image"] = "localhost/apiserver-updater:older"
    for machine in here.machines.values():
        machine.images["localhost/apiserver-updater:older"] = machine.images.pop(updater.IMAGE)

    here.upgrade("v1.20.15")

    order = [f"{host} {phase}" for host, phase, _ in here.watcher.ended()]
    applied = order.index("cp1 upgrade-load-balancer")
    assert max(order.index(f"{name} bring-images") for name in here.api.nodes) < applied
    assert applied < min(order.index(f"{name} upgrade-control-plane-nodes") for name in ("cp1", "cp2", "cp3"))
    [container] = here.api.applied[DEPLOYMENT]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == updater.IMAGE
    assert all(not machine.images["localhost/apiserver-updater:older"][1] for machine in here.machines.values())
    assert led(here, "w1") == "10.96.0.2"
    assert not here.create(here.state.read_spec()).changed


def test_a_new_name_reaches_who_writes_into_the_block(world: MakeWorld) -> None:
    """It would not find its line."""
    here = world(control_planes=1, workers=1, **MODE)
    here.create()

    rename(here, new="other")

    assert "CLUSTER=other\n" in here["w1"].files[updater.SETTINGS][0]
    assert led(here, "w1") == "10.96.0.2"


def test_after_a_restore_workers_look_for_who_answers(world: MakeWorld) -> None:
    """Before their kubelets start anew, as at boot."""
    here = world(control_planes=3, workers=1, **MODE)
    here.create()
    path = here.take_snapshot().snapshot.path
    forget_what_was_told(here)

    here.restore(path)

    told = [token for token in here["w1"].told if token in ("start_way", "restart_kubelet")]
    assert told == ["start_way", "restart_kubelet"]
    assert "start_way" not in here["cp1"].told
    assert led(here, "w1") == "10.96.0.2"


def test_del_and_destroy_leave_nothing(world: MakeWorld) -> None:
    """Units end before the block in /etc/hosts goes."""
    here = world(control_planes=1, workers=2, **MODE)
    here.create()

    here.delete("@w2")
    here.destroy()

    for machine in here.machines.values():
        assert (machine.files, machine.units, machine.settings, machine.detour) == ({}, {}, {}, "")
