"""`kubeon etcd` on fakes: what it says of etcd, snapshots, defragmenting."""

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from kubeon.cluster import snapshot as phases_snapshot
from kubeon.cluster.snapshot import snapshots_of
from kubeon.errors import BundleError, CommandError, KubeonError, OperationError, PreflightError, StateError, UsageError
from kubeon.etcd import snapshots
from kubeon.etcd.snapshots import file_problem, parse_content
from tests.conftest import MakeWorld
from tests.fakes.world import World


def created(world: MakeWorld, control_planes: int = 3) -> World:
    """A cluster."""
    here = world(control_planes=control_planes, workers=1)
    here.create()
    for machine in here.machines.values():
        machine.told.clear()
    return here


def leader(here: World) -> str:
    """Who leads etcd."""
    return next(member.name for member in here.api.etcd.members if member.id == here.api.etcd.leader)


def test_a_healthy_etcd(world: MakeWorld) -> None:
    """Every member with its numbers, one leader; workers are not asked, and nothing is locked or changed."""
    here = created(world)
    before = here.snapshot()
    here.connected.clear()

    report = here.etcd_report()

    assert report.healthy
    assert str(report.quorum) == "3 voters, all answer, 2 needed: 1 may fail"
    assert sorted(each.role for each in report.members) == ["leader", "voter", "voter"]
    assert [each.status.db_size for each in report.members if each.status] == [3_000_000] * 3
    assert sorted(here.connected) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert here.snapshot() == before


def test_one_member_is_dead(world: MakeWorld) -> None:
    """The rest is told all the same, and what may still fail."""
    here = created(world)
    here.power_off("cp2")

    report = here.etcd_report()

    assert not report.healthy
    assert [each.node for each in report.members if each.problem] == ["cp2"]
    assert "none may fail" in str(report.quorum)


@pytest.mark.parametrize("serves", [True, False])
def test_the_quorum_is_lost(serves: bool, world: MakeWorld) -> None:
    """It is said first; the one that is left is asked by itself, whether it serves anybody or not."""
    here = created(world)
    here.power_off("cp2")
    here.power_off("cp3")
    here.api.etcd.members[0].serves = serves

    report = here.etcd_report()

    assert report.problems[0].startswith("etcd has lost its quorum (3 voters, 0 answer, 2 needed")
    first = report.members[0]
    assert (first.status is not None) == serves
    assert first.problem == (
        "etcdserver: no leader" if serves else "its etcd runs, but does not serve: it waits for the others"
    )


def test_an_alarm_and_a_stranger(world: MakeWorld) -> None:
    """Alarms name the node; a member that no node has is a problem of its own."""
    here = created(world)
    second = here.api.etcd.members[1]
    here.api.etcd.members[0].errors = (f"memberID:{second.id} alarm:NOSPACE ",)
    here.api.etcd.add("old", "10.0.0.9")

    report = here.etcd_report()

    assert f"alarm NOSPACE on {second.name}" in report.problems
    assert "old: no control plane on record is there" in report.problems


def test_a_snapshot_comes_to_the_control_machine(world: MakeWorld) -> None:
    """From a follower; whole, private, described; nothing of it stays on the host."""
    here = created(world)

    found = here.take_snapshot().snapshot

    assert file_problem(found.path) == ""
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert found.path.parent == here.state.path / "snapshots"
    assert found.path.name.endswith("Z-4711.db")
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert found.member != leader(here)
    assert (found.cluster, found.kubernetes, found.etcd, found.keys) == ("demo", "v1.34.1", "3.4.13", 12)
    assert sorted(found.members) == ["cp1", "cp2", "cp3"]
    assert all(not machine.snapshot_file for machine in here.machines.values())
    assert snapshots_of(here.state).all() == [found]
    assert here.state.journal.entries()[-1].operation == "etcd-snapshot"


def test_snapshots_outlive_their_cluster(world: MakeWorld) -> None:
    """Whoever destroys a cluster by mistake has its data."""
    here = world(control_planes=1, workers=1)
    here.create()
    found = here.take_snapshot().snapshot

    result = here.destroy()

    kept = here.home.path / "forgotten" / "demo-snapshots"
    assert result.stays[-1] == f"snapshots of etcd are kept: {kept}"
    assert file_problem(kept / found.path.name) == ""


