"""Pod ranges are kubeon's to give: what hosts and kubelets say of them puts no route on any node."""

from typing import Any

import pytest

from kubeon.cni.bridge import CONFIG
from kubeon.errors import KubeonError, PreflightError
from tests.conftest import MakeWorld
from tests.fakes.world import World

NEW = {"address": "10.0.1.2", "role": "worker", "name": "w2"}


def listed(here: World) -> dict[str, str]:
    """What nodes follow."""
    data: dict[str, str] = here.api.applied["ConfigMap/kubeon-pod-ranges"]["data"]
    return data


def forge_file(here: World, name: str, pods: str) -> None:
    """Whoever is root there writes this into the network plug-in's configuration."""
    here[name].files[CONFIG] = (f'{{"subnet": "{pods}"}}', "644")


def test_the_list_follows_the_nodes(world: MakeWorld) -> None:
    """Range and address of each, as on record; who leaves is taken out."""
    here = world(control_planes=1, workers=2)
    here.create()
    assert listed(here) == {
        "cp1": "10.244.0.0/24 10.0.0.1",
        "w1": "10.244.1.0/24 10.0.1.1",
        "w2": "10.244.2.0/24 10.0.1.2",
    }

    here.delete("@w1")

    assert sorted(listed(here)) == ["cp1", "w2"]
    assert not here.create(here.state.read_spec()).changed
    assert sorted(listed(here)) == ["cp1", "w2"]


@pytest.mark.parametrize("pods", ["0.0.0.0/0", "10.77.0.0/16", "10.0.0.1/32", "10.244.0.0/24", "x"])
def test_the_file_of_a_fresh_host_gives_it_nothing(world: MakeWorld, pods: str) -> None:
    """It gets what it would get without, in its own file too, and nobody else is kept from anything."""
    here = world(control_planes=1, workers=1)
    forge_file(here, "w1", pods)

    here.create()

    assert listed(here) == {"cp1": "10.244.0.0/24 10.0.0.1", "w1": "10.244.1.0/24 10.0.1.1"}
    assert here.api.nodes["w1"]["spec"]["podCIDR"] == "10.244.1.0/24"
    assert "10.244.1.0/24" in here["w1"].files[CONFIG][0]


def test_what_a_member_says_later_changes_nothing(world: MakeWorld) -> None:
    """Its file is put right, which the plan tells; its Node object's addresses nobody reads."""
    here = world(control_planes=1, workers=2)
    here.create()
    before = dict(listed(here))
    forge_file(here, "w1", "10.244.2.0/24")
    here.api.nodes["w1"]["status"]["addresses"] = [{"type": "InternalIP", "address": "10.0.0.1"}]

    here.create()

    assert listed(here) == before
    assert any("10.244.2.0/24, which its own file says" in line for line in here.plans[-1].hosts["w1"])
    assert "10.244.1.0/24" in here["w1"].files[CONFIG][0]


def test_a_kubelet_that_gives_itself_a_range(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between registering and kubeon's patch it can: it fails, and the others have routes to kubeon's choice only."""
    here = world(control_planes=1, workers=2)
    register = here.api.register

    def forge(name: str, *words: Any, **fields: Any) -> None:
        register(name, *words, **fields)
        if name == "w2":
            here.api.nodes["w2"]["spec"]["podCIDR"] = "10.244.0.0/24"

    monkeypatch.setattr(here.api, "register", forge)

    with pytest.raises(KubeonError, match=r"w2.*range 10\.244\.0\.0/24"):
        here.create()

    assert listed(here)["w2"] == "10.244.2.0/24 10.0.1.2"


def test_a_cluster_that_has_no_list_yet_gets_one_of_all_nodes(world: MakeWorld) -> None:
    """An earlier kubeon made it: what Node objects say is kept, as far as it can be right."""
    here = world(control_planes=1, workers=2)
    here.create(here.spec.without([here.spec.workers[1]]))
    del here.api.applied["ConfigMap/kubeon-pod-ranges"]
    here.api.nodes["w1"]["spec"]["podCIDR"] = "10.244.7.0/24"

    here.add(NEW)

    assert listed(here) == {
        "cp1": "10.244.0.0/24 10.0.0.1",
        "w1": "10.244.7.0/24 10.0.1.1",
        "w2": "10.244.1.0/24 10.0.1.2",
    }


def test_a_list_that_somebody_else_wrote(world: MakeWorld) -> None:
    """Nothing is done by it."""
    here = world(control_planes=1, workers=1)
    here.create()
    listed(here)["w1"] = "0.0.0.0/0 10.0.1.1"

    with pytest.raises(PreflightError, match=r"gives node w1 the pods '0\.0\.0\.0/0"):
        here.create()
