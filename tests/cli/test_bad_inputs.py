"""Bad inputs that are refused before any host is asked: exit code, where, why, what next. No host, no fake."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon import cli
from kubeon.spec.loading import build_spec, load_file
from kubeon.state.home import Home
from tests.cli.conftest import Ran

FILE = """\
name: demo
version: v1.34.2
nodes:
  - {address: 10.0.0.1, role: control-plane}
  - {address: 10.0.0.2, role: worker}
"""
CREATE = ("create", "demo", "v1.34.2", "-m", "10.0.0.1", "-w", "10.0.0.2", "--yes")
NOW = datetime(2026, 1, 31, tzinfo=UTC)
Run = Callable[..., Ran]


@pytest.fixture
def kubeon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The real commands with a home of their own; whatever would reach a host fails the test."""

    def no_host(*_: object, **__: object) -> None:
        raise AssertionError("a host was asked")

    monkeypatch.setattr("kubeon.operations.base.look", no_host)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBEON_HOME", str(tmp_path / "k"))
    for name in ("KUBECONFIG", "KUBEON_SSH_PASSWORD", "KUBEON_SUDO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Ran:
        code = cli.run(words)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def a_file(tmp_path: Path, text: str) -> str:
    """cluster.yaml."""
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (FILE + "netwroking: {}\n", ("netwroking: unknown field; did you mean networking?",)),
        (FILE + "networking: {podsubnet: 10.1.0.0/16}\n", ("networking.podsubnet", "did you mean podSubnet?")),
        (FILE + "version: v1.30.0\n", ("cluster.yaml:6", "'version' stands on line 2 already")),
        (FILE + "ssh: {password: hunter2}\n", ("ssh.password", "never stored", "--ask-password")),
        ("{name: [", ("cluster.yaml:1",)),
        ("- a\n- b\n", ("must be a mapping",)),
        ("", ("must be a mapping",)),
        ("name: demo\nversion: v1.34.2\n", ("nodes: is required",)),
        (FILE.replace("control-plane", "worker"), ("no control plane", "-m ADDRESS")),
        (FILE.replace("10.0.0.2", "10.0.0.1"), ("nodes.1.address: 10.0.0.1 is nodes.0.address already",)),
        (FILE.replace("10.0.0.2", "node-2"), ("nodes.1.address", "'node-2' is not an IPv4 address")),
        (FILE.replace("10.0.0.2", "fd00::2"), ("nodes.1.address", "IPv6 is not supported yet")),
        (FILE.replace("worker", "worker, name: Web_1"), ("nodes.1.name", "'Web_1' must be a lower-case DNS name")),
        (FILE.replace("v1.34.2", "v1.35.0-gke.1"), ("version", "'v1.35.0-gke.1' is not a Kubernetes release")),
        (FILE.replace("v1.34.2", "v1.19.16"), ("version", "too old", "v1.20 and newer")),
        (FILE.replace("v1.34.2", "latest"), ("version", "'latest' is not a Kubernetes release; write it as v1.34.2")),
        (FILE.replace("v1.34.2", "'1.34'"), ("version", "is not a Kubernetes release")),
        (FILE + "networking: {podSubnet: 10.96.0.0/16}\n", ("overlaps networking.serviceSubnet 10.96.0.0/12",)),
        (FILE + "networking: {podSubnet: 10.0.0.0/16}\n", ("nodes.0.address: 10.0.0.1 lies in networking.podSubnet",)),
        (FILE + "networking: {podSubnet: 10.9.0.0/24}\n", ("has no room for 2 nodes with a /24 each",)),
        (FILE + "networking: {podSubnet: 10.9.0.1/16}\n", ("the network is 10.9.0.0/16",)),
        (FILE + "networking: {serviceSubnet: 10.9.0.0/30}\n", ("between a /12 and a /28",)),
        (FILE + "networking: {plugin: calcio}\n", ("networking.plugin", "did you mean calico?")),
        (FILE + "loadBalancer: {mode: external}\n", ("loadBalancer.address", "needs the address")),
        (FILE + "sources: {mirror: 'https://a:b@m.example.org'}\n", ("sources.mirror: must not hold a password",)),
        (FILE + "certificates: {validity: forever}\n", ("certificates.validity", "is not a duration; write 100y")),
    ],
)
def test_a_bad_file_is_3(kubeon: Run, tmp_path: Path, text: str, wanted: tuple[str, ...]) -> None:
    """With the path in the file and what to write instead; a password is not repeated; nothing is left behind."""
    ran = kubeon("create", "-f", a_file(tmp_path, text), "--yes")
    as_json = kubeon("create", "-f", a_file(tmp_path, text), "--yes", "--output", "json")

    assert (ran.code, ran.out) == (3, "")
    assert [text for text in wanted if text not in ran.err] == []
    assert "hunter2" not in ran.err + as_json.out
    assert json.loads(as_json.out)["error"]["kind"] == "SpecError"
    assert not (tmp_path / "k").exists()


