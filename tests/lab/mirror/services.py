"""The mirror's two servers as background processes that outlive whoever started them."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import cache
from tests.lab.mirror import modules
from tests.lab.mirror.store import HERE, Log, read_json, write

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
http:
  addr: {address}:{port}
  secret: lab
  relativeurls: true
"""


@dataclass(frozen=True)
class Service:
    """A server: its name, where it listens, the command."""

    name: str
    address: str
    port: int
    command: tuple[str, ...]
    version: str = ""  # another one is another server

    @property
    def file(self) -> Path:
        return _state() / f"{self.name}.json"


def _state() -> Path:
    return cache.root() / "mirror-state"


def faults_file() -> Path:
    """The control file of the started file server."""
    return _state() / "faults.json"


def registry_root() -> Path:
    """The registry's storage."""
    return cache.root() / "registry"


def files(address: str, port: int) -> Service:
    """The file server."""
    where = ("--address", address, "--port", str(port))
    what = ("--root", str(cache.root() / "mirror"), "--faults", str(faults_file()))
    # the plain interpreter and a file of the standard library's means only: `python` and `python3` of a virtual
    # environment are the same server, which is not to be restarted under hosts that use it
    program = HERE / "fileserver.py"
    command = (str(Path(sys.executable).resolve()), "-P", str(program), *where, *what)
    return Service("files", address, port, command, version=cache.key(program))


def registry(address: str, port: int, log: Log = print, name: str = "registry") -> Service:
    """The image registry: distribution's, plain HTTP, reporting to nobody."""
    program = modules.registry(log) / "registry"
    config = _state() / f"{name}.yml"
    write(config, CONFIG.format(root=registry_root(), address=address, port=port))
    return Service(name, address, port, ("env", "OTEL_TRACES_EXPORTER=none", str(program), "serve", str(config)))


def start(service: Service, log: Log = print) -> None:
    """Start a service unless just this one runs already, and wait until it answers."""
    described: dict[str, Any] = {"address": service.address, "port": service.port, "version": service.version}
    if not service.version:  # where it says what it is, another clone's is the same, which hosts may be using
        described["command"] = list(service.command)
    state = running(service.name)
    if state and described.items() <= state.items():
        return
    stop(service.name, log)
    _check_address(service.address)
    _state().mkdir(parents=True, exist_ok=True)
    output = _state() / f"{service.name}.log"
    with output.open("w") as out:
        process = subprocess.Popen(
            service.command, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    write(service.file, json.dumps({**described, "pid": process.pid, "begun": begun(process.pid)}))
    deadline = time.monotonic() + 20
    while not _answers(service.address, service.port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(service.name, log)
            raise RuntimeError(
                f"{service.name} does not answer on {service.address}:{service.port}: {output.read_text()}"
            )
        time.sleep(0.05)
    log(f"{service.name} on {service.address}:{service.port}")


def running(name: str) -> dict[str, Any] | None:
    """What runs under a name: only a process that is certainly the one that was started."""
    state: dict[str, Any] | None = read_json(_state() / f"{name}.json")
    # a pid may be another process's by now, its begin can not
    return state if state and begun(state["pid"]) == state["begun"] else None


def stop(name: str, log: Log = print) -> None:
    """End a service."""
    if state := running(name):
        os.kill(state["pid"], signal.SIGTERM)
        deadline = time.monotonic() + 5
        while running(name):
            if time.monotonic() > deadline:
                os.kill(state["pid"], signal.SIGKILL)
            time.sleep(0.02)
        _reap(state["pid"])
        log(f"{name} stopped")
    (_state() / f"{name}.json").unlink(missing_ok=True)


def _reap(pid: int) -> None:
    """A process that this very process started stays as a zombie until it is waited for."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def begun(pid: int) -> int | None:
    """When a living process began, in the kernel's ticks."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def _check_address(address: str) -> None:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise RuntimeError(
                f"{address} is not an address of this machine yet: bring the lab's network up first"
            ) from error


def free_port() -> int:
    """A port that nobody listens on, and that no connection takes for itself meanwhile (ip_local_port_range)."""
    while True:
        port = 20000 + secrets.randbelow(10000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def registry_for_pushing(log: Log = print) -> Iterator[str]:
    """A registry on the same storage, on loopback, for as long as images are pushed; the network need not be up."""
    port = free_port()
    service = registry("127.0.0.1", port, log, name=f"registry-{port}")
    start(service, lambda _: None)
    try:
        yield f"http://127.0.0.1:{service.port}"
    finally:
        stop(service.name, lambda _: None)
        for file in _state().glob(f"{service.name}.*"):
            file.unlink(missing_ok=True)


def status(names: Sequence[str] = ("files", "registry")) -> dict[str, dict[str, Any] | None]:
    """What runs."""
    return {name: running(name) for name in names}
