"""local-haproxy with a real haproxy, and API servers of this test's own; on loopback only."""

import http.client
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from kubeon.lb import LBS
from tests.golden import assert_golden
from tests.haproxy.programs import ApiServer, api_servers, certificate, haproxy_folder
from tests.lab.mirror.services import free_port
from tests.specs import a_spec

pytestmark = [pytest.mark.slow, pytest.mark.timed]

T = TypeVar("T")
PROGRAM = Path(__file__).parents[2] / "haproxy/local-haproxy"
SHELLS = [shell for shell in (("dash",), ("busybox", "sh")) if shutil.which(shell[0])]
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with haproxy."""
    found = haproxy_folder(tmp_path_factory.mktemp("haproxy"))
    if isinstance(found, str):
        pytest.skip(f"no haproxy: {found}")
    return found


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[ApiServer]]:
    """Three API servers."""
    with api_servers(certificate(tmp_path), 3) as made:
        yield made


def wait_for(condition: Callable[[], T], what: str, seconds: float = 15) -> T:
    """Look again and again, for so long; what it said at last."""
    deadline = time.monotonic() + seconds
    while not (said := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return said


class Local:
    """local-haproxy as a process, with its list in a file."""

    def __init__(self, shell: tuple[str, ...], programs: Path, folder: Path) -> None:
        self.hosts, self.run, self.log = folder / "hosts", folder / "run", folder / "log"
        self.port, self.health = free_port(), free_port()
        self.command = [*shell, str(PROGRAM), "--hosts-file", str(self.hosts), "--folder", str(self.run)]
        self.command += ["--listen", f"127.0.0.1:{self.port}", "--health", f"127.0.0.1:{self.health}"]
        self.environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, text: str) -> None:
        """As kubeon does: beside it, then rename."""
        new = self.hosts.with_name("hosts.new")
        new.write_text(text)
        new.rename(self.hosts)

    def name(self, *servers: ApiServer) -> None:
        """Write a list."""
        self.write("# control planes\n" + "".join(f"{server.name}\n" for server in servers))

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stderr=log,
                stdout=log,
                start_new_session=True,
                # a test run in the background hands on that SIGINT is ignored, which no shell can change
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread runs here
            )
        wait_for(lambda: self.process and (self.process.poll() is not None or self.healthy()), "it does not start")

    def healthy(self) -> bool:
        """The liveness probe."""
        try:
            return self.get("/healthz") != ""
        except OSError:
            return False

    def get(self, path: str) -> str:
        """From the port for health."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=2) as answer:
            return str(answer.read().decode())

    def served(self) -> set[str]:
        """Which servers the newest worker has."""
        rows = [line.split(",") for line in self.get("/stats;csv").splitlines()]
        return {row[1] for row in rows if row[0] == "apiservers" and row[1] != "BACKEND"}

    def status(self, server: ApiServer) -> str:
        """What it thinks of a server, in haproxy's words."""
        rows = [line.split(",") for line in self.get("/stats;csv").splitlines()]
        return next(row[17] for row in rows if row[:2] == ["apiservers", server.name])

    def masters(self) -> list[int]:
        """haproxy, by pid. When a child ends meanwhile, its `sleep`, the kernel may leave out others (proc(5))."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {pid: Path(f"/proc/{pid}/cmdline") for pid in map(int, children)}
        return [pid for pid, file in found.items() if file.exists() and b"haproxy" in file.read_bytes()]

    def check(self, servers: list[ApiServer]) -> subprocess.CompletedProcess[str]:
        """kubeon's question to a worker, for these servers and this port."""
        spec = a_spec(control_planes=len(servers), load_balancer={"mode": "haproxy"})
        script = LBS["haproxy"].check(spec, spec.workers[0]).replace("8842", str(self.health))
        for number, server in enumerate(servers, 1):
            script = script.replace(f"10.0.0.{number}:6443", server.name)
        return subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=30, check=False)

    def connect(self) -> http.client.HTTPSConnection:
        """A client."""
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=CONTEXT)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(timeout=15)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def local(request: pytest.FixtureRequest, programs: Path, tmp_path: Path) -> Iterator[Local]:
    """Not started yet, and ended afterwards with all that it started."""
    made = Local(request.param, programs, tmp_path)
    yield made
    if made.process:
        with suppress(ProcessLookupError):
            os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait(timeout=10)


