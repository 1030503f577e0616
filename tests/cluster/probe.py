"""A client that misses nothing, of the API or of a Service: two streams of requests, and what became of each.

Started by `probing` as a process of its own in a host's network (only that: it is the venv's Python that runs). The
stream `kept` has one connection, as kubelets do; `new` has one for each request. It stops by itself and on SIGTERM.
"""

import argparse
import asyncio
import base64
import contextlib
import errno
import json
import select
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.lab import machine
from tests.lab.hosts import LabHost
from tests.measured import measured

RATE = 5  # requests a second, each stream: ten from each host; twenty took a third of the lab's two cores
PATIENCE = 10.0  # seconds for a request
# Where connections come from, one port after the other: below those that the kernel and Services of type NodePort give
# out. Linux begins at another place of its range every 10 s (EPHEMERAL_PORT_SHUFFLE_PERIOD), so it comes back to ports
# whose connection hung, and conntrack leads what comes from there to the same dead server for two minutes more.
PORTS = range(11_000, 29_000)
PATH = "/api/v1/namespaces/default/serviceaccounts/default"  # one object, small, and read from a quorum of etcd


@dataclass
class Stream:
    """What became of the requests. Times are the machine's monotonic clock, which all network namespaces share."""

    sent: int = 0
    done: int = 0
    longest: float = 0.0
    failed: list[tuple[float, float, str]] = field(default_factory=list)  # begun, ended, why
    slow: list[tuple[float, float]] = field(default_factory=list)  # begun, seconds: of those above a second
    reconnects: list[float] = field(default_factory=list)  # `kept`: the connection was closed between two requests
    resent: list[tuple[float, float]] = field(default_factory=list)  # begun, seconds until its connection was closed

    def ended(self, began: float, why: str = "") -> None:
        """Note one request."""
        now = time.monotonic()
        self.longest = max(self.longest, now - began)
        if now - began > 1:
            self.slow.append((began, now - began))
        if why:
            self.failed.append((began, now, why))
        else:
            self.done += 1


@dataclass
class Report:
    """Of one probe."""

    host: str
    kept: Stream
    new: Stream

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.host}: " + "; ".join(
            f"{name}: {len(stream.failed)} of {stream.sent} failed, longest {stream.longest:.2f} s, "
            f"{len(stream.slow)} above 1 s, {len(stream.reconnects)} reconnects, {len(stream.resent)} sent again"
            for name, stream in (("kept", self.kept), ("new", self.new))
        )


def show(report: Report, began: float) -> None:
    """Print what a probe found; times count from `began`."""
    measured(report)
    for name, stream in (("kept", report.kept), ("new", report.new)):
        shown = stream.failed if len(stream.failed) <= 10 else stream.failed[:5] + stream.failed[-5:]
        for at, ended, why in shown:
            measured(f"  {name}: {at - began:.2f} to {ended - began:.2f} s: {why}")
        if stream.failed:
            measured(
                f"  {name}: the last failure ended {max(each[1] for each in stream.failed) - began:.1f} s after it"
            )
        for what, moments in (("reconnects", stream.reconnects), ("sent again", [at for at, _ in stream.resent])):
            if moments:
                measured(f"  {name}: {what} at {[round(at - began, 1) for at in moments[:10]]}")


class Closed(Exception):  # noqa: N818 - it is an answer, too
    """The connection was closed before a byte of the answer had come."""


