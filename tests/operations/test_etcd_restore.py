"""`kubeon etcd snapshot restore` on fakes: of all, of what is left, interrupted anywhere, refused where it must be."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeon.errors import KubeonError, PreflightError, StateError, UsageError
from kubeon.state.restoring import read_attempt
from kubeon.state.snapshots import read_description
from kubeon.waiting import SYSTEM_CLOCK
from tests.conftest import MakeWorld
from tests.fakes.restore import MANIFESTS, MEMBER
from tests.fakes.world import World

TOKENS = ["receive_snapshot", "describe_snapshot", "park", "restore_data", "unpark", "restart_kubelet"]
PLANES = ("cp1", "cp2", "cp3")


def created(world: MakeWorld, **fields: Any) -> tuple[World, Path]:
    """A cluster with three control planes, and a snapshot of it; then something more was written."""
    here = world(control_planes=3, workers=1, **fields)
    here.create()
    path = here.take_snapshot().snapshot.path
    here.api.etcd.revision = 9000
    forget(here)
    return here, path


def forget(here: World) -> None:
    """What was told so far."""
    for machine in here.machines.values():
        machine.told.clear()
        machine.changed.clear()
    here.api.etcd.log.clear()


def lose(here: World, *names: str) -> None:
    """These machines are gone for good."""
    for name in names:
        here.power_off(name)


def voters(here: World) -> list[str]:
    """Names of etcd's members."""
    return sorted(member.name for member in here.api.etcd.members)


def old_data(here: World, name: str) -> list[str]:
    """Folders with data that was set aside."""
    return [path for path in here[name].files if path.startswith("/var/lib/etcd.before-")]


def test_an_image_of_etcd_without_etcdutl(world: MakeWorld) -> None:
    """It is brought while everything still runs; of a single member, too."""
    here = world(control_planes=3, workers=1)
    here.without_etcdutl("3.6.4")
    here.create()
    lose(here, "cp2", "cp3")

    here.restore(member="@ip=10.0.0.1", dead=["@ip=10.0.0.2,10.0.0.3"])

    told = here["cp1"].told
    assert told.index("unpack", told.index("inspect_etcd")) < told.index("park")


def test_without_etcdutl_nothing_is_stopped(world: MakeWorld) -> None:
    """Where it cannot be had."""
    here = world(control_planes=1, workers=1)
    here.without_etcdutl("3.6.4", elsewhere=False)
    here.create()
    here.api.etcd.stop("10.0.0.1")

    with pytest.raises(KubeonError, match="has no etcdutl"):
        here.restore(member="@ip=10.0.0.1")

    assert "park" not in here["cp1"].told


def test_all_control_planes_are_restored(world: MakeWorld) -> None:
    """To the snapshot's revision; the old data is kept, everything runs again, nothing is left lying about."""
    here, path = created(world)

    result = here.restore(path)

    assert here.api.etcd.log == ["restored cp1 cp2 cp3"]
    assert here.api.etcd.revision == 4711
    assert result.restored == PLANES
    assert result.gone == ()
    for name in PLANES:
        (old,) = old_data(here, name)
        assert old == f"{(result.old or {})[name]}/member"
        assert sorted(p for p in here[name].files if p.startswith(f"{MANIFESTS}/")) == sorted(
            f"{MANIFESTS}/{each}.yaml"
            for each in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        )
        assert not here[name].snapshot_file
    assert "restart_kubelet" in here["w1"].told
    assert read_attempt(here.state) is None
    assert here.create().changed is False


def test_what_is_left_of_three_is_restored_alone(world: MakeWorld) -> None:
    """The quorum is lost; then the dead ones leave by `del`, and new ones come by `add`."""
    here, path = created(world)
    lose(here, "cp2", "cp3")

    result = here.restore(path, dead=["@ip=10.0.0.2,10.0.0.3"])

    assert voters(here) == ["cp1"]
    assert len(result.gone) == 2
    assert any("must never come back" in each.what for each in here.plans[-1].warnings)
    here.delete("@ip=10.0.0.2,10.0.0.3", dead=True)
    here.add({"address": "10.0.0.4", "role": "control-plane"}, {"address": "10.0.0.5", "role": "control-plane"})
    assert voters(here) == ["cp1", "cp4", "cp5"]


