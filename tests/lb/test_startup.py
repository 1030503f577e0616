"""systemd/apiserver-startup: the real script, on a host in a folder."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kubeon.lb.base import DETOUR
from tests.lb.worker import CLUSTER_IP, NAME, SCRIPT, SHELLS, Worker, hosts


def block(*lines: str, cluster: str = "e") -> str:
    """Lines between the markers."""
    return "".join(f"{line}\n" for line in (f"# BEGIN kubeon {cluster}", *lines, f"# END kubeon {cluster}"))


# before and after, where control plane 10.0.0.2 is the one that lives
EDITS = {
    "the name alone": (block(f"10.96.0.2 {NAME}"), block(f"10.0.0.2 {NAME}")),
    "names that begin alike": (
        block(f"1.1.1.1 {NAME}0", f"2.2.2.2 x{NAME}", f"10.96.0.2 {NAME}", "3.3.3.3 apiserver"),
        block(f"1.1.1.1 {NAME}0", f"2.2.2.2 x{NAME}", f"10.0.0.2 {NAME}", "3.3.3.3 apiserver"),
    ),
    "other names on the line": (block(f"10.96.0.2\tn1  {NAME} n10"), block(f"10.0.0.2\tn1  {NAME} n10")),
    "lines outside": (
        f"9.9.9.9 {NAME}\n\n{block(f'10.96.0.2 {NAME}')}\n8.8.8.8 {NAME}\n",
        f"9.9.9.9 {NAME}\n\n{block(f'10.0.0.2 {NAME}')}\n8.8.8.8 {NAME}\n",
    ),
    "two clusters": (
        block(f"10.96.0.2 {NAME}", cluster="e1") + block(f"10.96.0.2 {NAME}"),
        block(f"10.96.0.2 {NAME}", cluster="e1") + block(f"10.0.0.2 {NAME}"),
    ),
    "comments in the block": (
        block(f"# 10.96.0.2 {NAME}", f"1.1.1.1 a # {NAME}", f"10.96.0.2 {NAME} # of kubeon"),
        block(f"# 10.96.0.2 {NAME}", f"1.1.1.1 a # {NAME}", f"10.0.0.2 {NAME} # of kubeon"),
    ),
    "a beginning without its end before it": (
        f"# BEGIN kubeon e\n10.96.0.2 {NAME}\n" + block(f"10.96.0.2 {NAME}"),
        f"# BEGIN kubeon e\n10.96.0.2 {NAME}\n" + block(f"10.0.0.2 {NAME}"),
    ),
    "back slashes, percent signs, empty lines": (
        "# a\\nb %s $x `y` &\n" + block(f"10.96.0.2 {NAME}") + "\n\n",
        "# a\\nb %s $x `y` &\n" + block(f"10.0.0.2 {NAME}") + "\n\n",
    ),
}
# nothing of these is ours to change
OTHERS = {
    "no block": f"127.0.0.1 localhost\n10.96.0.2 {NAME}\n",
    "another cluster's": block(f"10.96.0.2 {NAME}", cluster="e2"),
    "a beginning only": f"# BEGIN kubeon e\n10.96.0.2 {NAME}\n",
    "an end only": f"10.96.0.2 {NAME}\n# END kubeon e\n",
    "a block without the name": block("10.0.0.7 w1"),
    "nothing": "",
}


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS.keys())
def test_one_line_changes_and_nothing_else(shell: tuple[str, ...], before: str, after: str, tmp_path: Path) -> None:
    """The address of the name in the block of the cluster; the second time nothing is written, and the mode stays."""
    worker = Worker(tmp_path, shell)
    path = worker.write("etc/hosts", before)
    path.chmod(0o640)
    worker.up("10.0.0.2")

    worker.run("start")

    assert worker.read("etc/hosts") == after
    assert path.stat().st_mode & 0o777 == 0o640
    written = path.stat()
    worker.run("start")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert sorted(file.name for file in path.parent.iterdir()) == ["hosts", "kubernetes"]


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
def test_without_a_line_of_kubeons_nothing_is_done(text: str, tmp_path: Path) -> None:
    """kubeon was not here, or went: no verb writes or asks, and boot goes on."""
    worker = Worker(tmp_path)
    worker.write("etc/hosts", text)
    worker.up("10.0.0.2")

    worker.run("start")

    assert worker.said == [f"{tmp_path}/root/etc/hosts has no line of kubeon's for the API: nothing to do"]
    worker.run("return")
    assert worker.run("check", exit_code=1) == "/etc/hosts has no line of kubeon's for the API\n"
    assert worker.read("etc/hosts") == text
    assert worker.remembered("asked") == []


def test_without_settings_nothing_is_done(tmp_path: Path) -> None:
    """The same where the settings are missing, or /etc/hosts is."""
    worker = Worker(tmp_path)
    (tmp_path / "root/etc/kubernetes/apiserver-startup/settings").unlink()
    worker.run("start")
    worker.run("return")
    worker.run("check", exit_code=1)
    worker.settings()
    (tmp_path / "root/etc/hosts").unlink()
    worker.run("start")
    worker.run("return")
    worker.run("check", exit_code=1)

    assert not (tmp_path / "root/etc/hosts").exists()
    assert worker.remembered("asked") == []


def test_start_leaves_the_cluster_ip_where_it_answers(tmp_path: Path) -> None:
    """Nothing is written and no control plane asked."""
    worker = Worker(tmp_path)
    worker.up(CLUSTER_IP, "10.0.0.1")

    worker.run("start")

    assert worker.said == ["the cluster IP 10.96.0.2 answers"]
    assert worker.read("etc/hosts") == hosts()
    assert worker.remembered("asked") == [CLUSTER_IP]


def test_start_leads_back_to_a_cluster_ip_that_answers(tmp_path: Path) -> None:
    """From a control plane that was in the line when the host went down."""
    worker = Worker(tmp_path)
    worker.write("etc/hosts", hosts("10.0.0.3"))
    worker.up(CLUSTER_IP, "10.0.0.3")

    worker.run("start")

    assert worker.read("etc/hosts") == hosts()
    assert worker.said == ["the cluster IP 10.96.0.2 answers", f"{NAME} is found at 10.96.0.2"]


def test_start_takes_the_first_control_plane_that_lives(tmp_path: Path) -> None:
    """In the order of the list, not of the answers."""
    worker = Worker(tmp_path)
    worker.up("10.0.0.3", "10.0.0.2")

    worker.run("start")

    assert worker.read("etc/hosts") == hosts("10.0.0.2")
    assert worker.said == [
        "the cluster IP 10.96.0.2 does not answer, control plane 10.0.0.2 does",
        f"{NAME} is found at 10.0.0.2",
    ]
    assert sorted(worker.remembered("asked")) == ["10.0.0.1", "10.0.0.2", "10.0.0.3", CLUSTER_IP]


@pytest.mark.parametrize("known", [("10.0.0.1", "10.0.0.2"), ()], ids=["dead ones", "none known"])
def test_start_leaves_the_line_when_nobody_answers(known: tuple[str, ...], tmp_path: Path) -> None:
    """And boot goes on: the exit code is 0."""
    worker = Worker(tmp_path)
    worker.control_planes(*known)

    worker.run("start")

    assert worker.said == [
        "neither the cluster IP 10.96.0.2 nor a control plane answers: /etc/hosts stays as it is",
    ]
    assert worker.read("etc/hosts") == hosts()


def test_names_and_noise_in_the_list_are_passed_over(tmp_path: Path) -> None:
    """Only an address can stand in /etc/hosts."""
    worker = Worker(tmp_path)
    worker.write("etc/kubernetes/apiserver-startup/hosts", "# 10.0.0.1:6443\n\ncp1:6443\n[::1]:6443\n 10.0.0.2:6443 \n")
    worker.up("10.0.0.1", "cp1", "10.0.0.2")

    worker.run("start")

    assert worker.leads_to == "10.0.0.2"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_without_a_program_to_ask_with_the_line_stays(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Guessing could only be wrong; boot goes on, and `return` does not go round for an hour."""
    worker = Worker(tmp_path, shell)
    worker.without("curl", "timeout")
    worker.up(CLUSTER_IP, "10.0.0.1")

    worker.run("start")

    assert worker.said == ["there is no curl, bash, nc or openssl to ask with: /etc/hosts stays as it is"]
    worker.run("return")
    assert worker.run("check", exit_code=1) == "there is no curl, bash, nc or openssl to ask with\n"
    assert worker.read("etc/hosts") == hosts()


