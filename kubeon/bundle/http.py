"""HTTP with the errors users need: which URL, what came instead, what to do. The only importer of httpx."""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import httpx

from kubeon.errors import BundleError
from kubeon.waiting import SYSTEM_CLOCK, Clock

T = TypeVar("T")

CONNECT_TIMEOUT = 15.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
_PAUSES = (1.0, 3.0, 8.0)  # seconds before the second, third and fourth attempt
_START_OF_HTML = (b"<!doctype html", b"<html")
HINT = (
    "check sources.mirror and sources.registry (--mirror, --registry), the proxy environment and the version asked for"
)


class PassingError(Exception):
    """Something that may be gone at the next attempt."""

    def __init__(self, error: BundleError) -> None:
        super().__init__(str(error))
        self.error = error


class Http:
    """One client for everything; safe to use from several threads. `transport` and `clock` are for tests."""

    def __init__(self, *, transport: httpx.BaseTransport | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        # HTTP_PROXY, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE are honoured (httpx's trust_env)
        self._client = httpx.Client(
            transport=transport,
            timeout=timeout,
            follow_redirects=True,
            headers={"User-Agent": "kubeon", "Accept-Encoding": "identity"},
        )
        self._clock = clock

    @contextmanager
    def stream(self, url: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """An open answer of any status below 500. One attempt: raises PassingError or BundleError."""
        try:
            with self._client.stream("GET", url, headers=dict(headers or {})) as response:
                if response.status_code >= 500 or response.status_code == 429:
                    raise PassingError(unexpected_status(url, response))
                yield response
        except httpx.InvalidURL as error:
            raise BundleError(f"{url!r} is not a URL", why=str(error), hint=HINT) from None
        except httpx.UnsupportedProtocol:
            raise BundleError(f"cannot fetch {url}", why="it begins with neither http:// nor https://") from None
        except httpx.TransportError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
                why = f"the server's certificate is not trusted: {error}"
                hint = "name the CA's file in the environment variable SSL_CERT_FILE"
                raise BundleError(f"cannot fetch {url}", why=why, hint=hint) from None
            raise PassingError(BundleError(f"cannot fetch {url}", why=_reason(error), hint=HINT)) from None

    def text(
        self, url: str, *, headers: Mapping[str, str] | None = None, limit: int = 4 << 20, patient: bool = True
    ) -> httpx.Response:
        """A small answer of any status below 500, read whole (at most `limit` bytes), with retries if `patient`."""

        def once() -> httpx.Response:
            with self.stream(url, headers=headers) as response:
                body = b""
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > limit:
                        raise BundleError(f"{url} is not what was asked for", why=f"it is larger than {limit} bytes")
                plain = {name: value for name, value in response.headers.items() if name != "content-encoding"}
                return httpx.Response(response.status_code, headers=plain, content=body)

        return self.patiently(once, _PAUSES if patient else ())

    def patiently(self, attempt: Callable[[], T], pauses: Sequence[float] = _PAUSES) -> T:
        """Call `attempt` again while it raises PassingError; the last one's BundleError is raised."""
        for pause in (*pauses, None):
            try:
                return attempt()
            except PassingError as passing:
                if pause is None:
                    raise passing.error from None
                self._clock.sleep(pause)
        raise AssertionError("unreachable")


def expect_file(url: str, response: httpx.Response) -> None:
    """Raises BundleError unless the answer is a file: 200, and no web page (a log-in or error page with status 200)."""
    if response.status_code != 200:
        raise unexpected_status(url, response)
    if response.headers.get("content-type", "").startswith("text/html"):
        raise _web_page(url)


def expect_no_page(url: str, start: bytes) -> None:
    """Raises BundleError when the first bytes are those of a web page, whatever its type was said to be."""
    if start.lstrip()[:20].lower().startswith(_START_OF_HTML):
        raise _web_page(url)


def unexpected_status(url: str, response: httpx.Response) -> BundleError:
    """The error for any status but the one hoped for."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    meaning = {
        401: "it wants a login",
        403: "it is forbidden, for instance by a proxy",
        404: "there is no such file",
        407: "the proxy wants a login",
    }.get(response.status_code, "")
    return BundleError(f"cannot fetch {url}", why=f"{status}{': ' if meaning else ''}{meaning}", hint=HINT)


def _web_page(url: str) -> BundleError:
    return BundleError(
        f"{url} is not the file",
        why="a web page came instead: a log-in page, or an error page with status 200",
        hint="open the URL in a browser to see it; then " + HINT,
    )


def _reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"nothing came for {READ_TIMEOUT:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"no connection: {error}"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return f"the connection broke off: {error}"
    return str(error) or type(error).__name__