def test_from_the_member_that_is_left_nothing_is_lost(world: MakeWorld) -> None:
    """No snapshot, no quorum: what the member has is saved first, and brought here."""
    here, _ = created(world)
    lose(here, "cp1", "cp3")

    result = here.restore(member="@ip=10.0.0.2", dead=["@ip=10.0.0.1,10.0.0.3"])

    assert voters(here) == ["cp2"]
    assert here.api.etcd.revision == 9000
    assert result.snapshot
    about = read_description(result.snapshot)
    assert about
    assert (about.member, about.revision) == ("cp2", 9000)
    assert "save its data as a snapshot" in str(here.plans[-1].hosts["cp2"])


def test_a_single_member_is_not_put_before_a_cluster_that_works(world: MakeWorld) -> None:
    """Others may know more."""
    here, _ = created(world)
    lose(here, "cp3")

    with pytest.raises(PreflightError, match="has its quorum") as caught:
        here.restore(member="@ip=10.0.0.2", dead=["@ip=10.0.0.3"])

    assert "kubeon del demo @NODE --dead" in caught.value.hint
    assert not [name for name in PLANES if here[name].changed]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("host", ["cp1", "cp3"])
def test_cut_off_anywhere_the_same_command_continues(token: str, host: str, world: MakeWorld) -> None:
    """The data is exchanged once on each host, and etcd starts nowhere before all have theirs."""
    here, path = created(world)
    here[host].cuts.add(token)
    with pytest.raises(KubeonError):
        here.restore(path)
    assert voters(here) == ["cp1", "cp2", "cp3"]
    first = read_attempt(here.state)

    here.restore(path)

    assert first
    assert "continues the restore" in str(here.plans[-1].header)
    assert here.api.etcd.revision == 4711
    assert [len(old_data(here, name)) for name in PLANES] == [1, 1, 1]
    assert here.api.etcd.log == ["restored cp1 cp2 cp3"]
    assert read_attempt(here.state) is None


@pytest.mark.parametrize("token", ["park", "rescue", "send_snapshot", "restore_data"])
def test_cut_off_while_a_member_is_saved(token: str, world: MakeWorld) -> None:
    """What was written before is all there in the end."""
    here, _ = created(world)
    lose(here, "cp1", "cp3")
    how: dict[str, Any] = {"member": "@ip=10.0.0.2", "dead": ["@ip=10.0.0.1,10.0.0.3"]}
    here["cp2"].cuts.add(token)
    with pytest.raises(KubeonError):
        here.restore(**how)

    here.restore(**how)

    assert here.api.etcd.revision == 9000
    assert len(old_data(here, "cp2")) == 1


def test_one_that_fails_stops_the_others_before_anything_is_exchanged(world: MakeWorld) -> None:
    """Two of three with new data, and one with old, would be two clusters."""
    here, path = created(world)
    here["cp2"].fails["receive_snapshot"] = "no space left on device"

    with pytest.raises(KubeonError, match="no space left"):
        here.restore(path)

    assert not [name for name in PLANES if "park" in here[name].told]
    assert here.etcd_report().healthy


def test_with_another_snapshot_it_is_another_restore(world: MakeWorld) -> None:
    """Nobody takes members of the one for members of the other."""
    here, path = created(world)
    here["cp3"].fails["restore_data"] = "killed"
    other = path.with_name("other.db")
    with pytest.raises(KubeonError):
        here.restore(path)
    first = read_attempt(here.state)
    here.api.etcd.start("10.0.0.1")
    for end in ("", ".json", ".sha256"):
        other.with_name(other.name + end).write_bytes(path.with_name(path.name + end).read_bytes())
    content = other.read_bytes().replace(b"4711", b"4700")
    _rewrite(other, content)

    here.restore(other)

    assert first
    assert here.api.etcd.revision == 4700
    tokens = {json.loads(here[name].files[MEMBER][0])["token"] for name in PLANES}
    assert len(tokens) == 1
    assert f"kubeon-{first.id}" not in tokens