def test_a_file_that_cannot_be_written_keeps_nobody_from_booting(tmp_path: Path) -> None:
    """A read-only file system, a full disk: it says so, leaves nothing behind, and the exit code is 0."""
    worker = Worker(tmp_path)
    worker.program("cp", 'echo "cp: Read-only file system" >&2\nexit 1\n')
    worker.up("10.0.0.1")

    worker.run("start")

    assert worker.said[-1] == f"{tmp_path}/root/etc/hosts cannot be written"
    assert worker.read("etc/hosts") == hosts()
    assert not (tmp_path / "root/etc/hosts.kubeon-startup").exists()


def test_a_file_that_is_a_mount_is_written_in_place(tmp_path: Path) -> None:
    """As /etc/hosts is in a container: nothing can be renamed over it."""
    worker = Worker(tmp_path)
    worker.program("mv", 'echo "mv: Device or resource busy" >&2\nexit 1\n')
    worker.up("10.0.0.1")
    inode = (tmp_path / "root/etc/hosts").stat().st_ino

    worker.run("start")

    assert worker.leads_to == "10.0.0.1"
    assert (tmp_path / "root/etc/hosts").stat().st_ino == inode
    assert not (tmp_path / "root/etc/hosts.kubeon-startup").exists()


def test_what_somebody_wrote_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """It is seen before the file is replaced, and the line changed in the new text."""
    worker = Worker(tmp_path)
    once = '[ -e "$STATE/once" ] || { : >"$STATE/once"; echo "1.1.1.1 new" >>"$ROOT/etc/hosts"; }\n'
    worker.program("cp", f'{shutil.which("cp")} "$@" || exit\n{once}')
    worker.up("10.0.0.1")

    worker.run("start")

    assert worker.read("etc/hosts") == hosts("10.0.0.1") + "1.1.1.1 new\n"


