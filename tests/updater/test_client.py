"""The program's HTTP with a server on loopback that says what it is told to, over TLS."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver_updater import client
from apiserver_updater.client import Connections, Request, Response
from kubeon.pki.authorities import SERVER, Authorities, Subject
from tests.updater.fake import run

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"


class Server:
    """Answers with one text after the other, and knows what it was asked, by connection."""

    def __init__(self, folder: Path, authorities: Authorities) -> None:
        now = datetime.now(UTC)
        names = ["127.0.0.1", "::1"]
        pair = authorities.ca.issue(Subject("server"), [SERVER], names, validity=timedelta(days=9), now=now)
        (folder / "crt").write_bytes(pair.certificate)
        (folder / "key").write_bytes(pair.key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "crt", folder / "key")
        self.asked: list[list[bytes]] = []
        self.answers: list[bytes | None] = []  # None: say nothing more
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests: list[bytes] = []
        self.asked.append(requests)
        while self.answers:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            length = re.search(rb"Content-Length: (\d+)", head)
            requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
            answer = self.answers.pop(0)
            if answer is None:
                await reader.read()
                break
            writer.write(answer)
            if b"close" in answer or not self.answers:
                break
        writer.close()


@pytest.fixture
def server(tmp_path: Path, some_authorities: Authorities) -> Server:
    """Not started yet."""
    return Server(tmp_path, some_authorities)


@pytest.fixture
def connections(some_authorities: Authorities) -> Connections:
    """That trust it."""
    return Connections(ssl.create_default_context(cadata=some_authorities.ca.pem.decode()))


def ask(server: Server, work: Callable[[], Awaitable[None]]) -> None:
    """With the server running."""

    async def both() -> None:
        async with server.running():
            await work()

    run(both())


async def whole(connections: Connections, url: str, *, method: str = "GET", body: bytes = b"") -> Response:
    """The answer with its body."""
    response = await connections.send(Request(method, url, {"Accept": "text/plain"}, body))
    await response.read()
    return response


def test_a_connection_is_used_again(server: Server, connections: Connections) -> None:
    """With path, query, headers and body as given."""
    chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: 1\r\n\r\n"
    server.answers = [HELLO, OK + chunked, HELLO]

    async def work() -> None:
        for body in (b"", b"{}", b""):
            found = await whole(connections, f"{server.url}/a/b?c=d%3De", method="PUT", body=body)
            assert (found.status, found.content) == (200, b"hello")

    ask(server, work)

    (requests,) = server.asked
    first, second, _ = requests
    assert first.startswith(b"PUT /a/b?c=d%3De HTTP/1.1\r\n")
    assert b"Accept: text/plain\r\n" in first
    assert second.endswith(b"Content-Length: 2\r\nAccept: text/plain\r\n\r\n{}")


@pytest.mark.parametrize(
    "first",
    [
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Connection: close\r\n\r\nhello",  # as long as it lasts
    ],
)
def test_one_that_the_server_ends_is_not(server: Server, connections: Connections, first: bytes) -> None:
    """Nor one that has ended while nobody used it."""
    server.answers = [first, HELLO, HELLO]

    async def work() -> None:
        for _ in range(3):
            assert (await whole(connections, server.url + "/")).content == b"hello"
            await asyncio.sleep(0.1)

    ask(server, work)

    assert [len(requests) for requests in server.asked] == [1, 2]


def test_what_comes_before_an_answer_and_an_answer_without_a_body(server: Server, connections: Connections) -> None:
    """100 is none; 204 has none."""
    server.answers = [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", HELLO]

    async def work() -> None:
        found = await whole(connections, server.url + "/")
        assert (found.status, found.content) == (204, b"")
        assert (await whole(connections, server.url + "/")).content == b"hello"

    ask(server, work)

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "the connection was closed"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200", "the connection was closed"),
        (OK + b"Content-Length: 9\r\n\r\nhello", "the connection was closed"),
        (OK + b"Content-Length: many\r\n\r\nhello", "no number"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello", "no number"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", "the connection was closed"),
        (OK + b"X: " + b"x" * 100000, "a line without an end"),
    ],
)
def test_what_is_no_answer_is_an_error(server: Server, connections: Connections, answer: bytes, said: str) -> None:
    """OSError, as all that goes wrong; the next request goes by another connection."""
    server.answers = [answer]

    async def work() -> None:
        with pytest.raises(OSError, match=said):
            await whole(connections, server.url + "/")
        server.answers = [HELLO]
        assert (await whole(connections, server.url + "/")).content == b"hello"

    ask(server, work)


def test_one_who_does_not_wait_leaves_no_connection_behind(server: Server, connections: Connections) -> None:
    """What was asked before is not taken for the answer to what is asked next."""
    server.answers = [None, HELLO]

    async def work() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(connections.send(Request("GET", server.url + "/slow")), 0.2)
        assert (await whole(connections, server.url + "/next")).content == b"hello"

    ask(server, work)

    assert [[line.split()[1] for line in requests] for requests in server.asked] == [[b"/slow"], [b"/next"]]


def test_a_body_comes_as_it_is_sent_and_can_be_left(server: Server, connections: Connections) -> None:
    """As a watch is."""
    server.answers = [OK + b"Transfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n", HELLO]

    async def work() -> None:
        response = await connections.send(Request("GET", server.url + "/watch"))
        assert await asyncio.wait_for(anext(response.chunks), 5) == b"first\n"
        response.close()
        assert (await whole(connections, server.url + "/")).content == b"hello"

    ask(server, work)

    assert len(server.asked) == 2


def test_whoever_closes_late_closes_nobody_elses_connection(server: Server, connections: Connections) -> None:
    """The connection of an answer that has ended may carry the next request by then."""
    server.answers = [HELLO, HELLO, HELLO]

    async def work() -> None:
        first = await whole(connections, server.url + "/")
        second = await connections.send(Request("GET", server.url + "/"))
        first.close()
        await second.read()
        assert second.content == b"hello"
        second.close()
        assert (await whole(connections, server.url + "/")).content == b"hello"

    ask(server, work)

    assert [len(requests) for requests in server.asked] == [3]


def test_what_has_rested_for_long_is_not_used_again(
    server: Server, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may be about to close it. Nor is anything after `close`."""
    server.answers = [HELLO, HELLO, HELLO]
    monkeypatch.setattr(client, "IDLE", 0.1)

    async def work() -> None:
        await whole(connections, server.url + "/")
        await asyncio.sleep(0.2)
        response = await connections.send(Request("GET", server.url + "/"))
        connections.close()
        await response.read()
        await whole(connections, server.url + "/")

    ask(server, work)

    assert [len(requests) for requests in server.asked] == [1, 1, 1]


def test_a_server_that_another_ca_has_signed_is_told_nothing(server: Server, some_authorities: Authorities) -> None:
    """The token is in what it would be told."""
    strangers = Connections(ssl.create_default_context(cadata=some_authorities.etcd_ca.pem.decode()))
    server.answers = [HELLO]

    async def work() -> None:
        with pytest.raises(OSError, match="certificate verify failed"):
            await whole(strangers, server.url + "/")

    ask(server, work)

    assert [requests for requests in server.asked if requests] == []
