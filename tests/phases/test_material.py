"""Files, images and certificates: only what is missing or differs travels."""

import pytest

from kubeon.errors import KubeonError
from tests.conftest import MakeWorld
from tests.fakes.machine import Machine

KUBELET = "/usr/local/bin/kubelet"


def told(machine: Machine) -> list[str]:
    """What changed the machine, without locks."""
    return [token for token in machine.changed if token != "lock"]


def test_a_program_that_differs_is_sent_alone(world: MakeWorld) -> None:
    """Somebody replaced the kubelet, on one host."""
    here = world(control_planes=1, workers=1)
    here.create()
    wanted = here["w1"].programs[KUBELET]
    here["w1"].programs[KUBELET] = ("00ff", "755")

    here.create()

    assert here["w1"].programs[KUBELET] == wanted
    assert here.changes() == [("w1", "install-files")]


def test_an_image_whose_tag_was_moved_is_imported_again(world: MakeWorld) -> None:
    """And one that lost its pin is pinned, without being sent."""
    here = world(control_planes=1, workers=1)
    here.create()
    moved, unpinned = list(here["w1"].images)[:2]
    here["w1"].images[moved][0] = "sha256:00ff"
    here["w1"].images[unpinned][1] = False
    for machine in here.machines.values():
        machine.told.clear()

    here.create()

    assert [(host, phase) for host, phase in here.changes()] == [("w1", "import-images")]
    assert [pinned for _, pinned in here["w1"].images.values()] == [True] * 4
    assert "import" not in here["cp1"].told


def test_workers_get_no_images_of_the_control_plane(world: MakeWorld) -> None:
    """kube-proxy, pause, CoreDNS, and what leads to the API are enough."""
    here = world(control_planes=1, workers=1)
    here.create()

    names = {reference.rpartition(":")[0].rpartition("/")[2] for reference in here["w1"].images}
    assert names == {"kube-proxy", "pause", "coredns", "haproxy"}


def test_workers_get_no_private_key_of_the_cluster(world: MakeWorld) -> None:
    """Only their own; and no private key anywhere can be read by others."""
    here = world(control_planes=1, workers=1)
    here.create()

    keys = {path for path, (content, _) in here["w1"].files.items() if "PRIVATE KEY" in content}
    assert keys == {
        f"/var/lib/kubelet/pki/{name}"
        for name in ("kubelet.key", "kubelet-client-kubeon.pem", "kubelet-client-current.pem")
    }
    open_keys = [
        path
        for machine in here.machines.values()
        for path, (content, mode) in machine.files.items()
        if "PRIVATE KEY" in content and mode != "600"
    ]
    assert open_keys == []


@pytest.mark.parametrize("path", ["/etc/kubernetes/pki/apiserver.key", "/var/lib/kubelet/pki/kubelet.crt"])
def test_a_certificate_that_is_lost_is_issued_again(path: str, world: MakeWorld) -> None:
    """With its key; the others stay as they are."""
    here = world(control_planes=1, workers=1)
    here.create()
    before = dict(here["cp1"].files)
    del here["cp1"].files[path]

    here.create()

    changed = {name for name, file in here["cp1"].files.items() if before[name] != file}
    stem = path.rpartition(".")[0]
    assert changed == {f"{stem}.crt", f"{stem}.key"}
    assert here.changes() == [("cp1", "place-certificates")]


def test_a_configuration_that_somebody_changed_is_put_back_and_the_unit_restarted(world: MakeWorld) -> None:
    """containerd's, on one host."""
    here = world(control_planes=1, workers=1)
    here.create()
    here["w1"].files["/etc/containerd/config.toml"] = ("# mine\n", "644")

    here.create()

    assert here.changes() == [("w1", "start-runtime")]
    event = next(event for event in here.watcher.events if event.host == "w1" and event.changes)
    assert event.changes == ("/etc/containerd/config.toml", "containerd.service restarted")


def test_a_host_without_room_is_an_error_with_its_words(world: MakeWorld) -> None:
    """What, where and why."""
    here = world(control_planes=1, workers=2)
    here["w1"].fails["place"] = "tar: write error: No space left on device"

    with pytest.raises(KubeonError) as caught:
        here.create()

    assert str(caught.value).startswith("w1: send ")
    assert "No space left on device" in caught.value.why