def test_a_snapshot_in_pieces(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are."""
    monkeypatch.setattr(snapshots, "PIECE", 1000)
    here = created(world, control_planes=1)

    assert file_problem(here.take_snapshot().snapshot.path) == ""


@pytest.mark.parametrize("token", ["save_snapshot", "describe_snapshot", "send_snapshot"])
def test_a_snapshot_that_fails_leaves_nothing(token: str, world: MakeWorld) -> None:
    """On neither side, and the next one is good."""
    here = created(world, control_planes=1)
    here["cp1"].fails[token] = "no space left on device"

    with pytest.raises(CommandError, match="no space left"):
        here.take_snapshot()

    assert snapshots_of(here.state).all() == []
    assert not list((here.state.path / "snapshots").glob(".*"))
    here.take_snapshot(keep=1)
    assert not here["cp1"].snapshot_file


def test_a_snapshot_that_comes_damaged(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is noticed by its checksum."""
    here = created(world, control_planes=1)
    monkeypatch.setattr(phases_snapshot, "parse_content", lambda text: replace(parse_content(text), sha256="other"))

    with pytest.raises(StateError, match="did not come whole"):
        here.take_snapshot()

    assert snapshots_of(here.state).all() == []


def test_an_image_of_etcd_without_etcdutl(world: MakeWorld) -> None:
    """That of Kubernetes 1.34.0 and 1.34.1: it comes from etcd's release, once, to the host that needs it."""
    here = created(world)
    here.without_etcdutl("3.6.4")

    assert file_problem(here.take_snapshot().snapshot.path) == ""

    brought = [name for name in ("cp1", "cp2", "cp3") if snapshots.ETCDUTL in here[name].programs]
    assert len(brought) == 1
    here.take_snapshot()
    assert here[brought[0]].told.count("unpack") == 1


def test_an_etcdutl_that_cannot_be_had(world: MakeWorld) -> None:
    """Is told as that, before a snapshot is taken."""
    here = created(world)
    here.without_etcdutl("3.6.4", elsewhere=False)

    with pytest.raises(BundleError, match=r"the image of etcd 3\.6\.4 has no etcdutl, and it cannot be had otherwise"):
        here.take_snapshot()

    assert not any("save_snapshot" in machine.told for machine in here.machines.values())


def test_older_snapshots_go(world: MakeWorld) -> None:
    """As many stay as was said; not with a place of one's own."""
    here = created(world, control_planes=1)
    for revision in (1, 2, 3):
        here.api.etcd.revision = revision
        result = here.take_snapshot(keep=2)

    assert [path.name.rpartition("-")[2] for path in result.pruned] == ["1.db"]
    assert [each.revision for each in snapshots_of(here.state).all()] == [2, 3]
    with pytest.raises(UsageError, match="--keep"):
        here.take_snapshot(keep=2, file=here.home.path / "x.db")


def test_a_snapshot_at_a_place_of_its_own(world: MakeWorld, tmp_path: Path) -> None:
    """Which is never overwritten."""
    here = created(world, control_planes=1)

    found = here.take_snapshot(file=tmp_path / "mine.db").snapshot

    assert found.path == tmp_path / "mine.db"
    with pytest.raises(UsageError, match="is there already"):
        here.take_snapshot(file=tmp_path / "mine.db")


def test_no_snapshot_without_a_quorum(world: MakeWorld) -> None:
    """A single member does not know the last word; what to do then is said."""
    here = created(world)
    here.power_off("cp2")
    here.power_off("cp3")

    with pytest.raises(OperationError) as caught:
        here.take_snapshot()

    assert "answers on no control plane" in caught.value.what
    assert "kubeon etcd status" in caught.value.hint


def test_defragmenting_goes_one_by_one_and_the_leader_last(world: MakeWorld) -> None:
    """With the sizes before and after."""
    here = created(world)
    here.api.etcd.log.clear()

    result = here.defragment()

    assert here.api.etcd.log[-1] == f"defrag {leader(here)}"
    assert sorted(here.api.etcd.log) == ["defrag cp1", "defrag cp2", "defrag cp3"]
    assert len(result.sizes) == 3
    assert all((before, after) == (3_000_000, 1_000_000) for _, before, after in result.sizes)
    assert "of which 0.9 MB are in use" in str(here.plans[-1].hosts)


def test_defragmenting_is_refused_while_a_member_is_dead(world: MakeWorld) -> None:
    """One more that serves nobody would be one too many."""
    here = created(world)
    here.power_off("cp2")
    here.api.etcd.log.clear()

    with pytest.raises(PreflightError, match="cp2 of etcd does not answer"):
        here.defragment()

    assert here.api.etcd.log == []


def test_a_defragmentation_that_fails_is_told(world: MakeWorld) -> None:
    """And touches no other member when etcd is not whole any more."""
    here = created(world)
    first = next(name for name in ("cp1", "cp2", "cp3") if name != leader(here))

    def die(token: str) -> None:
        if token == "inside" and "defrag" in "".join(here.api.etcd.log):
            here.api.etcd.stop(here[first].address)

    here.api.etcd.log.clear()
    for machine in here.machines.values():
        machine.hook = die
    with pytest.raises(KubeonError):
        here.defragment()

    assert len([line for line in here.api.etcd.log if line.startswith("defrag")]) == 1