def test_no_snapshot_in_the_middle_of_a_restore(world: MakeWorld) -> None:
    """It would clear away the marks of what is done."""
    here, path = created(world)
    here["cp3"].cuts.add("restart_kubelet")
    with pytest.raises(KubeonError):
        here.restore(path)

    with pytest.raises(StateError, match="is not finished"):
        here.take_snapshot()

    here.restore(path)
    here.take_snapshot(file=path.with_name("later.db"))


@pytest.mark.parametrize("command", ["create", "add", "remove", "upgrade"])
def test_members_do_not_come_and_go_in_the_middle_of_a_restore(command: str, world: MakeWorld) -> None:
    """Some members of etcd have old data and some new: the restore comes to its end first."""
    here, path = created(world)
    here["cp3"].cuts.add("restart_kubelet")
    with pytest.raises(KubeonError):
        here.restore(path)
    forget(here)
    commands: dict[str, Callable[[], object]] = {
        "create": here.create,
        "add": lambda: here.add({"address": "10.0.0.9", "role": "worker"}),
        "remove": lambda: here.delete("@w1"),
        "upgrade": lambda: here.upgrade("v1.20.15"),
    }

    with pytest.raises(StateError, match=r"a restore of etcd .* is not finished") as caught:
        commands[command]()

    assert "resume it: the same kubeon etcd snapshot restore" in caught.value.hint
    assert not [machine.name for machine in here.machines.values() if machine.changed]


def test_the_word_is_no(world: MakeWorld) -> None:
    """Nothing has happened."""
    here, path = created(world)
    before = here.snapshot()

    here.restore(path, yes=False)

    assert here.snapshot() == before
    assert read_attempt(here.state) is None
    plan = here.plans[-1]
    assert "what came later is lost" in str(plan.header)
    assert "keep what is there now in /var/lib/etcd.before-" in str(plan.hosts["cp1"])


def test_control_planes_that_do_not_answer_have_to_be_named(world: MakeWorld) -> None:
    """And one that answers is not dead."""
    here, path = created(world)
    lose(here, "cp3")

    with pytest.raises(PreflightError, match="1 of 3 control planes cannot be reached") as caught:
        here.restore(path)
    with pytest.raises(PreflightError, match="cp1 answers, so it is not dead"):
        here.restore(path, dead=["@ip=10.0.0.1,10.0.0.3"])

    assert "--dead @" in caught.value.hint


def _rewrite(path: Path, content: bytes) -> None:
    """Another snapshot, right in itself."""
    pages = content[:-32]
    content = pages + hashlib.sha256(pages).digest()
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{sha256}  {path.name}\n")
    about = path.with_name(f"{path.name}.json")
    values = json.loads(about.read_text()) | {"sha256": sha256, "path": path.name, "revision": 4700}
    about.write_text(json.dumps(values))


def test_a_damaged_snapshot_is_refused(world: MakeWorld) -> None:
    """Before any host is asked, and whatever is forced."""
    here, path = created(world)
    path.write_bytes(path.read_bytes()[:-600])

    for force in (False, True):
        with pytest.raises(PreflightError, match="is damaged"):
            here.restore(path, force=force)