def test_it_takes_the_lock_of_kubeons_scripts_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    """kubeon itself may be who waits for this unit, with the lock in its hand."""
    worker = Worker(tmp_path)
    worker.program("flock", 'echo "$*" >>"$STATE/locks"\nexit 1\n')
    worker.up("10.0.0.1")

    worker.run("start")

    assert (tmp_path / "state/locks").read_text() == "-x -w 2 9\n"
    assert "kubeon is busy on this host; not waiting for it" in worker.said
    assert worker.leads_to == "10.0.0.1"


def test_a_worker_that_is_up_before_all_others_comes_back_by_itself(tmp_path: Path) -> None:
    """It waits for any control plane, then for the cluster IP, which kube-proxy makes with that one's help."""
    worker = Worker(tmp_path)
    worker.later(3, "10.0.0.2", do='cat "$ROOT/etc/hosts" >"$STATE/alone"')
    worker.later(6, "10.0.0.2", "10.0.0.1", CLUSTER_IP, do='cat "$ROOT/etc/hosts" >"$STATE/detour"')

    worker.run("return")

    assert (tmp_path / "state/alone").read_text() == hosts()
    assert (tmp_path / "state/detour").read_text() == hosts("10.0.0.2")
    assert worker.read("etc/hosts") == hosts()
    assert worker.said == [f"{NAME} is found at 10.0.0.2", f"{NAME} is found at 10.96.0.2"]
    assert worker.remembered("slept") == ["3"] * 6 + ["1"] * 2 + ["3"]


