"""An API in memory for the program's parts, with resourceVersions and conflicts, and a clock that tests set forward."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from apiserver_updater.cluster import Api
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


class FakeApi(httpx.AsyncBaseTransport):
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
        return len([url for verb, _, url in asked if verb == method and httpx.URL(url).path == path])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        method, path = request.method, request.url.path
        self.asked.append(f"{method} {request.url}")
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        if isinstance(answer := self.before(method, path), httpx.Response):
            return answer
        if path == GROUP:
            return httpx.Response(200, json={"versions": [{"version": version} for version in self.versions]})
        if path.startswith(f"{GROUP}/"):
            version = path.removeprefix(f"{GROUP}/").partition("/")[0]
            path = path.replace(f"{GROUP}/{version}", f"/apis/{DISCOVERY}") if version in self.versions else ""
        if path == SOURCES:
            assert request.url.params["fieldSelector"] == "metadata.name=kubernetes"
            return self._watch(request) if request.url.params.get("watch") else self._list()
        if not path or path in self.absent:
            return httpx.Response(404, json={"message": f"{request.url.path} not found"})
        return self._object(method, path, request.content)

    def _object(self, method: str, path: str, body: bytes) -> httpx.Response:
        found = self.objects[path]
        if method == "PUT":
            content = json.loads(body)
            if content["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                return httpx.Response(409, json={"message": "the object has been modified"})
            self.put(path, content)
        else:
            assert method == "GET"
        return httpx.Response(200, json=self.objects[path])

    def _list(self) -> httpx.Response:
        items = [self.objects[SOURCE]] if SOURCE in self.objects else []
        return httpx.Response(200, json={"metadata": {"resourceVersion": str(self._revision)}, "items": items})

    def _watch(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["allowWatchBookmarks"] == "true"
        events = self.watches.pop(0)
        if events and isinstance(events[0], int):
            return httpx.Response(events[0], json={"message": "of the fake"})

        async def lines() -> AsyncIterator[bytes]:
            text = b"".join(json.dumps(event).encode() + b"\n" for event in events)
            yield text[:7]  # a line may come in pieces
            yield text[7:]

        return httpx.Response(200, content=lines())


def an_api(fake: httpx.AsyncBaseTransport, folder: Path, authorities: Authorities, clock: Clock, *urls: str) -> Api:
    """The program's way to the fake."""
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_bytes(authorities.ca.pem)

    def transport(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
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