class Connection:
    """HTTP/1.1, as little of it as the API server needs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, path: str) -> None:
        self.reader, self.writer, self.host, self.path = reader, writer, host, path
        self.last = False  # the other side has said that it closes

    async def get(self, *, close: bool) -> None:
        """One request. Raises Closed, or OSError with what is wrong with the answer."""
        manner = "close" if close else "keep-alive"
        head = (
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: application/json\r\nConnection: {manner}\r\n\r\n"
        )
        try:
            self.writer.write(head.encode())
            await self.writer.drain()
            first = await self.reader.readline()
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(repr(error)) from error
        if not first:
            raise Closed("end of file")
        headers: dict[str, str] = {}
        while line := (await self.reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = await self.reader.readexactly(int(headers["content-length"]))
        self.last = headers.get("connection") == "close"
        if b" 200 " not in first:
            raise OSError(f"{first.decode().strip()}: {body.decode(errors='replace')[:200]}")

    @property
    def is_open(self) -> bool:
        """As far as this side has heard."""
        return not (self.last or self.reader.at_eof() or self.reader.exception() or self.writer.is_closing())

    def close(self) -> None:
        """Without waiting for the other side."""
        self.writer.transport.abort()


class Prober:
    """Both streams; without a context in plain HTTP, for the root of a web server."""

    def __init__(
        self, address: str, port: int, name: str, context: ssl.SSLContext | None, hosts: Path | None = None
    ) -> None:
        self.address, self.port, self.name, self.context, self.hosts = address, port, name, context, hosts
        self.kept, self.new = Stream(), Stream()
        self._stop = asyncio.Event()
        self._connection: Connection | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._port = int(time.monotonic() * 3 * RATE)  # ahead of what an earlier probe of the same host has used

    async def run(self, seconds: float) -> None:
        """Until the time is over, or SIGTERM; what has been sent by then is waited for."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        streams = asyncio.gather(self._keep_on(), self._begin_anew())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        self._stop.set()
        await streams

    async def _keep_on(self) -> None:
        async for began in Ticks(self._stop):
            await self._counted(self.kept, began, self._ask_kept(began))
        if self._connection:
            self._connection.close()

    async def _begin_anew(self) -> None:
        async for began in Ticks(self._stop):
            task = asyncio.create_task(self._counted(self.new, began, self._ask_new()))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)

    async def _counted(self, stream: Stream, began: float, request: Any) -> None:
        stream.sent += 1
        try:
            await asyncio.wait_for(request, PATIENCE)
        except TimeoutError:
            self._forget(stream)
            stream.ended(began, f"no answer within {PATIENCE:.0f} s")
        except (OSError, Closed, asyncio.IncompleteReadError, KeyError) as error:
            self._forget(stream)
            stream.ended(began, repr(error))
        else:
            stream.ended(began)

    def _forget(self, stream: Stream) -> None:
        if stream is self.kept and self._connection:
            self._connection.close()
            self._connection = None

    async def _ask_kept(self, began: float) -> None:
        """Sent once more when a connection that had served before was closed without an answer.

        RFC 9110, 9.2.2, and what Go's client does: it may have been closed just when the request went out.
        """
        fresh = self._connection is None
        if self._connection and not self._connection.is_open:
            self._connection.close()
            self._connection = None
            self.kept.reconnects.append(began)
        self._connection = self._connection or await self._connect()
        try:
            await self._connection.get(close=False)
        except Closed:
            if fresh:
                raise
            self.kept.resent.append((began, time.monotonic() - began))
            self._connection.close()
            self._connection = await self._connect()
            await self._connection.get(close=False)

    async def _ask_new(self) -> None:
        connection = await self._connect()
        try:
            await connection.get(close=True)
        finally:
            connection.close()

    async def _connect(self) -> Connection:
        if self.context is None:
            return Connection(*await self._open(self.address), self.name, "/")
        address = address_in(self.hosts.read_text(), self.name) if self.hosts else self.address
        flags = {"ssl": self.context, "server_hostname": self.name, "ssl_handshake_timeout": PATIENCE}
        return Connection(*await self._open(address, **flags), self.name, PATH)

    async def _open(self, address: str, **flags: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            self._port += 1
            local = ("0.0.0.0", PORTS[self._port % len(PORTS)])
            try:
                return await asyncio.open_connection(address, self.port, local_addr=local, **flags)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise


class Ticks:
    """RATE times a second, by the clock; ticks that nobody waited for are left out, not made up for."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop, self.next = stop, time.monotonic()

    def __aiter__(self) -> "Ticks":
        return self

    async def __anext__(self) -> float:
        """When it is time."""
        now = time.monotonic()
        self.next = max(self.next + 1 / RATE, now - 1 / RATE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), max(0.0, self.next - now))
        if self.stop.is_set():
            raise StopAsyncIteration
        return time.monotonic()


def context_of(kubeconfig: Path) -> tuple[ssl.SSLContext, str]:
    """Who we are and whom we trust, and the API's name, from a kubeconfig with everything inside."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:
        for key in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[key]))
        file.flush()
        context.load_cert_chain(file.name)
    return context, urlsplit(cluster["server"]).hostname or ""


def address_in(hosts: str, name: str) -> str:
    """Where the text of an /etc/hosts leads. Raises OSError when it does not know the name, as a resolver would."""
    for line in hosts.splitlines():
        words = line.partition("#")[0].split()
        if name in words[1:]:
            return words[0]
    raise OSError(f"{name} is not in /etc/hosts")


def main() -> None:
    """One line when it begins, one with the report when it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="of the API; without it a web server is asked")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--hosts", type=Path, help="an /etc/hosts that is read for every connection, for the address")
    words = parser.parse_args()
    context, name = context_of(words.kubeconfig) if words.kubeconfig else (None, "web")

    async def probe() -> Prober:
        prober = Prober(words.address, words.port, name, context, words.hosts)
        task = asyncio.create_task(prober.run(words.seconds))
        while not task.done() and not (prober.kept.done and prober.new.done):
            await asyncio.sleep(0.05)
        print(json.dumps({"running": True}), flush=True)
        await task
        return prober

    prober = asyncio.run(probe())
    print(json.dumps({"kept": asdict(prober.kept), "new": asdict(prober.new)}), flush=True)


@contextlib.contextmanager
def probing(
    hosts: Sequence[LabHost],
    kubeconfig: Path | None,
    *,
    seconds: float = 300,
    address: str = "127.0.0.1",
    port: int = 6443,
    by_name: bool = False,
) -> Iterator[Callable[[], list[Report]]]:
    """A probe in the network of each host. The function ends them and returns what they found.

    `by_name`: where the host's own /etc/hosts leads the API's name when a connection is opened, not to `address`.
    """
    whom = ["--address", address, "--port", str(port), *(["--kubeconfig", str(kubeconfig)] if kubeconfig else [])]
    processes: list[subprocess.Popen[str]] = []

    def end() -> list[Report]:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        answers = [json.loads(process.communicate(timeout=60)[0].splitlines()[-1]) for process in processes]
        return [
            Report(host.name, *(Stream(**answer[name]) for name in ("kept", "new")))
            for host, answer in zip(hosts, answers, strict=True)
        ]

    try:
        for host in hosts:
            pid = machine.podman("inspect", "-f", "{{.State.Pid}}", host.container).strip()
            words = ["nsenter", "-t", pid, "-n", sys.executable, "-m", "tests.cluster.probe", *whom]
            words += ["--hosts", f"/proc/{pid}/root/etc/hosts"] if by_name else []
            processes.append(
                subprocess.Popen(
                    [*words, "--seconds", str(seconds)],
                    cwd=Path(__file__).parents[2],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        for process in processes:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], 60)[0], "a probe does not begin"
            assert "running" in process.stdout.readline()
        yield end
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.communicate()


if __name__ == "__main__":
    main()
