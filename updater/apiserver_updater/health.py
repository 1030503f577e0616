"""Answers to the kubelet and to Prometheus, over plain HTTP: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from apiserver_updater.report import Metrics, Pulse

PATIENCE = 5.0  # seconds for a question


class Health:
    """Healthy while all loops turn, ready once the API has been heard."""

    def __init__(self, pulse: Pulse, metrics: Metrics, ready: Callable[[], bool]) -> None:
        self._pulse, self._metrics, self._ready = pulse, metrics, ready

    async def start(self, port: int) -> asyncio.AbstractServer:
        """Listen on all addresses."""
        return await asyncio.start_server(self._serve, sock=_listener(port))

    def answer(self, path: str) -> tuple[int, str]:
        """Status and text."""
        if path == "/metrics":
            return 200, self._metrics.text()
        if path == "/healthz":
            stuck = self._pulse.stuck()
            return (500, f"stuck: {', '.join(stuck)}\n") if stuck else (200, "ok\n")
        if path == "/readyz":
            return (200, "ok\n") if self._ready() else (503, "the API has not answered yet\n")
        return 404, "there are /healthz, /readyz and /metrics\n"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
                words = head.decode("latin-1").split()
                status, text = self.answer(words[1].partition("?")[0]) if words[0] == "GET" else (405, "GET only\n")
                body = text.encode()
                writer.write(
                    f"HTTP/1.1 {status} \r\nContent-Type: text/plain; version=0.0.4\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + body
                )
                await asyncio.wait_for(writer.drain(), PATIENCE)
            except (IndexError, asyncio.TimeoutError):
                pass
            finally:
                writer.close()


def _listener(port: int) -> socket.socket:
    """One socket for IPv6 and IPv4, or for IPv4 where there is no other."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
