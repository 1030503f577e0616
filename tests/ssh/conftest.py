"""A throw-away sshd on loopback, as root or as the user who runs the tests."""

import getpass
import io
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubeon import cli
from kubeon.spec.model import ClusterSpec
from kubeon.state.home import Home
from kubeon.transport.login import Target
from kubeon.transport.ssh import SSH
from tests.lab.mirror.services import free_port
from tests.ssh import loopback

_CONFIG = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PasswordAuthentication no
UsePAM no
PermitRootLogin yes
MaxStartups 400:30:800
MaxSessions 50
# bash reads ~/.bashrc for commands of sshd, and whoever develops may have slow things there
SetEnv HOME={folder}
"""


@dataclass
class Sshd:
    """A running sshd."""

    port: int
    folder: Path
    process: "subprocess.Popen[bytes]"

    def target(self, **changes: object) -> Target:
        """How to log in to it."""
        values: dict[str, object] = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key": self.folder / "key",
            "known_hosts": self.folder / "known_hosts",
            "connect_timeout": 5.0,
        }
        return Target(**(values | changes))  # type: ignore[arg-type]

    def cluster(self, folder: Path, *, hosts: int, name: str = "many", dead: str = "") -> Home:
        """A ~/.kubeon with a cluster of so many hosts, all of them this sshd; see tests.ssh.loopback.

        cp1 is 10.0.1.1, w1 is 10.0.1.2 and so on. On the `dead` one nobody listens.
        """
        home = Home(folder / "kubeon")
        nodes: list[dict[str, Any]] = [
            {
                "name": f"w{number}" if number else "cp1",
                "role": "worker" if number else "control-plane",
                "address": f"10.0.{1 + number // 250}.{1 + number % 250}",
            }
            for number in range(hosts)
        ]
        for node in nodes:
            node["ssh"] = {"port": 1} if node["name"] == dead else {}
        ssh = {"user": getpass.getuser(), "port": self.port, "key": str(self.folder / "key"), "connectTimeout": 5}
        mapping = {"name": name, "version": "v1.34.2", "nodes": nodes, "ssh": ssh}
        mapping["networking"] = {"podSubnet": "10.240.0.0/12"}
        home.cluster(name).write_spec(ClusterSpec.model_validate(mapping))
        return home

    def start(self) -> None:
        """Start it (again, with the host key that lies there)."""
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin") or ""
        self.process = subprocess.Popen([program, "-D", "-e", "-f", self.folder / "config"], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("sshd did not start")

    def stop(self) -> None:
        """End it; connections that are open live on, as with a real sshd."""
        self.process.terminate()
        self.process.wait()


def keygen(path: Path) -> None:
    """Make an ed25519 key pair."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def serving(folder: Path) -> Iterator[Sshd]:
    """A fresh sshd with a fresh host key."""
    if not shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin"):
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    keygen(folder / "host_key")
    keygen(folder / "key")
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    (folder / "config").write_text(_CONFIG.format(port=port, folder=folder))
    server = Sshd(port, folder, process=None)  # type: ignore[arg-type]
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """One for a test."""
    yield from serving(tmp_path)


@pytest.fixture(scope="module")
def module_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One for a module."""
    yield from serving(tmp_path_factory.mktemp("sshd"))


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def kubeon(
    module_sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Ran]:
    """kubeon, with a cluster `many` of three hosts."""
    home = module_sshd.cluster(tmp_path, hosts=3)
    for name, value in {"HOME": str(tmp_path), "KUBEON_HOME": str(home.path), "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    for name in ("SSH_AUTH_SOCK", "KUBEON_SSH_PASSWORD", "KUBEON_SUDO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    loopback.redirect(monkeypatch)

    def run(*words: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = cli.run([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return Ran(code, out, err.decode())

    return run


@pytest.fixture
def ssh(sshd: Sshd) -> Iterator[SSH]:
    """A connection to the throw-away sshd."""
    connection = SSH(sshd.target())
    yield connection
    connection.close()
