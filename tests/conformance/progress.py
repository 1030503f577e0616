"""A place to which e2e.test reports each test as it ends (its --progress-report-url)."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from tests.conformance.table import FAILED, PASSED

_WORDS = {"PASSED": PASSED, "FAILED": FAILED}


def ended(body: bytes) -> tuple[str, str] | None:
    """The test that a report is about and its result; None when it is about something else."""
    word, _, name = str(json.loads(body).get("msg", "")).partition(" ")
    return (name, _WORDS[word]) if word in _WORDS and name else None


@contextmanager
def listening(seen: Callable[[str, str], None]) -> Iterator[str]:
    """The URL; `seen` is told of each test's name and result, one after the other."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found = ended(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()
            if found:
                seen(*found)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: `seen` is told."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