def test_one_failure_of_a_control_plane_changes_nothing(tmp_path: Path) -> None:
    """It is left when it has failed twice in a row, for the first that lives."""
    worker = Worker(tmp_path)
    worker.write("etc/hosts", hosts("10.0.0.2"))
    worker.up("10.0.0.3")
    worker.later(1, "10.0.0.2", "10.0.0.3")
    worker.later(2, "10.0.0.3")
    worker.later(3, "10.0.0.3", do='cat "$ROOT/etc/hosts" >"$STATE/once"')

    worker.run("return", rounds=4, exit_code=1)

    assert (tmp_path / "state/once").read_text() == hosts("10.0.0.2")
    assert worker.read("etc/hosts") == hosts("10.0.0.3")
    assert worker.said == [
        f"{NAME} is found at 10.0.0.3",
        f"the cluster IP 10.96.0.2 does not answer; {NAME} is found at 10.0.0.3",
    ]


def test_a_cluster_ip_that_answers_twice_is_not_there_yet(tmp_path: Path) -> None:
    """Three times in a row, and it is."""
    worker = Worker(tmp_path)
    worker.write("etc/hosts", hosts("10.0.0.1"))
    worker.up(CLUSTER_IP, "10.0.0.1")
    worker.later(2, "10.0.0.1")
    worker.later(3, "10.0.0.1", CLUSTER_IP, do='cat "$ROOT/etc/hosts" >"$STATE/twice"')

    worker.run("return")

    assert (tmp_path / "state/twice").read_text() == hosts("10.0.0.1")
    assert worker.read("etc/hosts") == hosts()
    assert worker.remembered("slept") == ["1", "1", "3", "1", "1", "3"]


def test_after_its_rounds_it_fails_so_that_systemd_starts_it_again(tmp_path: Path) -> None:
    """600 of them unless a test says otherwise: pauses and answers that do not come make an hour of them."""
    worker = Worker(tmp_path)

    worker.run("return", rounds=3, exit_code=1)

    assert worker.said == [f"the cluster IP 10.96.0.2 does not answer; {NAME} is found at 10.96.0.2"]
    assert worker.remembered("slept") == ["3", "3", "3"]


def test_it_ends_when_kubeon_takes_its_block_away(tmp_path: Path) -> None:
    """Without a failure, and without writing."""
    worker = Worker(tmp_path)
    worker.later(2, "10.0.0.1", do='echo "127.0.0.1 localhost" >"$ROOT/etc/hosts"')

    worker.run("return")

    assert worker.read("etc/hosts") == "127.0.0.1 localhost\n"


def test_a_line_that_was_moved_in_the_last_pause_is_brought_back_again(tmp_path: Path) -> None:
    """By `start`, which systemd does not follow with a second `return` while this one runs."""
    worker = Worker(tmp_path)
    worker.up(CLUSTER_IP)
    worker.write("etc/hosts", hosts("10.0.0.1"))
    worker.write("moved", hosts("10.0.0.1"))
    worker.later(3, CLUSTER_IP, do='cat "$ROOT/moved" >"$ROOT/etc/hosts"')

    worker.run("return")

    assert worker.read("etc/hosts") == hosts()


def test_pods_in_the_hosts_network_follow_the_line(tmp_path: Path) -> None:
    """In place, as the kubelet writes it, since containers have that very file; nobody else's file is touched."""
    worker = Worker(tmp_path)
    header = "# Kubernetes-managed hosts file (host network).\n"
    theirs = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.244.1.2\tweb\n"
    proxy = worker.write("var/lib/kubelet/pods/a/etc-hosts", header + hosts())
    right = worker.write("var/lib/kubelet/pods/b/etc-hosts", header + hosts("10.0.0.1"))
    other = worker.write("var/lib/kubelet/pods/c/etc-hosts", theirs)
    else_ = worker.write("var/lib/kubelet/pods/d/etc-hosts", header + hosts(cluster="other"))
    inode, written = proxy.stat().st_ino, right.stat().st_mtime_ns
    worker.up("10.0.0.1")

    worker.run("start")

    assert proxy.read_text() == header + hosts("10.0.0.1")
    assert proxy.stat().st_ino == inode
    assert right.stat().st_mtime_ns == written
    assert (other.read_text(), else_.read_text()) == (theirs, header + hosts(cluster="other"))
    assert worker.said[-1] == f"a pod in the host's network follows: {proxy.parent}"
    worker.run("start")
    assert worker.said == ["the cluster IP 10.96.0.2 does not answer, control plane 10.0.0.1 does"]


