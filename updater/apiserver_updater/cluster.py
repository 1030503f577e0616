"""The way to the API: the in-cluster address first, and the API servers' own addresses when that one fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from apiserver_updater.client import Connections, Request, Response
from apiserver_updater.report import Clock, clock

Json = dict[str, Any]

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
DISCOVERY = "discovery.k8s.io"
VERSIONS = ("v1", "v1beta1")  # of EndpointSlices: Kubernetes 1.21 and newer, 1.20

ATTEMPT = 3.0  # seconds for one answer of one server
CALL = 6.0  # seconds for a call, whichever servers it takes
REST = (5.0, 60.0)  # a server that failed is asked last for so long: at first, at most
FAILING = frozenset({429, 500, 502, 503, 504})  # it is the server that cannot; another one may


class ApiError(Exception):
    """An answer that is none; `status` is HTTP's, 0 when nobody answered."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def base_url(host: str, port: int | str) -> str:
    """https://10.0.0.1:6443, https://[fd00::1]:6443."""
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


@dataclass
class Server:
    """An address of the API, and how it fares."""

    url: str
    failures: int = 0
    rests_until: float = 0

    def failed(self, now: float) -> None:
        """Ask others first for a while."""
        self.failures = min(self.failures + 1, 8)
        first, most = REST
        self.rests_until = now + min(most, first * 2 ** (self.failures - 1)) * random.uniform(0.8, 1.2)

    def worked(self) -> None:
        """All is well."""
        self.failures, self.rests_until = 0, 0


class Transport(Protocol):
    """What carries requests: `Connections`, or a test's own."""

    async def send(self, request: Request) -> Response:
        """The answer, as soon as its head has come. Raises OSError, or asyncio's TimeoutError."""

    def close(self) -> None:
        """Not to be used any more."""


