"""Scripts of phases that a real shell can run, with every absolute path moved into a folder."""

import re
from pathlib import Path

import pytest

from kubeon.bundle.install import ASIDE, INSTALLED
from kubeon.cluster.context import Cluster
from kubeon.cluster.look import Seen
from kubeon.cluster.resolve import cluster_to_clean
from kubeon.hosts.host import Host
from kubeon.phases.authorize_key import AuthorizeKey
from kubeon.phases.clean_host import clean_script
from kubeon.state.home import Home
from tests.engine.test_runner import Watcher
from tests.fakes.api import FakeApi
from tests.fakes.connection import FakeConnection
from tests.fakes.machine import Machine
from tests.hosts.sandbox import Sandbox
from tests.specs import a_spec

SHELLS = pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix")], ids=lambda shell: str(shell[0]))
KEY = "ssh-ed25519 AAAA/+= kubeon demo"
ROOTS = "dev|etc|home|opt|proc|root|run|sys|usr|var"
RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A PREROUTING -p tcp --dport 80 -j DNAT --to 10.9.9.9
COMMIT
"""
PROGRAMS = {
    "systemctl": '[ "$1" = disable ] && echo "$4" >>"$STATE/stopped"\nexit 0\n',
    "umount": (
        'echo "$*" >>"$STATE/umounted"\n'
        'grep -vF " $(printf "%s" "$1" | sed "s/ /\\\\\\\\040/g") " "$ROOT/proc/mounts" >"$STATE/mounts"\n'
        'cat "$STATE/mounts" >"$ROOT/proc/mounts"\n'
    ),
    "ip": 'echo "$*" >>"$STATE/ip"\nrm -rf "$ROOT/sys/class/net/$3"\n',
    "iptables-save": 'cat "$STATE/rules"\n',
    "iptables-restore": 'cat >"$STATE/rules.new" && mv "$STATE/rules.new" "$STATE/rules"\n',
    "getent": 'echo "root:x:0:0:root:$ROOT/root:/bin/sh"\n',
    **dict.fromkeys(("ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"), "exit 0\n"),
    **dict.fromkeys(("nft", "pgrep", "ipvsadm", "flock"), "exit 0\n"),
    **dict.fromkeys(("iptables", "ip6tables", "ip6tables-restore", "kill"), "exit 99\n"),
}


def moved(script: str, root: str) -> str:
    """The script with every absolute path below `root`; nothing of this machine may be named in it."""
    safe = re.sub(rf"(?<![\w.}}$*])/({ROOTS})\b", lambda match: f"{root}/{match[1]}", script)
    safe = safe.replace(f"{root}/dev/null", "/dev/null").replace(f"2>{root}/dev", "2>/dev")
    left = re.findall(rf"[^\w.}}*]/(?:{ROOTS})\b[^\n]*", safe.replace(root, "ROOT").replace("/dev/null", ""))
    assert [line for line in left if not line.startswith("T/")] == []
    return safe


def a_box(folder: Path, shell: tuple[str, ...] = ("dash",)) -> Sandbox:
    """A host on which nothing of the real one can be called."""
    box = Sandbox(folder, shell)
    for name, text in PROGRAMS.items():
        box.program(name, text)
    (folder / "state" / "rules").write_text("")
    box.write("root/.keep", "")
    box.write("proc/mounts", "")
    box.write("sys/fs/cgroup/cgroup.procs", "")
    return box


def a_context(folder: Path) -> Cluster:
    """Of `destroy`."""
    home, spec = Home(folder / "home"), a_spec()
    state = home.cluster("demo")
    state.write_key(b"private", KEY)
    node = spec.nodes[0]
    host = Host(node, "cp1", FakeConnection(Machine("cp1", str(node.address), FakeApi())))
    return cluster_to_clean(spec, Seen((host,), {}), state, Watcher(), ())


def a_dirty_host(folder: Path, shell: tuple[str, ...] = ("dash",)) -> Sandbox:
    """What a node of the cluster has, and what others have put there."""
    box = a_box(folder, shell)
    for path in (
        "var/lib/kubelet/config.yaml",
        "var/lib/etcd/member/wal",
        "etc/kubernetes/pki/ca.key",
        "etc/kubernetes/kubeon-cluster",
    ):
        box.write(path, "x\n")
    box.write("etc/systemd/system/kubelet.service", "[Unit]\n")
    box.write("etc/systemd/system/containerd.service", "[Unit]\n")
    box.write("etc/cni/net.d/10-kubeon-bridge.conflist", "{}\n")
    box.write("etc/containerd/config.toml", "version = 3\n")
    box.write("sys/class/net/cni0/mtu", "1500\n")
    box.write("sys/class/net/eth0/mtu", "1500\n")
    box.write("usr/local/bin/kubelet", "ours\n")
    box.write("usr/local/bin/runc", "ours\n")
    box.write("usr/local/bin/theirs", "theirs\n")
    box.write(INSTALLED.lstrip("/"), f"{box.root}/usr/local/bin/kubelet\n{box.root}/usr/local/bin/runc\n")
    box.write(f"{ASIDE}{box.root}/usr/local/bin/runc".lstrip("/"), "distribution's\n")
    box.write("root/.ssh/authorized_keys", f"ssh-rsa AAAA me\n{KEY}\n")
    box.write(
        "proc/mounts",
        f"tmpfs {box.root}/var/lib/kubelet/pods/1/volumes tmpfs rw 0 0\n"
        f"/dev/sda {box.root}/var/lib/kubelets ext4 rw 0 0\n",
    )
    (folder / "state" / "rules").write_text(RULES)
    return box


def clean(box: Sandbox, folder: Path) -> str:
    """The script of `destroy`, without the host's settings, which have tests of their own."""
    return moved(clean_script(a_context(folder)) + "forget\n", box.root)