def test_every_problem_comes_at_once_with_its_path(kubeon: Run, tmp_path: Path) -> None:
    """Nobody should have to run five times to hear of five mistakes."""
    text = FILE.replace("v1.34.2", "1.x").replace("worker", "wroker") + "hosts: {swap: no}\nnetworks: {}\n"

    ran = kubeon("create", "-f", a_file(tmp_path, text))
    problems = json.loads(kubeon("create", "-f", a_file(tmp_path, text), "--output", "json").out)["error"]["problems"]

    assert "4 problems in the cluster's description" in ran.err
    assert [problem["path"] for problem in problems] == ["version", "nodes.1.role", "hosts.swap", "networks"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("creat", "demo"), ("No such command 'creat'",)),
        (("create", "demo", "--worker"), ("requires an argument", "kubeon create --help")),
        (("create", "-f", "/no/such/cluster.yaml"), ("/no/such/cluster.yaml", "does not exist")),
        (("create", "-f", "/tmp"), ("is a directory",)),
        (("create", "demo", "v1.34.2"), ("is not known here and no nodes are given", "-m ADDRESS")),
        (("create", "demo", "v1.34.2", "-m", "a b"), ("is not a node", "[name=][user@]address[:port]")),
        (("create", "demo", "v1.34.2", "-m", "10.0.0.1,,10.0.0.2"), ("empty place",)),
        ((*CREATE, "--ignore-preflight-errors", "Memm"), ("is called Memm", "did you mean Mem?")),
        (("destroy", "demo", "--ignore-preflight-errors", "gone"), ("is called gone", "Unreachable")),
        ((*CREATE, "--set", "networking.plugin"), ("networking.plugin",)),
        ((*CREATE, "--parallel", "many"), ("--parallel",)),
        ((*CREATE, "--port", "70000"), ("--port",)),
        ((*CREATE, "--output", "yaml"), ("--output", "json")),
        ((*CREATE, "--ask-password"), ("no terminal", "KUBEON_SSH_PASSWORD")),
    ],
)
def test_nonsense_on_the_command_line_is_2(kubeon: Run, words: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """The message names the word; a hint follows."""
    ran = kubeon(*words)

    assert (ran.code, ran.out) == (2, "")
    assert [text for text in wanted if text not in ran.err] == []
    assert "Hint: " in ran.err


def a_cluster(tmp_path: Path, text: str = FILE) -> Home:
    """A home that has the cluster on record."""
    home = Home(tmp_path / "k")
    home.cluster("demo").write_spec(build_spec(load_file(text, "cluster.yaml")))
    return home


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("demo", "v1.35.0", "-m", "10.0.0.1", "-w", "10.0.0.2"), ("version", "kubeon upgrade")),
        (("demo", "v1.34.2", "-m", "10.0.0.1"), ("nodes", "10.0.0.2", "kubeon del")),
        (("demo", "--pod-subnet", "10.9.0.0/16"), ("networking", "a new cluster")),
        (("demo", "--lb-mode", "external", "--lb-address", "10.0.0.9:6443"), ("loadBalancer", "kubeon lb switch")),
    ],
)
def test_create_does_not_change_what_another_command_changes(
    kubeon: Run, tmp_path: Path, words: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    """An existing cluster with another version, fewer nodes or other networks: 3, with the command that does it."""
    home = a_cluster(tmp_path)
    before = home.cluster("demo").read_spec()

    ran = kubeon("create", *words, "--yes")

    assert ran.code == 3
    assert [text for text in wanted if text not in ran.err] == []
    assert home.cluster("demo").read_spec() == before


def test_a_cluster_that_another_kubeon_works_on_is_6(kubeon: Run, tmp_path: Path) -> None:
    """It says who, which process and what it does; the holder may be another process."""
    state = a_cluster(tmp_path).cluster("demo")
    hold = (
        "import sys, pathlib, datetime; from kubeon.state.lock import hold\n"
        f"with hold(pathlib.Path({str(state.path / 'lock')!r}), 'create', datetime.datetime.now(datetime.UTC)):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()

    created, destroyed = kubeon(*CREATE), kubeon("destroy", "demo", "--yes", "--output", "json")
    holder.communicate("")

    assert (created.code, destroyed.code) == (6, 6)
    for text in ("cluster demo is locked", f"process {holder.pid}", "runs create since", "nothing needs to be removed"):
        assert text in created.err
    assert json.loads(destroyed.out)["error"]["kind"] == "StateError"
    assert state.exists


@pytest.mark.parametrize(
    ("file", "content", "wanted"),
    [
        ("cluster.yaml", b"name: [\n", ("cluster.yaml is damaged", "move it aside")),
        ("cluster.yaml", b"\xff\xfe\x00", ("cluster.yaml is damaged",)),
        ("cluster.yaml", FILE.replace("demo", "other").encode(), ("describes another cluster", "its name is other")),
    ],
)
def test_a_damaged_record_is_6(kubeon: Run, tmp_path: Path, file: str, content: bytes, wanted: tuple[str, ...]) -> None:
    """With the file's name; moving it away, as the hint says, leads on."""
    path = a_cluster(tmp_path).cluster("demo").path / file
    path.write_bytes(content)

    ran = kubeon(*CREATE)

    assert ran.code == 6
    assert [text for text in (*wanted, str(path)) if text not in ran.err] == []
    path.unlink()
    assert "a host was asked" in kubeon(*CREATE).err


@pytest.mark.parametrize(
    ("home", "why"), [("/dev/null", "not a folder"), ("/proc/kubeon", "No such file or directory")]
)
def test_a_home_that_cannot_be_written_is_6(kubeon: Run, monkeypatch: pytest.MonkeyPatch, home: str, why: str) -> None:
    """With its path, and the way out."""
    monkeypatch.setenv("KUBEON_HOME", home)

    ran = kubeon(*CREATE)

    assert ran.code == 6
    for text in (f"cannot use {home}", why, "set KUBEON_HOME to a folder"):
        assert text in ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's folder")
def test_anothers_home_is_6(kubeon: Run, tmp_path: Path) -> None:
    """As with sudo and without: the other's files stay the other's."""
    (tmp_path / "k").mkdir()
    os.chown(tmp_path / "k", 12345, 12345)

    ran = kubeon(*CREATE)

    assert ran.code == 6
    assert "belongs to user id 12345" in ran.err
    assert list((tmp_path / "k").iterdir()) == []


def test_a_cluster_nobody_knows_cannot_be_destroyed(kubeon: Run, tmp_path: Path) -> None:
    """It says which are known."""
    a_cluster(tmp_path)

    ran = kubeon("destroy", "dmeo", "--yes")

    assert ran.code == 6
    assert "there is no cluster dmeo" in ran.err
    assert "demo" in ran.err


@pytest.mark.parametrize("name", ["Demo_", "../etc", "-x", "a/b"])
def test_names_that_no_cluster_can_have(kubeon: Run, tmp_path: Path, name: str) -> None:
    """Neither create nor destroy touches a path outside of its folder."""
    created = kubeon("create", "--yes", "-m", "10.0.0.1", "--", name, "v1.34.2")
    destroyed = kubeon("destroy", "--yes", "--", name)

    assert (created.code, destroyed.code) == (3, 6)
    assert repr(name) in created.err
    assert repr(name) in destroyed.err
    assert not (tmp_path / "k").exists()
