"""An API in memory for the program's parts, with resourceVersions and conflicts, and a clock that tests set forward."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from apiserver_updater.client import Request, Response
from apiserver_updater.cluster import Api, Transport
from kubeon.pki.authorities import Authorities
from tests.updater.objects import (
    DISCOVERY,
    ENDPOINTS,
    LEASE,
    SOURCE,
    SOURCES,
    TARGET,
    Json,
    a_lease,
    a_source,
    a_target,
    an_endpoints,
)

T = TypeVar("T")
GROUP = "/apis/discovery.k8s.io"


def run(work: Coroutine[Any, Any, T]) -> T:
    """To its end, which comes soon."""
    return asyncio.run(asyncio.wait_for(work, 20))


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        """So many seconds pass."""
        self.now += seconds


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    """A body."""
    for piece in pieces:
        yield piece


def answer(status: int, found: Json | None = None, *, content: bytes = b"") -> Response:
    """With this object, or these bytes, as its body."""
    return Response(status, in_pieces(content if found is None else json.dumps(found).encode()))


class FakeApi:
    """Named objects that are read and updated. What it was not told about is a failure, not a 404."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.absent: set[str] = set()
        self.asked: list[str] = []  # METHOD url
        self.tokens: list[str] = []
        self.versions = ["v1"]
        self.watches: list[list[Json | int]] = []  # one after another: events, or a status to answer with
        self.before: Callable[[str, str], object] = lambda method, path: None  # may change things, answer or raise
        self._revision = 0
        for path, content in (
            (LEASE, a_lease()), (SOURCE, a_source("10.0.0.11")), (TARGET, a_target()), (ENDPOINTS, an_endpoints())
        ):  # fmt: skip
            self.put(path, content)

    def put(self, path: str, content: Json) -> None:
        """As somebody else would."""
        self._revision += 1
        metadata = {**content["metadata"], "resourceVersion": str(self._revision)}
        self.objects[path] = json.loads(json.dumps({**content, "metadata": metadata}))
        self.absent.discard(path)

    def delete(self, path: str) -> None:
        """Likewise."""
        del self.objects[path]
        self.absent.add(path)

    def count(self, method: str, path: str) -> int:
        """How often that was asked for, at whatever server."""
        asked = [line.partition(" ") for line in self.asked]
        return len([url for verb, _, url in asked if verb == method and urlsplit(url).path == path])

    async def send(self, request: Request) -> Response:
        """Answer."""
        method, path = request.method, urlsplit(request.url).path
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        self.asked.append(f"{method} {request.url}")
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        if isinstance(instead := self.before(method, path), Response):
            return instead
        if path == GROUP:
            return answer(200, {"versions": [{"version": version} for version in self.versions]})
        if path.startswith(f"{GROUP}/"):
            version = path.removeprefix(f"{GROUP}/").partition("/")[0]
            path = path.replace(f"{GROUP}/{version}", f"/apis/{DISCOVERY}") if version in self.versions else ""
        if path == SOURCES:
            assert parameters["fieldSelector"] == "metadata.name=kubernetes"
            return self._watch(parameters) if "watch" in parameters else self._list()
        if not path or path in self.absent:
            return answer(404, {"message": f"{urlsplit(request.url).path} not found"})
        return self._object(method, path, request.body)

    def close(self) -> None:
        """Nothing is open."""

    def _object(self, method: str, path: str, body: bytes) -> Response:
        found = self.objects[path]
        if method == "PUT":
            content = json.loads(body)
            if content["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                return answer(409, {"message": "the object has been modified"})
            self.put(path, content)
        else:
            assert method == "GET"
        return answer(200, self.objects[path])

    def _list(self) -> Response:
        items = [self.objects[SOURCE]] if SOURCE in self.objects else []
        return answer(200, {"metadata": {"resourceVersion": str(self._revision)}, "items": items})

    def _watch(self, parameters: Mapping[str, str]) -> Response:
        assert parameters["allowWatchBookmarks"] == "true"
        events = self.watches.pop(0)
        if events and isinstance(events[0], int):
            return answer(events[0], {"message": "of the fake"})
        text = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        return Response(200, in_pieces(text[:7], text[7:]))  # a line may come in pieces


def an_api(fake: Transport, folder: Path, authorities: Authorities, clock: Clock, *urls: str) -> Api:
    """The program's way to the fake."""
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_bytes(authorities.ca.pem)

    def transport(context: ssl.SSLContext) -> Transport:
        assert context.verify_mode is ssl.CERT_REQUIRED
        return fake

    return Api(
        urls or ("https://10.96.0.1:443",),
        token_file=folder / "token",
        ca_file=folder / "ca.crt",
        now=clock,
        transport=transport,
    )


def wall(seconds: float) -> str:
    """A time for a Lease by a clock that is wrong by so much."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