@SHELLS
def test_a_host_is_cleaned_and_what_is_not_ours_stays(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Other people's rules, mounts, programs, interfaces and keys; a program that was replaced comes back."""
    box = a_dirty_host(tmp_path, shell)

    box.run(clean(box, tmp_path))

    left = {path.removeprefix(f"{box.root}/") for path in box.everything() if path.startswith(box.root)}
    assert not [path for path in left if path.startswith(("etc/kubernetes", "etc/containerd", "var/lib/", "etc/cni"))]
    assert {"usr/local/bin/theirs", "usr/local/bin/runc", "sys/class/net/eth0/mtu"} <= left
    assert "usr/local/bin/kubelet" not in left
    assert box.read("usr/local/bin/runc") == "distribution's\n"
    assert box.read("root/.ssh/authorized_keys") == "ssh-rsa AAAA me\n"
    assert (tmp_path / "state" / "rules").read_text() == "".join(
        line for line in RULES.splitlines(keepends=True) if "KUBE-" not in line
    )
    assert (tmp_path / "state" / "umounted").read_text() == f"{box.root}/var/lib/kubelet/pods/1/volumes\n"
    assert "cni0" in (tmp_path / "state" / "ip").read_text()


@SHELLS
def test_file_systems_of_the_owner_stay_mounted_and_keep_what_is_theirs(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Disks at Kubernetes' folders, or below them: what Kubernetes wrote goes, all else stays and is named."""
    box = a_dirty_host(tmp_path, shell)
    uid = "0a1b2c3d-0000-4000-8000-000000000000"
    disks = ("var/lib/etcd", "var/lib/containerd", "var/lib/kubelet", "var/lib/kubelet/pods", "var/log/pods")
    theirs = [f"{disk}/lost+found/x" for disk in disks]
    theirs += ["var/lib/etcd/backup/of-before", "var/lib/kubelet/ours.txt", "var/lib/cni/disk/theirs"]
    gone = [
        *("var/lib/etcd/member/snap/db", "var/lib/containerd/io.containerd.content.v1.content/blob"),
        *(f"var/lib/kubelet/pods/{uid}/etc-hosts", "var/lib/kubelet/pki/kubelet.key", "var/lib/kubelet/config.yaml"),
        *("var/log/pods/kube-system_etcd-cp1_0a/etcd/0.log", "var/lib/cni/results/x"),
    ]
    for path in (*theirs, *gone):
        box.write(path, "x")
    volumes = [f"var/lib/kubelet/pods/{uid}/volumes/csi/pv 1/mount", "var/lib/kubelet/plugins/csi/globalmount"]
    volumes += ["run/containerd/io.containerd.runtime.v2.task/k8s.io/1/rootfs", f"var/lib/kubelet/pods/{uid}/volumes/t"]
    own = {path: f"{box.root}/{path}" for path in (*volumes, *disks, "var/lib/cni/disk", "var/lib/kubelet/pods/mine")}
    box.write("proc/mounts", "".join(f"/dev/x {at.replace(' ', chr(92) + '040')} ext4 rw 0 0\n" for at in own.values()))
    box.write("etc/fstab", f"UUID=1 {box.root}/var/lib/kubelet/pods/mine ext4 defaults 0 2\n")
    box.write("var/lib/kubelet/pods/mine/theirs", "x")

    said = box.run(clean(box, tmp_path))

    left = {path.removeprefix(f"{box.root}/") for path in box.everything()}
    assert {*theirs, "var/lib/kubelet/pods/mine/theirs"} <= left
    assert left.isdisjoint(gone)
    umounted = (tmp_path / "state" / "umounted").read_text().splitlines()
    assert sorted(umounted) == sorted(own[path] for path in volumes)
    for disk in (*disks, "var/lib/cni/disk"):
        assert f"/{disk} stays: a file system that was there before" in said
    assert "what others put into it: backup" in said


@SHELLS
def test_a_clean_host_is_left_alone(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The second run, and a host where nothing was ever installed."""
    box = a_dirty_host(tmp_path, shell)
    box.run(clean(box, tmp_path))
    before = box.everything()

    said = box.run(clean(box, tmp_path))

    assert said == "the host is as it was found\n"
    assert box.everything() == before


@pytest.mark.parametrize("step", range(1, 60, 3))
def test_cleaning_that_was_killed_is_taken_up_again(step: int, tmp_path: Path) -> None:
    """At any step: the mark is there until all else is gone."""
    box = killed_while_cleaning(tmp_path, step)

    marker = Path(box.root) / "etc/kubernetes/kubeon-cluster"
    assert marker.exists() or not (Path(box.root) / "var/lib/kubelet").exists()
    box.run(clean(box, tmp_path))
    assert not marker.exists()
    assert not (Path(box.root) / "var/lib/kubelet").exists()


@pytest.mark.parametrize("steps", [range(18, 28), range(34, 46)], ids=["programs", "keys"])
def test_cleaning_that_was_killed_loses_nothing_of_others(steps: range, tmp_path: Path) -> None:
    """Programs of the distribution that were put back stay, and so do the user's keys."""
    for step in steps:
        box = killed_while_cleaning(tmp_path / str(step), step)
        box.run(clean(box, tmp_path))

        assert box.read("usr/local/bin/runc") == "distribution's\n"
        assert box.read("root/.ssh/authorized_keys") == "ssh-rsa AAAA me\n"


def killed_while_cleaning(folder: Path, step: int) -> Sandbox:
    """A host whose cleaning was cut off at the nth program that it called."""
    (folder / "x").mkdir(parents=True)
    box = a_dirty_host(folder)
    box.mortal("rm", "mv", "systemctl", "umount", "ip", "grep", "sed", "cat", "rmdir")
    box.attempt(f"export DIE={step}\n{clean(box, folder)}")
    return box


def authorize(box: Sandbox) -> str:
    """What AuthorizeKey sends."""
    sent: list[str] = []

    class Recorder(Host):
        def change(self, script: str, **_: object) -> str:
            sent.append(script)
            return ""

    node = a_spec().nodes[0]
    host = Recorder(node, "cp1", FakeConnection(Machine("cp1", str(node.address), FakeApi())))
    context = a_context(box.folder)
    AuthorizeKey().run_on(context, host)
    return moved(sent[0], box.root)


@SHELLS
@pytest.mark.parametrize("before", [None, "", "ssh-rsa AAAA me\n", "ssh-rsa AAAA me"])
def test_a_key_is_added_once_on_a_line_of_its_own(before: str | None, shell: tuple[str, ...], tmp_path: Path) -> None:
    """Also behind a last line without its end, and where there is no such file; others' keys stay."""
    box = a_box(tmp_path, shell)
    if before is not None:
        box.write("root/.ssh/authorized_keys", before)

    said = box.run(authorize(box))

    expected = ["ssh-rsa AAAA me", KEY] if before else [KEY]
    assert box.read("root/.ssh/authorized_keys").splitlines() == expected
    assert said.startswith("key added to ")
    assert box.run(authorize(box)) == ""
    assert box.read("root/.ssh/authorized_keys").splitlines() == expected


def test_a_new_file_of_keys_is_private(tmp_path: Path) -> None:
    """sshd ignores one that others may write."""
    box = a_box(tmp_path)

    box.run(authorize(box))

    folder = Path(box.root) / "root/.ssh"
    assert (folder.stat().st_mode & 0o777, (folder / "authorized_keys").stat().st_mode & 0o777) == (0o700, 0o600)
