"""exec and cp on real hosts: as root, and as a user with a sudo password. They need no Kubernetes, so there is none."""

import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon
from tests.lab import base, hosts
from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab


@dataclass
class Pair:
    """Two clusters on one control machine: `phi` logs in as root, `chi` as operator. Both hosts are in each."""

    kubeon: Kubeon
    hosts: list[LabHost]

    def as_root(self) -> Kubeon:
        """With no password."""
        return Kubeon(self.kubeon.folder, None)

    def as_operator(self) -> Kubeon:
        """With a password for sudo."""
        return Kubeon(self.kubeon.folder, None, {"KUBEON_SUDO_PASSWORD": base.OPERATOR_PASSWORD})


@pytest.fixture(scope="module")
def pair(up: Up, module_kubeon: Kubeon) -> Pair:
    """Hosts, and records of clusters that nobody has made."""
    two = up("xe-1", "xe-2")
    home = Home(module_kubeon.home)
    for name, user in (("phi", "root"), ("chi", "operator")):
        nodes = [
            {"name": host.name, "address": host.address, "role": role}
            for host, role in zip(two, ("control-plane", "worker"), strict=True)
        ]
        ssh = {"user": user, "key": str(base.private_key())}
        mapping = {"name": name, "version": VERSION, "nodes": nodes, "ssh": ssh}
        home.cluster(name).write_proposed(build_spec(mapping))
    return Pair(module_kubeon, two)


def test_as_root_and_as_an_operator(pair: Pair) -> None:
    """Own rights by default; root's with --sudo, whose password goes by standard input and is not the command's."""
    who = ["--", "sh", "-c", "id -un; cat"]

    root = pair.as_root().ok("exec", "phi@all", "--fold", *who).stdout
    operator = pair.as_operator().ok("exec", "chi@all", "--fold", *who).stdout
    sudo = pair.as_operator().ok("exec", "chi@all", "--fold", "--sudo", *who).stdout

    assert root == sudo == "==> xe-[1-2] (2 hosts) <==\nroot\n"
    assert operator == "==> xe-[1-2] (2 hosts) <==\noperator\n"


def test_a_wrong_sudo_password(pair: Pair) -> None:
    """In sudo's own words, on each host."""
    kubeon = pair.as_operator()
    kubeon.environment["KUBEON_SUDO_PASSWORD"] = "wrong"

    outcome = kubeon.run("exec", "chi@all", "--sudo", "--", "true")

    assert outcome.exit_code == 1
    assert "xe-[1-2]: operator cannot become root by sudo" in outcome.stderr


@pytest.mark.parametrize("sudo", [False, True], ids=["root", "sudo"])
def test_ctrl_c_leaves_no_process(pair: Pair, sudo: bool) -> None:
    """Not the command, not its children; the other cluster's command goes on."""
    kubeon, name, words = (pair.as_operator(), "chi", ["--sudo"]) if sudo else (pair.as_root(), "phi", [])
    other = pair.as_root().start("exec", "phi@all", "--", "sh", "-c", "echo begun; sleep 642; echo ended")
    process = kubeon.start("exec", f"{name}@all", *words, "--", "sh", "-c", "echo begun; timeout 641 sleep 643 | cat")
    for each in (other, process):
        assert each.stdout is not None
        assert [each.stdout.readline().split()[1] for _ in pair.hosts] == ["begun"] * 2

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)

    assert process.returncode == 130, stderr
    assert "xe-[1-2]: interrupted\n" in stderr
    assert [running(host, "64[13]") for host in pair.hosts] == [""] * 2
    assert [running(host, "642").count("sleep 642") for host in pair.hosts] == [2, 2]  # the shell and its child
    other.kill()
    other.communicate()
    deadline = time.monotonic() + 60
    while any(running(host, "642") for host in pair.hosts):  # by themselves, for nobody is there any more
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_time_out_by_sudo(pair: Pair) -> None:
    """Ends root's processes."""
    outcome = pair.as_operator().run("exec", "chi@all", "--sudo", "--timeout", "2", "--", "sh", "-c", "sleep 644; true")

    assert outcome.exit_code == 1
    assert "xe-[1-2]: timed out after 2 s\n" in outcome.stderr
    assert [running(host, "644") for host in pair.hosts] == [""] * 2


def test_files_there_and_back(pair: Pair, tmp_path: Path) -> None:
    """To a place that is root's with --sudo, refused without; twice; and back from both hosts."""
    source = tmp_path / "conf.d"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "big").write_bytes(bytes(range(256)) * 40_000)
    (source / "a b").write_text("secret\n")
    (source / "a b").chmod(0o600)
    (source / "link").symlink_to("a b")
    kubeon = pair.as_operator()

    refused = kubeon.run("cp", str(source), "chi@all:/etc/xe/")
    first = kubeon.data("cp", str(source), "chi@all:/etc/xe/", "--sudo")
    again = kubeon.data("cp", str(source), "chi@all:/etc/xe/", "--sudo")
    kubeon.ok("cp", "chi@all:/etc/xe/conf.d/", f"{tmp_path}/back/", "--sudo")

    assert refused.exit_code == 5
    assert "Permission denied" in refused.text
    assert "--sudo" in refused.text
    assert [host["copied"] for host in first["hosts"]] == [3, 3]
    assert [host["copied"] for host in again["hosts"]] == [0, 0]
    listed = hosts.ssh(pair.hosts[1], "cd /etc/xe; find . -printf '%p %u %m %l\\n' | sort; cat 'conf.d/a b'").stdout
    assert listed.splitlines()[2:] == [
        "./conf.d/a b root 600 ",
        "./conf.d/link root 777 a b",
        "./conf.d/sub root 755 ",
        "./conf.d/sub/big root 644 ",
        "secret",
    ]
    for host in pair.hosts:
        assert (tmp_path / "back" / host.name / "sub" / "big").read_bytes() == (source / "sub" / "big").read_bytes()


def test_a_host_that_is_off(pair: Pair) -> None:
    """The other one answers; this one is named, within its time."""
    hosts.ssh(pair.hosts[1], "systemctl stop ssh.socket ssh.service; systemctl kill ssh.service", check=False)

    outcome = pair.as_root().run("exec", "phi@all", "--", "hostname")

    assert outcome.exit_code == 1
    assert outcome.stdout == "xe-1: xe-1\n"
    assert "1 of 2 hosts failed" in outcome.stderr
    assert "xe-2: cannot be reached by SSH" in outcome.stderr


def running(host: LabHost, seconds: str) -> str:
    """Processes that sleep for so long."""
    return hosts.ssh(host, f"ps -eo args | grep -E 'sleep {seconds}' | grep -v grep", check=False).stdout