def test_pods_that_start_on_the_way_follow_too(tmp_path: Path) -> None:
    """Those of the detour, and one whose container began just before the line was back."""
    worker = Worker(tmp_path)
    early = worker.write("var/lib/kubelet/pods/a/etc-hosts", hosts("10.0.0.1"))
    worker.write("etc/hosts", hosts("10.0.0.1"))
    worker.write("detour", hosts("10.0.0.1"))
    worker.up("10.0.0.1")
    worker.later(1, "10.0.0.2")
    worker.write("var/lib/kubelet/pods/b/etc-hosts", "")
    worker.later(3, "10.0.0.2", do='cat "$ROOT/detour" >"$ROOT/var/lib/kubelet/pods/b/etc-hosts"')
    worker.later(4, CLUSTER_IP, do='cp "$ROOT/var/lib/kubelet/pods/b/etc-hosts" "$STATE/in-the-detour"')
    worker.later(7, CLUSTER_IP, do='cat "$ROOT/detour" >"$ROOT/var/lib/kubelet/pods/a/etc-hosts"')

    worker.run("return")

    assert (tmp_path / "state/in-the-detour").read_text() == hosts("10.0.0.2")
    assert early.read_text() == hosts()
    assert worker.read("var/lib/kubelet/pods/b/etc-hosts") == hosts()


def test_check_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    """A single answer that was lost is nothing to tell."""
    worker = Worker(tmp_path)
    worker.up(CLUSTER_IP)

    assert worker.run("check") == ""
    assert worker.said == []


def test_check_says_why_not(tmp_path: Path) -> None:
    """One line, on standard output, and changes nothing."""
    worker = Worker(tmp_path)

    assert worker.run("check", exit_code=1) == "the cluster IP 10.96.0.2:6443 does not answer\n"
    assert worker.remembered("asked") == [CLUSTER_IP] * 2
    worker.write("etc/hosts", hosts("10.0.0.3"))
    worker.up(CLUSTER_IP)
    assert worker.run("check", exit_code=1) == (
        f"/etc/hosts leads {NAME} past the cluster IP 10.96.0.2 to 10.0.0.3, which does not answer\n"
    )
    assert worker.read("etc/hosts") == hosts("10.0.0.3")


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_check_tells_a_detour_from_a_way_that_does_not_work(shell: tuple[str, ...], tmp_path: Path) -> None:
    """By its exit code, whether or not the cluster IP answers: a control plane that lives serves this worker."""
    worker = Worker(tmp_path, shell)
    worker.write("etc/hosts", hosts("10.0.0.3"))
    said = f"/etc/hosts leads {NAME} past the cluster IP 10.96.0.2 to control plane 10.0.0.3 for now\n"

    for up in (["10.0.0.3"], ["10.0.0.3", CLUSTER_IP]):
        worker.up(*up)
        assert worker.run("check", exit_code=DETOUR) == said
    worker.up("10.0.0.1", "10.0.0.2")
    worker.run("check", exit_code=1)
    assert worker.read("etc/hosts") == hosts("10.0.0.3")


def test_an_unknown_verb_is_refused(tmp_path: Path) -> None:
    """With the ones there are."""
    worker = Worker(tmp_path)

    worker.run("stop", exit_code=2)

    assert worker.said == [f"usage: {SCRIPT} start|return|check"]


def test_the_script_is_clean() -> None:
    """shellcheck has no complaint, where it is installed; `sh -n` everywhere."""
    if checker := shutil.which("shellcheck"):
        assert subprocess.run([checker, SCRIPT], check=False).returncode == 0
    assert subprocess.run(["sh", "-n", SCRIPT], check=False).returncode == 0
