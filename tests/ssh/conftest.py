"""A throw-away sshd on loopback, as root or as the user who runs the tests."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeon.transport.ssh import SSH, Target

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PasswordAuthentication no
UsePAM no
PermitRootLogin yes
MaxStartups 400:30:800
MaxSessions 50
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


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A fresh sshd with a fresh host key."""
    if not shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin"):
        pytest.skip("sshd is not installed (apt-get install openssh-server)")
    Path("/run/sshd").mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    keygen(tmp_path / "host_key")
    keygen(tmp_path / "key")
    (tmp_path / "authorized_keys").write_bytes((tmp_path / "key.pub").read_bytes())
    (tmp_path / "config").write_text(_CONFIG.format(port=port, folder=tmp_path))
    server = Sshd(port, tmp_path, process=None)  # type: ignore[arg-type]
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ssh(sshd: Sshd) -> Iterator[SSH]:
    """A connection to the throw-away sshd."""
    connection = SSH(sshd.target())
    yield connection
    connection.close()
