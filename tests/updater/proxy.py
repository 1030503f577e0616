"""A proxy before an API server that does wrong as told: slow, silent, resetting, answering for itself."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.updater.server import Cluster

Condition = Callable[[str, str], bool]  # of method and path


class Proxy(ThreadingHTTPServer):
    """Speaks TLS with the API server's own certificate, and hands requests on."""

    daemon_threads = True

    def __init__(self, cluster: Cluster, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        self.cluster = cluster
        self.url = f"https://{address}:{self.server_address[1]}"
        self.port = int(self.server_address[1])
        self.asked: list[str] = []  # METHOD path?query
        self.status: tuple[Condition, int] | None = None  # what to answer by itself
        self.held: Condition | None = None  # what to keep until `released`
        self.released = threading.Event()
        self.answers_to_held: list[int] = []
        self._silent = threading.Event()
        self._lock = threading.Lock()
        self._watches: list[_Handler] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cluster.pki / "apiserver.crt", cluster.pki / "apiserver.key")
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def is_silent(self) -> bool:
        """Is the network cut?"""
        return self._silent.is_set()

    def silence(self) -> None:
        """From now on nothing passes in either direction, and nobody is told."""
        self._silent.set()

    def heal(self) -> None:
        """Everything passes again; connections of before stay dead."""
        self._silent.clear()

    def watches(self) -> int:
        """How many pass through."""
        with self._lock:
            return len(self._watches)

    def tell(self, event: object) -> None:
        """A line in every watch."""
        with self._lock:
            for handler in self._watches:
                handler.line(json.dumps(event).encode() + b"\n")

    def reset(self) -> None:
        """Break every watch, with a reset."""
        with self._lock:
            for handler in self._watches:
                handler.broken = True
                with suppress(OSError):
                    handler.connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def watching(self, handler: "_Handler") -> Iterator[None]:
        """It does, meanwhile."""
        with self._lock:
            self._watches.append(handler)
        try:
            yield
        finally:
            with self._lock:
                self._watches.remove(handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nobody wants to read of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    broken = False
    server: Proxy

    def do_GET(self) -> None:
        proxy, path = self.server, self.path
        if proxy.is_silent:
            return self._nothing()
        proxy.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if proxy.status and proxy.status[0](self.command, path):
            return self._answer(proxy.status[1], b'{"message": "of the proxy"}')
        if held := bool(proxy.held and proxy.held(self.command, path)):
            proxy.released.wait(60)
        upstream = http.client.HTTPSConnection("127.0.0.1", proxy.cluster.port, context=proxy.cluster.trust)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream.putrequest(self.command, path)
            for name, value in headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            if held:
                proxy.answers_to_held.append(answer.status)
            if "watch=true" in path and answer.status == 200:
                return self._stream(answer)
            content = answer.read()
            if proxy.is_silent:
                return self._nothing()
            return self._answer(answer.status, content)
        finally:
            upstream.close()

    def do_PUT(self) -> None:
        self.do_GET()

    def line(self, text: bytes) -> None:
        """A chunk of a watch."""
        with suppress(OSError):
            self.wfile.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")

    def _stream(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.server.watching(self):
            while (text := answer.readline()) and not self.broken:
                if self.server.is_silent:
                    return self._nothing()
                self.line(text)
        self.line(b"")
        self.close_connection = True
        return None

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _nothing(self) -> None:
        """Until the client has had enough."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.settimeout(60)
            self.connection.recv(1)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def proxied(cluster: Cluster, address: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy in a thread of its own."""
    proxy = Proxy(cluster, address)
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        proxy.reset()
        proxy.shutdown()
        proxy.server_close()
