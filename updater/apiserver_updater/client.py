"""HTTP/1.1 by Python's standard library alone: TLS, connections that are used again, bodies in chunks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apiserver_updater.report import clock

CONNECT = 2.0  # seconds; a server that has not taken a connection by then is not tried on
IDLE = 5.0  # seconds after which a connection is not used again: the server may be about to close it
_PIECE = 1 << 16
_NO_BODY = frozenset({204, 304})

# A peer that lost its power sends nothing. The kernel notices after 5 + 3 * 2 seconds.
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class HttpError(OSError):
    """What came is no answer, or it broke off."""


@dataclass(frozen=True)
class Request:
    """What is asked: `url` is whole, with its query."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Response:
    """An answer. Its body comes by `chunks`, or all of it by `read`; `close` leaves what has not come."""

    def __init__(self, status: int, chunks: AsyncIterator[bytes], close: Callable[[], object] = lambda: None) -> None:
        self.status, self.chunks, self.close = status, chunks, close
        self.content = b""

    async def read(self) -> None:
        """The whole body, into `content`."""
        self.content = b"".join([chunk async for chunk in self.chunks])


class Connections:
    """To any servers, under one TLS context. Each carries one request at a time, and then waits for the next one."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._idle: dict[tuple[str, int], list[_Connection]] = {}
        self._closed = False

    async def send(self, request: Request) -> Response:
        """The answer's head has come. Raises OSError, or asyncio's TimeoutError. Cancelled, the connection is gone."""
        parts = urlsplit(request.url)
        at = (parts.hostname or "", parts.port or 443)
        connection = await self._connection(at)
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            status, headers = await connection.ask(request, parts.netloc, target)
        except BaseException:
            connection.close()
            raise
        held = [connection]  # empty as soon as the answer has ended: then it may be another request's

        def leave() -> None:
            while held:
                held.pop().close()

        return Response(status, self._body(held, status, headers, at), leave)

    def close(self) -> None:
        """Those that wait; those in use when they have ended."""
        self._closed = True
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def _connection(self, at: tuple[str, int]) -> _Connection:
        while waiting := self._idle.get(at):
            connection = waiting.pop()
            if connection.is_fit:
                return connection
            connection.close()
        plain = socket.socket(socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
        try:
            plain.setblocking(False)
            for option in KEEPALIVE:
                plain.setsockopt(*option)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(plain, at), CONNECT)
            return _Connection(*await asyncio.open_connection(sock=plain, ssl=self._context, server_hostname=at[0]))
        except asyncio.TimeoutError:
            plain.close()
            raise HttpError(f"no connection within {CONNECT:g} s") from None
        except BaseException:
            plain.close()
            raise

    async def _body(
        self, held: list[_Connection], status: int, headers: Mapping[str, str], at: tuple[str, int]
    ) -> AsyncIterator[bytes]:
        (connection,) = held
        whole = False
        try:
            async for chunk in connection.body(status, headers):
                yield chunk
            whole = headers.get("connection", "").lower() != "close" and _has_end(status, headers)
        finally:
            held.clear()
            if whole and not self._closed:
                connection.used = clock()
                self._idle.setdefault(at, []).append(connection)
            else:
                connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.used = clock()

    @property
    def is_fit(self) -> bool:
        """To be used again, as far as one can know before."""
        return clock() - self.used < IDLE and not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        """At once: what has not been sent is not sent."""
        self._writer.transport.abort()

    async def ask(self, request: Request, host: str, target: str) -> tuple[int, dict[str, str]]:
        """Status and headers (names in lower case) of the answer."""
        headers = {"Host": host, "Content-Length": str(len(request.body)), **request.headers}
        lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("ascii") + request.body)
        await self._writer.drain()
        status, found = await self._head()
        while 100 <= status < 200:
            status, found = await self._head()
        return status, found

    async def body(self, status: int, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """As it comes."""
        if status in _NO_BODY:
            return
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := _number((await self._line()).partition(b";")[0], 16):
                async for piece in self._exactly(size):
                    yield piece
                await self._line()
            while await self._line():
                pass  # trailers
        elif "content-length" in headers:
            async for piece in self._exactly(_number(headers["content-length"].encode(), 10)):
                yield piece
        else:
            while piece := await self._reader.read(_PIECE):
                yield piece

    async def _head(self) -> tuple[int, dict[str, str]]:
        words = (await self._line()).split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1."):
            raise HttpError(f"no HTTP: {b' '.join(words)[:80]!r}")
        headers = {}
        while line := await self._line():
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip()
        return _number(words[1], 10), headers

    async def _line(self) -> bytes:
        try:
            return (await self._reader.readuntil(b"\n")).rstrip(b"\r\n")
        except asyncio.IncompleteReadError:
            raise HttpError("the connection was closed") from None
        except asyncio.LimitOverrunError:
            raise HttpError("a line without an end") from None

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self._reader.read(min(size, _PIECE))
            if not piece:
                raise HttpError("the connection was closed")
            size -= len(piece)
            yield piece


def _has_end(status: int, headers: Mapping[str, str]) -> bool:
    return status in _NO_BODY or "content-length" in headers or "transfer-encoding" in headers


def _number(text: bytes, base: int) -> int:
    try:
        found = int(text.strip(), base)
    except ValueError:
        found = -1
    if found < 0:
        raise HttpError(f"no number: {text[:80]!r}")
    return found
