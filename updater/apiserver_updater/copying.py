"""The leader's work: kube-system/apiserver has the API servers that default/kubernetes has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

from apiserver_updater.cluster import CALL, Api, ApiError, Json
from apiserver_updater.election import Election
from apiserver_updater.report import Backoff, Metrics, Pulse, Seldom, say
from apiserver_updater.target import SERVICE, SLICE, Servers, wanted_endpoints, wanted_slice
from apiserver_updater.watch import list_servers

Rule = Callable[[Json, Servers, str], "Json | None"]
CONFLICTS = 3  # in a row, then it is for the next try
SHORT = 0.5  # seconds; with less than that left of the lease no write is begun


class Copier:
    """Looks at both when it is woken, and now and then besides: somebody may have changed what is written."""

    def __init__(self, api: Api, election: Election, namespace: str, metrics: Metrics, *, resync: float = 60) -> None:
        self._api, self._election, self._metrics = api, election, metrics
        self._namespace, self._resync = namespace, resync
        self._backoff, self._seldom = Backoff(), Seldom()

    async def run(self, pulse: Pulse, wake: asyncio.Event) -> None:
        """Copy for ever."""
        pause = 0.0
        while True:
            pulse.beat("copying", self._resync * 1.5 + 20 * CALL)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(wake.wait(), pause)
            wake.clear()
            pause = await self.step()

    async def step(self) -> float:
        """Copy, as leader. For how long to pause afterwards."""
        try:
            if self._election.left() and not await self.sync():
                return self._backoff.next()
        except ApiError as error:
            if error.status == 404:
                self._api.rediscover()
            self._seldom.say(f"copying: {error}")
            return self._backoff.next()
        self._backoff.reset()
        return self._resync * random.uniform(0.8, 1.2)

    async def sync(self) -> bool:
        """Read the API servers afresh, and make the objects right. Is it done?"""
        servers, _ = await list_servers(self._api)
        if servers is None:
            self._seldom.say("copying: default/kubernetes has no server that is ready: what is written stays")
            return False
        done = await self._put_right(f"{await self._api.slices(self._namespace)}/{SLICE}", servers, wanted_slice)
        if done and self._api.is_old:
            path = f"/api/v1/namespaces/{self._namespace}/endpoints/{SERVICE}"
            done = await self._put_right(path, servers, wanted_endpoints)
        if done:
            self._metrics.set("last_sync_timestamp_seconds", time.time())
        return done

    async def _put_right(self, path: str, servers: Servers, rule: Rule) -> bool:
        for _ in range(CONFLICTS):
            found = await self._api.call("GET", path)
            # no await between here and the write: what holds now holds then
            left, mark = self._election.left(), self._election.mark()
            if left < SHORT:
                return False
            wanted = rule(found, servers, mark)
            if wanted is None:
                return True
            try:
                # its resourceVersion is that of what was found: the API refuses it when another has written since
                await self._api.call("PUT", path, within=min(CALL, left), body=wanted)
            except ApiError as error:
                if error.status == 409:
                    continue
                self._metrics.add("write_errors_total")
                raise
            self._metrics.add("writes_total")
            say(f"wrote {path.rpartition('/')[2]}: {servers}")
            return True
        return False