@pytest.mark.parametrize("lacking", ["json", "ca", "checksum"])
def test_a_snapshot_that_nobody_knows_has_to_be_forced(lacking: str, world: MakeWorld) -> None:
    """Of another cluster, of an unknown one, or a copy of a member's own file."""
    here, path = created(world)
    about = path.with_name(f"{path.name}.json")
    if lacking == "json":
        about.unlink()
    elif lacking == "ca":
        about.write_text(json.dumps(json.loads(about.read_text()) | {"ca": "another", "path": path.name}))
    else:
        path.write_bytes(path.read_bytes()[:-32])
        path.with_name(f"{path.name}.sha256").unlink()

    with pytest.raises(PreflightError, match="is not known to be a snapshot of demo") as caught:
        here.restore(path)
    here.restore(path, force=True)

    assert "--force" in caught.value.hint
    assert here.api.etcd.revision == 4711


def test_a_snapshot_of_before_a_rotation(world: MakeWorld) -> None:
    """It is known as the cluster's own; what it says of the CA is out of date, and a command puts that right."""
    here, path = created(world)
    here.rotate("etcd-ca")
    here.restore(path)  # etcd's data does not know that CA
    here.rotate("ca")

    with pytest.raises(PreflightError, match=r"is of before a rotation; nothing was changed") as caught:
        here.restore(path)

    assert "it is of this cluster, taken" in caught.value.why
    assert f"was rotated on {SYSTEM_CLOCK.now():%Y-%m-%d}" in caught.value.why
    assert "kubeon certs rotate-ca demo ca --restart-pods" in caught.value.hint
    result = here.restore(path, force=True)
    assert result.todo == "kubeon certs rotate-ca demo ca --restart-pods"
    assert here.api.etcd.revision == 4711
    assert here.restore(here.take_snapshot().snapshot.path).todo == ""


def test_a_record_that_knows_no_rotation(world: MakeWorld) -> None:
    """Made anew from the description: then nobody can tell whose it is."""
    here, path = created(world)
    here.rotate("ca")
    for kept in here.state.path.glob("pki-until-*"):
        kept.rename(here.state.path / "elsewhere")

    with pytest.raises(PreflightError, match="is not known to be a snapshot of demo") as caught:
        here.restore(path)

    assert "another cluster of this name, or of before its CA was rotated: demo" in caught.value.why


def test_a_disk_that_is_too_small(world: MakeWorld) -> None:
    """The old data stays, so both have to fit."""
    here, path = created(world)
    here["cp2"].etcd_disk = 100

    with pytest.raises(PreflightError, match="cp2: /var/lib/etcd has 100 MiB free"):
        here.restore(path)


def test_what_is_meant_has_to_be_said(world: MakeWorld) -> None:
    """One source, that is there."""
    here, path = created(world)

    with pytest.raises(UsageError, match="nothing to restore from"):
        here.restore()
    with pytest.raises(UsageError, match="nothing to restore from"):
        here.restore(path, member="@ip=10.0.0.1")
    with pytest.raises(UsageError, match="there is no file"):
        here.restore(path.with_name("none.db"))
    with pytest.raises(UsageError, match="is not one control plane"):
        here.restore(member="@w*")


def test_pods_of_the_system_start_anew_but_not_those_of_the_dead(world: MakeWorld) -> None:
    """Nor static ones."""
    here, path = created(world)
    here.api.system_pods = {
        name: {
            "metadata": {"name": name, "ownerReferences": [{"kind": kind}]},
            "spec": {"nodeName": node},
        }
        for name, kind, node in (
            ("kube-proxy-1", "DaemonSet", "cp1"),
            ("kube-proxy-9", "DaemonSet", "cp3"),
            ("coredns-1", "ReplicaSet", "w1"),
            ("etcd-cp1", "Node", "cp1"),
        )
    }
    lose(here, "cp3")

    here.restore(path, dead=["@ip=10.0.0.3"])

    assert sorted(here.api.system_pods) == ["etcd-cp1", "kube-proxy-9"]


def test_a_record_that_is_damaged(world: MakeWorld) -> None:
    """Is named, with what to do."""
    here, path = created(world)
    (here.state.path / "restore.json").write_text("{")

    with pytest.raises(StateError, match=r"restore\.json is damaged"):
        here.restore(path)