class Api:
    """Calls to the API. Token and CA are read from their files at every call: the kubelet replaces them."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        token_file: Path = ACCOUNT / "token",
        ca_file: Path = ACCOUNT / "ca.crt",
        now: Clock = clock,
        transport: Callable[[ssl.SSLContext], Transport] = Connections,
    ) -> None:
        self._given = [Server(url.rstrip("/")) for url in urls]
        self._learnt: list[Server] = []
        self._token_file, self._ca_file = token_file, ca_file
        self._token, self._ca = "", b""
        self._now = now
        self._make = transport
        self._transport: Transport | None = None
        self._version = ""

    def learn(self, urls: Sequence[str]) -> None:
        """The API servers' own addresses, as last seen."""
        known = {server.url: server for server in (*self._given, *self._learnt)}
        given = {server.url for server in self._given}
        self._learnt = [known.get(url) or Server(url) for url in urls if url not in given]

    def servers(self) -> list[Server]:
        """In the order in which to ask them: the given ones, those learnt, and last those that failed just now."""
        now = self._now()
        return sorted((*self._given, *self._learnt), key=lambda server: max(server.rests_until - now, 0))

    async def call(
        self, method: str, path: str, *, within: float = CALL, body: Json | None = None, params: Mapping[str, str] = {}
    ) -> Json:
        """The object in the answer. One server after another is asked, for so many seconds at most."""
        deadline = self._now() + within
        said = "no time left"
        for server in self.servers():
            left = deadline - self._now()
            if left <= 0:
                break
            try:
                response = await asyncio.wait_for(self._whole(server, method, path, params, body), min(left, ATTEMPT))
            except (OSError, asyncio.TimeoutError) as error:
                server.failed(self._now())
                said = f"{server.url}: {_words(error)}"
                continue
            if response.status in FAILING:
                server.failed(self._now())
                said = f"{server.url}: {_message(response)}"
                continue
            server.worked()
            return _object(response, f"{method} {path}")
        raise ApiError(f"{method} {path}: {said}")

    async def follow(self, path: str, params: Mapping[str, str], within: float, each: Callable[[Json], None]) -> None:
        """Hand every event of a watch to `each` until the server ends it. One that lasts longer than that is broken."""
        server = self.servers()[0]
        try:
            response = await asyncio.wait_for(self._send(server, "GET", path, params), ATTEMPT)
            try:
                if response.status != 200:
                    await asyncio.wait_for(response.read(), ATTEMPT)
                    _object(response, f"watch {path}")
                server.worked()
                await asyncio.wait_for(_lines(response, each), within)
            finally:
                response.close()
        except (OSError, asyncio.TimeoutError) as error:
            server.failed(self._now())
            raise ApiError(f"watch {path}: {server.url}: {_words(error)}") from error
        except ApiError as error:
            if error.status in FAILING:
                server.failed(self._now())
            raise

    async def slices(self, namespace: str) -> str:
        """The path of a namespace's EndpointSlices, in the newest version that is served."""
        if not self._version:
            group = await self.call("GET", f"/apis/{DISCOVERY}")
            served = {version.get("version") for version in group.get("versions") or []}
            found = [version for version in VERSIONS if version in served]
            if not found:
                raise ApiError(f"{DISCOVERY} is served in none of {', '.join(VERSIONS)}", 404)
            self._version = found[0]
        return f"/apis/{DISCOVERY}/{self._version}/namespaces/{namespace}/endpointslices"

    @property
    def is_old(self) -> bool:
        """Is it a release whose EndpointSlices are in beta, where somebody may still read Endpoints?"""
        return self._version == VERSIONS[-1]

    def rediscover(self) -> None:
        """Something was not found: the cluster may have been upgraded."""
        self._version = ""

    async def _whole(
        self, server: Server, method: str, path: str, params: Mapping[str, str], body: Json | None
    ) -> Response:
        response = await self._send(server, method, path, params, body)
        await response.read()
        return response

    async def _send(
        self, server: Server, method: str, path: str, params: Mapping[str, str], body: Json | None = None
    ) -> Response:
        transport = self._current()
        with contextlib.suppress(OSError):  # half replaced: the one before is good for minutes
            self._token = self._token_file.read_text(encoding="utf-8").strip() or self._token
        headers = {
            "User-Agent": "apiserver-updater",
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        url = f"{server.url}{path}?{urlencode(params)}" if params else server.url + path
        content = b"" if body is None else json.dumps(body).encode()
        return await transport.send(Request(method, url, headers, content))

    def _current(self) -> Transport:
        """One that trusts the CA file as it is now."""
        old, pem = self._transport, self._ca
        with contextlib.suppress(OSError):
            pem = self._ca_file.read_bytes()
        if old and pem in (self._ca, b""):
            return old
        if not pem:  # without a CA, Python would trust those of the Internet
            raise OSError(f"{self._ca_file} is empty or not there")
        try:
            context = ssl.create_default_context(cadata=pem.decode("ascii"))
        except (ValueError, ssl.SSLError) as error:
            if old:
                return old
            raise OSError(f"{self._ca_file}: {error}") from error
        # Python 3.13 would refuse the certificates of older kubeadms, which name no key of their CA.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._transport, self._ca = self._make(context), pem
        if old:
            old.close()
        return self._transport


async def _lines(response: Response, each: Callable[[Json], None]) -> None:
    rest = b""
    async for chunk in response.chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            each(_parsed(line))


def _object(response: Response, what: str) -> Json:
    if response.status // 100 != 2:
        raise ApiError(f"{what}: {_message(response)}", response.status)
    return _parsed(response.content)


def _parsed(text: bytes) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(f"no JSON object: {text[:80]!r}")
    return found


def _message(response: Response) -> str:
    with contextlib.suppress(ApiError):
        return f"{response.status} {_parsed(response.content).get('message', '')}"
    return f"{response.status} {response.content[:80].decode(errors='replace')}"


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()
