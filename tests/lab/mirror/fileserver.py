"""The mirror's files over HTTP, with faults on demand.

The system call sendfile does the copying, a connection is kept open from one request to the next: many hosts at once
ask for files of 100 MB, on the cores that the cluster runs on as well.

Faults stand in a JSON file that is looked at on every request, a list of rules of which the first that fits counts:
    {"prefix": "/dl.k8s.io/", "fault": "missing"}             404
    {"prefix": "/dl.k8s.io/", "fault": "login"}               200 and a login page, as a proxy before the network has it
    {"prefix": "/github.com/", "fault": "corrupt"}            one byte in the middle is another one
    {"prefix": "/github.com/", "fault": "cut"}                the connection ends half-way
    {"prefix": "/", "fault": "slow", "rate": 100000}          bytes per second
Any rule may have "times" (so many requests, then no more) and "client" (requests from this address only).
"""

import argparse
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

LOGIN = b"<!DOCTYPE html>\n<html><head><title>Login</title></head><body><form>Please log in</form></body></html>\n"

Rule = dict[str, Any]


class Faults:
    """The rules of a control file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stamp: tuple[int, int] | None = None
        self.rules: list[Rule] = []
        self.lock = threading.Lock()

    def match(self, path: str, client: str) -> Rule | None:
        """The rule for a request; a rule with "times" is used up by it."""
        with self.lock:
            self._read()
            for rule in self.rules:
                fits = path.startswith(rule["prefix"]) and rule.get("client", client) == client
                if fits and rule.get("times") != 0:
                    if "times" in rule:
                        rule["times"] -= 1
                    return rule
        return None

    def _read(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self.stamp, self.rules = None, []
            return
        # the inode, too: two files written within one tick of the clock have the same time
        if (stamp := (status.st_mtime_ns, status.st_ino)) != self.stamp:
            self.stamp, self.rules = stamp, json.loads(self.path.read_text())


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        rule = self.server.faults.match(path, self.client_address[0]) or {}
        file = self.server.file(path)
        if file is None or rule.get("fault") == "missing":
            self.send(404, b"404 not found\n", "text/plain", body)
        elif rule.get("fault") == "login":
            self.send(200, LOGIN, "text/html; charset=utf-8", body)
        else:
            with file.open("rb") as content:
                self.send_file(content, rule, body)

    def send(self, status: int, content: bytes, kind: str, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_file(self, content: BinaryIO, rule: Rule, body: bool) -> None:
        status = os.fstat(content.fileno())
        begin = self.range_begin(status.st_size)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(status.st_size - begin))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", formatdate(status.st_mtime, usegmt=True))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{status.st_size - 1}/{status.st_size}")
        self.end_headers()
        if not body:
            return
        middle = begin + (status.st_size - begin) // 2
        match rule.get("fault"):
            case "corrupt" if status.st_size:
                self.copy(content, begin, middle)
                content.seek(middle)
                self.wfile.write(bytes([content.read(1)[0] ^ 0xFF]))
                self.copy(content, middle + 1, status.st_size)
            case "cut":
                self.copy(content, begin, middle)
                self.close_connection = True
            case "slow":
                step = max(1, int(rule["rate"]) // 10)
                for place in range(begin, status.st_size, step):
                    self.copy(content, place, min(place + step, status.st_size))
                    time.sleep(0.1)
            case _:
                self.copy(content, begin, status.st_size)

    def range_begin(self, size: int) -> int:
        """Where to begin: of ranges only "from here to the end" is known, which is what resuming needs."""
        wanted = self.headers.get("Range", "").removeprefix("bytes=").removesuffix("-")
        return int(wanted) if wanted.isdigit() and int(wanted) < size else 0

    def copy(self, content: BinaryIO, begin: int, end: int) -> None:
        if end > begin:
            self.connection.sendfile(content, begin, end - begin)

    def handle(self) -> None:
        with suppress(ConnectionError):  # a client may leave when it likes
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        print(f"{time.strftime('%H:%M:%S')} {self.client_address[0]} {format % args}", flush=True)


class Server(ThreadingHTTPServer):
    """Serves a folder's files; symbolic links in it are followed."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: str, port: int, root: Path, faults: Path) -> None:
        self.root, self.faults = root, Faults(faults)
        super().__init__((address, port), Handler)

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)  # the base class's looks the address's name up, which may take long
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def file(self, path: str) -> Path | None:
        """The file behind a URL's path."""
        parts = [part for part in path.split("/") if part not in {"", "."}]
        found = self.root.joinpath(*parts)
        return found if parts and ".." not in parts and "\0" not in path and found.is_file() else None


@contextmanager
def serving(root: Path, faults: Path, address: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A server in a thread of this process, for a test that wants one of its own; gives its URL."""
    with Server(address, port, root, faults) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--faults", type=Path, required=True)
    given = parser.parse_args()
    with Server(given.address, given.port, given.root, given.faults) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
