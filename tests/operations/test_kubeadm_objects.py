"""What operations do to kubeadm's own objects, with a fake kubeadm that reads them whenever it joins or upgrades."""

from typing import Any

import pytest

from kubeon.errors import OperationError
from tests.conftest import MakeWorld
from tests.fakes.world import World

FLAG = "cluster-signing-duration"
BINDING = "ClusterRoleBinding/kubeadm:apiserver-kubelet-client"
MENDED = "kubeadm-config: extraArgs of controllerManager are a list again, as kubeadm.k8s.io/v1beta4 has them"


def spoilt(world: MakeWorld, version: str = "v1.34.1") -> World:
    """A cluster whose certificates an earlier kubeon has renewed."""
    here = world(version=version, control_planes=1, workers=1)
    here.create()
    here.api.cluster_configuration = {"controllerManager": {"extraArgs": {FLAG: "876000h0m0s"}}}
    return here


def args(here: World) -> object:
    """Of the controller manager."""
    assert here.api.cluster_configuration is not None
    return here.api.cluster_configuration["controllerManager"]["extraArgs"]


def test_a_node_joins_after_kubeadms_object_is_mended(world: MakeWorld) -> None:
    """And it is said; a second run finds nothing to do."""
    here = spoilt(world)

    here.add({"address": "10.0.1.9", "role": "worker", "name": "w9"})

    assert ("cp1", "mend-objects") in here.changes()
    assert MENDED in [change for event in here.watcher.events for change in event.changes]
    assert args(here) == [{"name": FLAG, "value": "876000h0m0s"}]
    here.add({"address": "10.0.1.8", "role": "worker", "name": "w8"})
    assert here.ended("mend-objects") == {"cp1": "ok"}


def test_an_upgrade_goes_on_after_kubeadms_object_is_mended(world: MakeWorld) -> None:
    """Before the first kubeadm reads it."""
    here = spoilt(world)

    here.upgrade("v1.34.3")

    assert ("cp1", "mend-objects") in here.changes()
    assert args(here) == [{"name": FLAG, "value": "876000h0m0s"}]


def test_certificates_and_ways_mend_what_they_write(world: MakeWorld) -> None:
    """With a warning, as no step of a walk does it."""
    here = spoilt(world)
    here.renew("all", validity="2y")
    assert [text for text, _ in here.watcher.warnings] == [MENDED]
    assert args(here) == [{"name": FLAG, "value": "17520h0m0s"}]

    here.api.cluster_configuration = {"controllerManager": {"extraArgs": {FLAG: "17520h0m0s"}}}
    here.switch("direct")
    assert [text for text, _ in here.watcher.warnings] == [MENDED]
    assert args(here) == [{"name": FLAG, "value": "17520h0m0s"}]


def test_what_kubeadm_refuses_ends_the_operation_and_is_not_stored(world: MakeWorld) -> None:
    """Certificates are renewed by then, and your kubeconfig has the new one; the same command again is for the rest."""
    here = world(version="v1.27.1", control_planes=1, workers=0)
    here.create()
    before: dict[str, Any] = {"scheduler": {"extraArgs": []}}
    here.api.cluster_configuration = dict(before)
    with pytest.raises(OperationError, match="kubeadm does not read what would be stored"):
        here.renew("admin.conf")
    assert here.state.read_admin_conf() == here["cp1"].files["/etc/kubernetes/admin.conf"][0]
    with pytest.raises(OperationError, match="kubeadm does not read what would be stored"):
        here.renew(validity="2y")
    assert here.api.cluster_configuration == before

    here.api.cluster_configuration = {"scheduler": {"extraArgs": {}}}
    here.renew(validity="2y")

    assert args(here) == {FLAG: "17520h0m0s"}


def test_api_servers_may_talk_to_kubelets_before_their_certificates_name_no_group(world: MakeWorld) -> None:
    """kubeadm's init and upgrade make the binding; where it is gone, renewal and additions make it again."""
    here = world(version="v1.36.3", control_planes=1, workers=0)
    here.create()
    assert here.changes().count(("cp1", "mend-objects")) == 0
    del here.api.applied[BINDING]
    here.renew("admin.conf")
    assert here.api.applied[BINDING]["subjects"][0]["name"] == "kube-apiserver-kubelet-client"
    del here.api.applied[BINDING]

    here.add({"address": "10.0.1.9", "role": "worker", "name": "w9"})

    assert here.api.applied[BINDING]["roleRef"]["name"] == "system:kubelet-api-admin"
    assert ("cp1", "mend-objects") in here.changes()
