"""A kubeconfig out of the record, or out of a cluster."""

import pytest

from kubeon.cluster.options import Options
from kubeon.errors import OperationError
from kubeon.hosts.marks import MARKER
from kubeon.operations.listing import admin_kubeconfig, user_server
from tests.conftest import MakeWorld
from tests.fakes.world import World


def made(world: MakeWorld) -> tuple[World, Options]:
    """A cluster whose record has lost its admin.conf."""
    here = world(control_planes=3, workers=1)
    here.create()
    here.state.admin_conf.unlink()
    here.connected.clear()
    return here, Options(secrets=here.secrets)


def test_it_is_fetched_where_the_record_has_none_and_kept(world: MakeWorld) -> None:
    """From any control plane, also when the first one is down; workers are not asked, and then nobody is."""
    here, options = made(world)
    here.power_off("cp1")

    text = admin_kubeconfig("demo", options, here.home)

    assert text == here["cp2"].files["/etc/kubernetes/admin.conf"][0]
    assert here["w1"].address not in here.connected
    here.connected.clear()
    assert admin_kubeconfig("demo", options, here.home) == text
    assert here.connected == []


def test_another_clusters_hosts_are_not_asked_for_it(world: MakeWorld) -> None:
    """And the error says of each why not."""
    here, options = made(world)
    here.power_off("cp1")
    here["cp2"].files[MARKER] = ("other 0123\n", "644")
    del here["cp3"].files["/etc/kubernetes/admin.conf"]

    with pytest.raises(OperationError) as caught:
        admin_kubeconfig("demo", options, here.home)

    assert "no route to host" in caught.value.why
    assert "cp2: it does not bear this cluster's mark" in caught.value.why
    assert "cp3: it has none" in caught.value.why


def test_a_users_server_can_be_reached_from_outside(world: MakeWorld) -> None:
    """The API's own name is one of nodes only."""
    assert user_server(world(control_planes=3).spec) == "https://10.0.0.1:6443"
    balancer = {"mode": "external", "address": "lb.example.org:8443"}
    assert user_server(world(loadBalancer=balancer).spec) == "https://lb.example.org:8443"
