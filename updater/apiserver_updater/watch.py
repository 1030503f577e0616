"""Which API servers there are: list and watch of EndpointSlice default/kubernetes, which they maintain themselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from apiserver_updater.cluster import CALL, Api, ApiError, Json, base_url
from apiserver_updater.report import Backoff, Clock, Metrics, Pulse, Seldom, clock, say
from apiserver_updater.target import Servers, servers_in

ONLY = {"fieldSelector": "metadata.name=kubernetes"}
LASTS = 30.0  # seconds after which a server is asked to end a watch
GRACE = 5.0  # it has so much longer
LIVED = 10.0  # seconds; a watch that lasted so long was none of a row of failures


async def list_servers(api: Api) -> tuple[Servers | None, str]:
    """The API servers, and the resourceVersion from which to watch. No resourceVersion is asked for: etcd answers."""
    found = await api.call("GET", await api.slices("default"), params=ONLY)
    return servers_in(found.get("items") or []), str((found.get("metadata") or {}).get("resourceVersion") or "")


class Watcher:
    """Calls `changed` when there are other API servers than before. Every replica watches: each wants to know them."""

    def __init__(
        self,
        api: Api,
        changed: Callable[[], None],
        metrics: Metrics,
        *,
        resync: float = 60,
        lasts: float = LASTS,
        now: Clock = clock,
    ) -> None:
        self.servers: Servers | None = None
        self.listed = False
        self._api, self._changed, self._metrics = api, changed, metrics
        self._resync, self._lasts, self._now = resync, lasts, now
        self._version = ""
        self._listed_at = 0.0
        self._backoff, self._seldom = Backoff(), Seldom(now)

    async def run(self, pulse: Pulse) -> None:
        """Watch for ever."""
        while True:
            pulse.beat("watch", 2 * self._lasts + GRACE + 4 * CALL)
            await asyncio.sleep(await self.step())

    async def step(self) -> float:
        """List, unless the watch before ended well and not long ago; watch. For how long to pause before the next."""
        begun = self._now()
        try:
            if not self._version or begun >= self._listed_at + self._resync:
                await self._list()
                begun = self._now()
            await self._watch()
            self._metrics.add("watch_restarts_total", "ended")
        except ApiError as error:
            self._version = ""  # it might be of an etcd that was put back to an earlier day: better to list
            if error.status == 404:
                self._api.rediscover()
            reason = {0: "broken", 410: "gone"}.get(error.status, str(error.status))
            self._metrics.add("watch_restarts_total", reason)
            self._seldom.say(f"watch ({reason}): {error}")
        if self._now() >= begun + LIVED:
            self._backoff.reset()
        return self._backoff.next()

    async def _list(self) -> None:
        servers, self._version = await list_servers(self._api)
        self._listed_at, self.listed = self._now(), True
        self._know(servers)

    async def _watch(self) -> None:
        lasts = self._lasts * random.uniform(1, 1.5)
        params = {
            **ONLY,
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": f"{lasts:.0f}",
        }
        await self._api.follow(await self._api.slices("default"), params, lasts + GRACE, self._event)

    def _event(self, event: Json) -> None:
        kind, found = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            raise ApiError(f"{found.get('reason')} {found.get('message')}", int(found.get("code") or 0))
        self._version = str((found.get("metadata") or {}).get("resourceVersion") or self._version)
        if kind in ("ADDED", "MODIFIED"):
            self._know(servers_in([found]))
        elif kind == "DELETED":
            self._know(None)

    def _know(self, servers: Servers | None) -> None:
        if servers == self.servers:
            return
        self.servers = servers
        self._metrics.set("known_addresses", len(servers.addresses) if servers else 0)
        if servers:
            self._api.learn([base_url(address, servers.port) for address in servers.addresses])
        say(f"API servers: {servers or 'none; nothing is written, and those known before stay known'}")
        self._changed()
