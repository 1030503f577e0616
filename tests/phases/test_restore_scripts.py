"""restoration.sh in a real shell: manifests that move and come back, data that is exchanged, cut off anywhere."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from kubeon.cluster.restoration import PARKED, Found, Restoration
from kubeon.cri.containerd import Containerd
from kubeon.etcd.manifest import EtcdManifest
from kubeon.hosts.host import Host
from kubeon.state.restoring import Attempt
from tests.hosts.sandbox import Sandbox
from tests.phases.test_host_scripts import SHELLS, moved

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
MANIFESTS = "etc/kubernetes/manifests"
# containerd with an image whose programs do what this test needs of them
CTR = """\
shift 2
case "$1 $2" in
"tasks ls") echo TASK; [ ! -e "$STATE/runs" ] || echo "abc 1 RUNNING" ;;
"containers ls") [ ! -e "$STATE/runs" ] || echo abc ;;
"tasks kill")
    [ "$5" != kubeon-rescue ] || { [ ! -e "$STATE/rescuer" ] || kill "$(cat "$STATE/rescuer")"; exit; }
    [ -e "$STATE/stubborn" ] || rm -f "$STATE/runs" ;;
"tasks exec")
    case "$9 ${10}" in
    "endpoint health") [ -e "$STATE/rescuer" ] ;;
    "snapshot save")
        [ ! -e "$STATE/deadly" ] || kill -KILL "$PPID"
        cp "$(dirname "${11}")/copy/member/snap/db" "${11}" ;;
    *) exit 97 ;;
    esac ;;
"tasks delete" | "containers delete" | "snapshots remove") ;;
"run --rm")
    shift 6
    if [ "$1" = etcd ]; then
        echo $$ >"$STATE/rescuer"
        echo "$*" >>"$STATE/rescues"
        exec /usr/bin/sleep 60
    fi
    case "$1 $2" in
    "etcdutl version") [ -e "$STATE/etcdutl" ] ;;
    "etcdctl snapshot" | "etcdutl snapshot")
        [ "$4" != --help ] || { cat "$STATE/help"; exit 0; }
        echo "$*" >>"$STATE/restores"
        [ ! -e "$6" ] || exit 9
        mkdir -p "$6/member/snap" && echo restored >"$6/member/snap/db" ;;
    *) exit 98 ;;
    esac ;;
*) echo "ctr $*" >&2; exit 99 ;;
esac
"""


def a_box(folder: Path, shell: tuple[str, ...] = ("dash",)) -> Sandbox:
    """A control plane with data."""
    box = Sandbox(folder, shell)
    box.unit("kubelet", "enabled active")
    box.program("sync", "exit 0\n")
    box.program("seq", 'exec /usr/bin/seq "$(($1 > 4 ? 4 : $1))"\n')
    box.program("sleep", 'rm -f "$STATE/runs"\n')
    box.program("systemctl", "exit 0\n")
    for name in COMPONENTS:
        box.write(f"{MANIFESTS}/{name}.yaml", f"{name}\n")
    box.write(f"{MANIFESTS}/local-haproxy.yaml", "not ours to move\n")
    box.write("var/lib/etcd/member/snap/db", "old\n")
    box.write("var/lib/etcd/.kubeon-snapshot/snapshot.db", "snapshot\n")
    box.program("ctr", CTR)
    (folder / "state" / "help").write_text("--skip-hash-check\n")
    return box


def script(box: Sandbox, call: str, attempt: str = "abc123") -> str:
    """A call of one of the functions."""
    sent: list[str] = []

    class Recorder:
        name = "cp1"

        def change(self, text: str, **_: Any) -> str:
            sent.append(text)
            return ""

    manifest = EtcdManifest("k8s.gcr.io/etcd:3.4.13-0", "cp1", "https://10.0.0.1:2380", "/var/lib/etcd")
    work = Restoration(
        Attempt(attempt, "sha", ("10.0.0.1",), "x.db", "20260131T120000Z"),
        {"cp1": Found(manifest, 9999, 9)},
        Containerd(),
    )
    host = cast(Host, Recorder())
    work.run(host, call if call != "restore" else "restore " + " ".join(work.restore_words(host)), what="x")
    return moved(sent[0], box.root)


@SHELLS
def test_the_control_plane_stops_and_starts_again(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Its four manifests, and no other; each of it may be asked for twice."""
    box = a_box(tmp_path, shell)
    (tmp_path / "state" / "runs").touch()
    manifests = Path(box.root) / MANIFESTS

    said = box.run(script(box, "park"))
    again = box.run(script(box, "park"))

    assert sorted(said.split()) == sorted(f"stopped {' stopped '.join(COMPONENTS)}".split())
    assert again == ""
    assert [path.name for path in manifests.iterdir()] == ["local-haproxy.yaml"]
    assert box.run(script(box, "unpark etcd")) == "started etcd\n"
    assert box.run(script(box, "unpark kube-apiserver kube-controller-manager kube-scheduler")).count("started") == 3
    assert box.run(script(box, "unpark etcd")) == ""
    assert box.read(f"{MANIFESTS}/etcd.yaml") == "etcd\n"
    assert not (Path(box.root) / PARKED[1:]).exists()