def ask(connection: http.client.HTTPSConnection) -> str:
    """Which server is at the other end."""
    connection.request("GET", "/api")
    return connection.getresponse().read().decode()


def listening(port: int) -> set[str]:
    """The inodes of the sockets that listen on a port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {line.split()[9] for line in lines if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"}


def test_a_change_of_list_drops_no_connection(local: Local, servers: list[ApiServer]) -> None:
    """Neither those that are there, on a server that leaves the list too, nor one of fifty new ones a second."""
    one, two, three = servers
    local.name(one, two, three)
    local.start()
    kept = [local.connect() for _ in range(6)]
    at = [ask(connection) for connection in kept]
    sockets = listening(local.port)
    failures: list[str] = []
    made = 0
    done = threading.Event()

    def keep_connecting() -> None:
        nonlocal made
        while not done.wait(0.02):
            try:
                connection = local.connect()
                ask(connection)
                connection.close()
                made += 1
            except OSError as error:
                failures.append(repr(error))

    clients = threading.Thread(target=keep_connecting)
    clients.start()
    try:
        for wanted in ([one], [two, three], [two], [one, two, three]):
            local.name(*wanted)
            names = {server.name for server in wanted}
            wait_for(lambda names=names: local.served() == names, "the list is not followed")  # type: ignore[misc]
            assert [ask(connection) for connection in kept] == at
            assert ask(local.connect()) in {str(server.port) for server in wanted}
    finally:
        done.set()
        clients.join()

    assert failures == []
    assert made > 30  # fewer than fifty a second where the machine is busy
    assert sockets
    assert listening(local.port) == sockets  # handed over, not opened again
    assert local.stop() in (0, 143)  # haproxy's own: that of the worker that ended last


def test_what_is_no_list_changes_nothing(local: Local, servers: list[ApiServer]) -> None:
    """It is said once, and a good list is taken again."""
    local.name(servers[0])
    local.start()

    bad = ["# none\n", "10.0.0.1\n", "10.0.0.1:99999\n", "$(id):1\n", "999.1.1.1:6443\n"]
    for number, text in enumerate(bad, 1):
        local.write(text)
        wait_for(lambda number=number: local.log.read_text().count("the old") == number, f"nothing is said of {text!r}")  # type: ignore[misc]
        assert local.served() == {servers[0].name}
    local.hosts.unlink()
    time.sleep(1.5)
    assert local.log.read_text().count("the old") <= len(bad) + 1

    local.name(servers[1])
    wait_for(lambda: local.served() == {servers[1].name}, "the good list is not taken")


def test_a_server_that_is_not_ready_gets_no_connection(local: Local, servers: list[ApiServer]) -> None:
    """Connections to it are ended. One that wants a login is ready. kubeon's question gives the right answers."""
    one, two, _ = servers
    two.ready = 401
    local.name(one, two)
    local.start()
    wait_for(lambda: local.check([one, two]).returncode == 0, "the check does not succeed")
    kept = [local.connect() for _ in range(8)]
    assert len({ask(connection) for connection in kept}) == 2

    one.ready, began = 500, time.monotonic()
    ended = ended_after = 0.0
    while ended == 0 and time.monotonic() < began + 20:
        if local.status(one) == "NOLB":  # at once, while its connections stay for a while
            assert {ask(local.connect()) for _ in range(8)} == {str(two.port)}
        ended = sum(not alive(connection) for connection in kept)
        ended_after = time.monotonic() - began
        time.sleep(0.1)

    assert 0 < ended < len(kept)
    assert ended_after > 5
    assert local.check([one, two]).returncode == 0
    other = local.check([one])
    assert (other.returncode, other.stdout) == (1, f"haproxy serves {one.name} {two.name}, not {one.name}\n")
    two.ready = 503
    wait_for(lambda: "reaches no API server" in local.check([one, two]).stdout, "the check goes on to succeed")
    assert local.healthy()


