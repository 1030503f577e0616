"""What a description may say anew about a cluster that is there: all that is written down is true of the hosts."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from kubeon.errors import SpecError
from kubeon.operations.again import CARRIED_OUT, CHANGES, check_again
from kubeon.spec.model import ClusterSpec, NodeSpec
from tests.conftest import MakeWorld
from tests.specs import a_spec

OTHER: dict[str, dict[str, Any]] = {
    "version": {"version": "v1.35.0"},
    "networking.plugin": {"networking": {"plugin": "flannel"}},
    "networking.podSubnet": {"networking": {"podSubnet": "10.200.0.0/16"}},
    "networking.serviceSubnet": {"networking": {"serviceSubnet": "10.97.0.0/16"}},
    "networking.dnsDomain": {"networking": {"dnsDomain": "other.local"}},
    "networking.nodeMaskSize": {"networking": {"nodeMaskSize": 25}},
    "loadBalancer.mode": {"load_balancer": {"mode": "direct"}},
    "loadBalancer.address": {"load_balancer": {"mode": "external", "address": "10.0.9.9:6443"}},
    "loadBalancer.name": {"load_balancer": {"name": "other.local"}},
    "runtime.cgroupDriver": {"runtime": {"cgroupDriver": "cgroupfs"}},
    "certificates.validity": {"certificates": {"validity": "1y"}},
    "certificates.sans": {"certificates": {"sans": ["api.example.org"]}},
    "hosts.swap": {"hosts": {"swap": "keep"}},
    "extraArgs.apiServer.v": {"extra_args": {"apiServer": {"v": 3}}},
    "extraArgs.controllerManager.v": {"extra_args": {"controllerManager": {"v": 3}}},
    "extraArgs.scheduler.v": {"extra_args": {"scheduler": {"v": 3}}},
    "extraArgs.etcd.snapshot-count": {"extra_args": {"etcd": {"snapshot-count": 3}}},
    "kubelet.maxPods": {"kubelet": {"maxPods": 250}},
    "kubelet.evictionHard.memory.available": {"kubelet": {"evictionHard": {"memory.available": "1Gi"}}},
    "schedulableControlPlanes": {"schedulable_control_planes": True},
}


def fields(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Every field of a model, of those within it, and of nodes."""
    for field in model.model_fields.values():
        path = f"{at}{field.alias}"
        inner = NodeSpec if path == "nodes" else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from fields(inner, f"{path}.")
        else:
            yield path


def test_every_field_has_its_line() -> None:
    """A new field: does `create` carry it out on members, or what does?"""
    assert sorted(CHANGES) == sorted(fields(ClusterSpec))


def test_every_refused_field_is_tried_here() -> None:
    """But for the runtime's name, of which there is one, and nodes' own, which stand below."""
    refused = {path for path, what in CHANGES.items() if what != CARRIED_OUT}

    left = {path for path in refused if not any(f"{tried}.".startswith(f"{path}.") for tried in OTHER)}
    assert left == {"runtime.name", "nodes.name", "nodes.role"}


@pytest.mark.parametrize("path", OTHER)
def test_what_create_would_write_down_and_not_do_is_refused(path: str) -> None:
    """With the field, what is, what is wanted, and what does it; both ways."""
    one, other = a_spec(), a_spec(**OTHER[path])
    for stored, spec in ((one, other), (other, one)):
        with pytest.raises(SpecError) as caught:
            check_again(stored, spec)

        told = dict(caught.value.problems)
        assert path in told
        assert " -> " in told[path]
        assert len(told[path].partition(": ")[2]) > 20
        assert "NAME" not in told[path]


def test_a_node_keeps_its_name_and_its_role() -> None:
    """One that is not named keeps the name it has."""
    node = {"address": "10.0.0.1", "role": "control-plane", "name": "a"}
    worker = {"address": "10.0.0.2", "role": "worker", "name": "b"}
    stored = a_spec(nodes=[node, worker])

    check_again(stored, a_spec(nodes=[node, {**worker, "name": None}]))
    with pytest.raises(SpecError) as caught:
        check_again(stored, a_spec(nodes=[node, {**worker, "name": "c", "role": "control-plane"}]))

    assert [path for path, _ in caught.value.problems] == ["nodes.1.name", "nodes.1.role"]


def test_nothing_is_touched_and_nothing_is_written_down(world: MakeWorld) -> None:
    """Before a host is asked."""
    here = world(control_planes=1, workers=1)
    here.create()
    before, stored, here.connected = here.snapshot(), here.state.read_spec(), []

    with pytest.raises(SpecError, match=r"kubelet\.maxPods"):
        here.create(here.spec.model_copy(update={"kubelet": {"maxPods": 250}}))

    assert here.connected == []
    assert here.snapshot() == before
    assert here.state.read_spec() == stored
    assert here.state.read_proposed() is None


def test_labels_are_in_the_plan(world: MakeWorld) -> None:
    """Those that a node gets, and one that only a person takes away again."""
    here = world(control_planes=1, workers=1)
    here.create(labelled(here.spec, {"zone": "a", "old": "x"}))
    assert "label it zone=a old=x" in here.plans[-1].hosts["w1"]

    here.create(labelled(here.spec, {"zone": "b"}))

    assert here.plans[-1].hosts == {
        "cp1": (),
        "w1": ("label it zone=b", "label old stays: kubectl label node w1 old- removes it"),
    }
    assert here.api.nodes["w1"]["metadata"]["labels"]["zone"] == "b"
    here.create(labelled(here.spec, {"zone": "b"}))
    assert not here.plans[-1].changes


def labelled(spec: ClusterSpec, labels: dict[str, str]) -> ClusterSpec:
    """With labels on the worker."""
    nodes = tuple(
        node if node in spec.control_planes else node.model_copy(update={"labels": labels}) for node in spec.nodes
    )
    return spec.model_copy(update={"nodes": nodes})