def test_what_does_not_end_is_told(tmp_path: Path) -> None:
    """Nothing is done to data that somebody has open."""
    box = a_box(tmp_path)
    (tmp_path / "state" / "runs").touch()
    (tmp_path / "state" / "stubborn").touch()
    box.program("sleep", "exit 0\n")

    box.run(script(box, "park"), exit_code=1)

    assert "still run" in box.stderr


@SHELLS
@pytest.mark.parametrize("newer", [False, True], ids=["3.4", "3.6"])
def test_the_data_is_exchanged_once(newer: bool, shell: tuple[str, ...], tmp_path: Path) -> None:
    """What was there is beside it; the tool is the one that the image has, with the flags that it has."""
    box = a_box(tmp_path, shell)
    if newer:
        (tmp_path / "state" / "etcdutl").touch()
        (tmp_path / "state" / "help").write_text("--bump-revision\n--mark-compacted\n")

    said = box.run(script(box, "restore"))
    box.write("var/lib/etcd/member/snap/db", "written since\n")
    again = box.run(script(box, "restore"))

    (called,) = (tmp_path / "state" / "restores").read_text().splitlines()
    assert called.startswith("etcdutl snapshot restore " if newer else "etcdctl snapshot restore ")
    assert ("--bump-revision 1000000000 --mark-compacted" in called) == newer
    assert "--initial-cluster cp1=https://10.0.0.1:2380 --initial-cluster-token kubeon-abc123" in called
    assert "the data as it was: " in said
    assert again == ""
    assert box.read("var/lib/etcd/member/snap/db") == "written since\n"
    assert box.read("var/lib/etcd.before-20260131T120000Z/member/snap/db") == "old\n"


def test_another_restore_begins_anew(tmp_path: Path) -> None:
    """And keeps what the first one brought, too, also when it has the same time."""
    box = a_box(tmp_path)
    box.run(script(box, "restore"))
    box.write("var/lib/etcd/member/snap/db", "written since\n")

    box.run(script(box, "restore", attempt="def456"))

    kept = sorted(path.read_text() for path in Path(box.root).glob("var/lib/etcd.before-*/member/snap/db"))
    assert kept == ["old\n", "written since\n"]
    assert box.read("var/lib/etcd/member/snap/db") == "restored\n"


def test_a_member_without_data_gets_some(tmp_path: Path) -> None:
    """There is nothing to keep."""
    box = a_box(tmp_path)
    (Path(box.root) / "var/lib/etcd/member/snap/db").unlink()
    (Path(box.root) / "var/lib/etcd/member/snap").rmdir()
    (Path(box.root) / "var/lib/etcd/member").rmdir()

    assert box.run(script(box, "restore")) == "etcd's data restored\n"
    assert not list(Path(box.root).glob("var/lib/etcd.before-*"))


@pytest.mark.parametrize("step", range(1, 14))
def test_a_restore_that_was_killed_is_taken_up_again(step: int, tmp_path: Path) -> None:
    """At any step: the new data is there whole, and the old data is somewhere."""
    box = a_box(tmp_path)
    box.mortal("rm", "mv", "mkdir", "chown", "cat", "grep", "sync")

    box.attempt(f"export DIE={step}\n{script(box, 'restore')}")
    box.run(script(box, "restore"))

    kept = [path.read_text() for path in Path(box.root).glob("var/lib/etcd.before-*/member/snap/db")]
    assert box.read("var/lib/etcd/member/snap/db") == "restored\n"
    assert "old\n" in kept
    assert box.run(script(box, "restore")) == ""


@SHELLS
def test_a_members_data_is_saved_from_a_copy(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Read by etcd itself, as a cluster of one; what is there stays as it is, and nothing runs on."""
    box = a_box(tmp_path, shell)

    box.run(script(box, "rescue cp1"))

    (called,) = (tmp_path / "state" / "rescues").read_text().splitlines()
    assert "--name cp1" in called
    assert "--force-new-cluster" in called
    assert box.read("var/lib/etcd/.kubeon-snapshot/snapshot.db") == "old\n"
    assert box.read("var/lib/etcd/member/snap/db") == "old\n"
    assert [path.name for path in Path(f"{box.root}/var/lib/etcd/.kubeon-snapshot").iterdir()] == ["snapshot.db"]
    _ends(tmp_path)


def test_what_a_killed_rescue_leaves_behind_holds_up_nobody(tmp_path: Path) -> None:
    """The host's lock is free although its etcd still runs; the next run ends that, and saves the data."""
    box = a_box(tmp_path)
    (tmp_path / "state" / "deadly").touch()

    box.attempt(f"exec 9<{box.root}\nflock -x 9\n{script(box, 'rescue cp1')}")
    free = subprocess.run(["flock", "-n", box.root, "true"], check=False).returncode == 0
    (tmp_path / "state" / "deadly").unlink()
    box.run(script(box, "rescue cp1"))

    assert free
    assert box.read("var/lib/etcd/.kubeon-snapshot/snapshot.db") == "old\n"
    _ends(tmp_path)


def _ends(folder: Path) -> None:
    """The etcd that read the data is gone."""
    pid = (folder / "state" / "rescuer").read_text().strip()
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


def test_shellcheck(tmp_path: Path) -> None:
    """Has nothing to say."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not there")
    path = tmp_path / "a.sh"
    path.write_text("#!/bin/sh\n" + script(a_box(tmp_path), "park"))
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