def test_when_none_is_ready_they_are_tried_all_the_same(local: Local, servers: list[ApiServer]) -> None:
    """All say so while etcd elects a leader, and answer nevertheless; no connection is cut off, old or new."""
    local.name(*servers)
    local.start()
    wait_for(lambda: local.check(servers).returncode == 0, "they are not marked up")
    old = [local.connect() for _ in range(6)]
    assert all(ask(connection) for connection in old)
    for server in servers:
        server.ready = 500
    wait_for(lambda: "reaches no API server" in local.check(servers).stdout, "they are not marked")

    kept = local.connect()
    at = ask(kept)
    until = time.monotonic() + 9
    while time.monotonic() < until:  # longer than one alone would be borne
        assert all(alive(connection) for connection in old)
        time.sleep(0.2)
    for server in servers:
        server.ready = 200
    wait_for(lambda: local.check(servers).returncode == 0, "they are not marked up")

    assert ask(kept) == at


def alive(connection: http.client.HTTPSConnection) -> bool:
    """Does it still answer; without opening another one."""
    if connection.sock is None:
        return False
    try:
        return bool(ask(connection))
    except (OSError, http.client.HTTPException):
        connection.sock = None
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGUSR1])
def test_signals_end_it(local: Local, servers: list[ApiServer], number: int) -> None:
    """With haproxy's exit code, and nobody listens any more; it does not wait for connections that never end."""
    local.name(*servers)
    local.start()
    wait_for(lambda: local.check(servers).returncode == 0, "they are not marked up")
    kept = local.connect()
    assert ask(kept)
    began = time.monotonic()

    local.stop(number)

    assert time.monotonic() - began < 10
    assert listening(local.port) == set()
    assert not alive(kept)


def test_it_ends_when_haproxy_does(local: Local, servers: list[ApiServer]) -> None:
    """The kubelet starts it again."""
    local.name(*servers)
    local.start()
    assert local.process
    (master,) = wait_for(local.masters, "it has no haproxy")
    os.kill(master, signal.SIGKILL)

    assert local.process.wait(timeout=10) == 137
    wait_for(lambda: not listening(local.port), "its worker goes on")


def test_the_script_is_clean_for_shellcheck() -> None:
    """And so is what kubeon asks a worker with."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    question = Path(__file__).parents[1] / "lb/golden/check.sh"
    for script, shell in ((PROGRAM, "sh"), (question, "bash")):
        done = subprocess.run(["shellcheck", "-s", shell, str(script)], capture_output=True, text=True, check=False)
        assert done.stdout == ""


@pytest.mark.parametrize("words", [[], ["--host"], ["--nonsense", "x"], ["--host", "10.0.0.1"]])
def test_a_wrong_command_line_ends_at_once(words: list[str], tmp_path: Path) -> None:
    """With a word about it."""
    done = subprocess.run(
        ["sh", str(PROGRAM), *words, *(["--folder", str(tmp_path)] if words else [])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode in (1, 2)
    assert done.stderr


def test_the_configuration(programs: Path, tmp_path: Path) -> None:
    """With hosts on the command line, each once."""
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "haproxy").write_text("#!/bin/sh\nexit 0\n")
    (fake / "haproxy").chmod(0o755)
    environment = os.environ | {"PATH": f"{fake}:{os.environ['PATH']}"}
    hosts = ["--host", "10.0.0.1:6443", "--host", "10.0.0.2:6443", "--host", "10.0.0.1:6443"]
    subprocess.run(["sh", PROGRAM, *hosts, "--folder", tmp_path / "run"], env=environment, check=True, timeout=10)

    text = (tmp_path / "run/haproxy.cfg").read_text()
    checked = subprocess.run(
        [programs / "haproxy", "-c", "-f", tmp_path / "run/haproxy.cfg"], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, "WARNING" in checked.stderr) == (0, False), checked.stderr
    assert_golden(text.replace(str(tmp_path), "FOLDER"), "haproxy/haproxy.cfg")
