"""Who may write: the replica that holds the Lease, by client-go's rules.

No clock of another machine is believed. Another's lease has run out when its record has not changed for as long as the
record says, as seen from here; our own, when it could not be renewed within the deadline, counted from before the last
renewal was sent.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from apiserver_updater.cluster import CALL, Api, ApiError, Json
from apiserver_updater.report import Clock, Metrics, Pulse, Seldom, clock, say

PERSISTENCE = 3  # tries to give the lease back


@dataclass(frozen=True)
class Terms:
    """Seconds, and client-go's names for them."""

    duration: float = 15  # leaseDuration: others wait for so long
    deadline: float = 10  # renewDeadline: after so long without a renewal we lead no more
    retry: float = 2  # retryPeriod

    def wrong(self) -> str:
        """Why these will not do; "" when they will."""
        if not self.duration > self.deadline > self.retry * 1.2 > 0:
            return "it has to be --lease-duration > --renew-deadline > 1.2 * --retry-period > 0"
        return ""


class Election:
    """This replica's part in it."""

    def __init__(
        self,
        api: Api,
        identity: str,
        *,
        namespace: str,
        metrics: Metrics,
        won: Callable[[], None],
        terms: Terms,
        now: Clock = clock,
    ) -> None:
        self.identity, self.terms = identity, terms
        self._api, self._metrics, self._won, self._now = api, metrics, won, now
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/apiserver-updater"
        self._seen: Json = {}
        self._seen_at = -math.inf
        self._term: int | None = None  # leaseTransitions of our leadership
        self._renewed_at = -math.inf
        self._seldom = Seldom(now)

    def left(self) -> float:
        """For how many seconds we surely hold the lease; 0 when we do not."""
        if self._term is None:
            return 0.0
        return max(0.0, self._renewed_at + self.terms.deadline - self._now())

    def mark(self) -> str:
        """A name for this leadership, which no other has; "" when we do not lead."""
        return f"{self._term} {self.identity}" if self.left() else ""

    async def run(self, pulse: Pulse) -> None:
        """Renew, or try to become leader, for ever."""
        while True:
            pulse.beat("election", 2 * CALL + 3 * self.terms.retry)
            try:
                await self.step()
            except ApiError as error:
                self._seldom.say(f"election: {error}")
            pause = self.terms.retry * random.uniform(1, 1.2 if self.left() else 2.2)
            await asyncio.sleep(min(pause, self.left() or pause))
            self._resign_if_late()

    async def step(self) -> None:
        """Renew the lease; take it when nobody has it."""
        end = self._now() + (self.left() or CALL)
        lease = await self._api.call("GET", self._path, within=min(CALL, end - self._now()))
        spec: Json = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        self._look(spec, holder)
        if holder != self.identity:
            self._resign(f"{holder or 'nobody'} holds the lease")
            if holder and self._now() < self._seen_at + float(spec.get("leaseDurationSeconds") or self.terms.duration):
                return
        self._resign_if_late()
        term = int(spec.get("leaseTransitions") or 0) + 1 if self._term is None else self._term
        stamp = _stamp()
        wanted = {
            **spec,
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self.terms.duration),
            "acquireTime": stamp if self._term is None else spec.get("acquireTime") or stamp,
            "renewTime": stamp,
            "leaseTransitions": term,
        }
        sent = self._now()
        try:
            await self._api.call("PUT", self._path, within=min(CALL, end - sent), body={**lease, "spec": wanted})
        except ApiError as error:
            if error.status == 409:  # somebody was faster; the next look says who
                return
            raise
        self._renewed_at = sent
        if self._term is None:
            self._term = term
            self._won()
            say(f"leading: {self.mark()}")
        self._metrics.set("is_leader", bool(self.left()))

    async def release(self, within: float) -> None:
        """Give the lease back, so that nobody has to wait for its end. No write of ours may be in flight any more."""
        if self._term is None:
            return
        self._resign("shutting down")
        end = self._now() + within
        for _ in range(PERSISTENCE):
            try:
                lease = await self._api.call("GET", self._path, within=end - self._now())
                spec: Json = lease.get("spec") or {}
                if spec.get("holderIdentity") != self.identity:
                    return
                stamp = _stamp()
                nobody = {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": stamp, "renewTime": stamp}
                body = {**lease, "spec": {**spec, **nobody}}
                await self._api.call("PUT", self._path, within=end - self._now(), body=body)
            except ApiError as error:
                if error.status == 409:  # a renewal of ours was under way
                    continue
                say(f"election: the lease could not be given back: {error}")
            else:
                say("the lease is given back")
            return

    def _look(self, spec: Json, holder: str) -> None:
        """Note when the record last changed before our eyes."""
        if spec == self._seen:
            return
        if self._seen and holder != self._seen.get("holderIdentity"):
            self._metrics.add("leader_transitions_total")
        self._seen, self._seen_at = spec, self._now()

    def _resign(self, why: str) -> None:
        if self._term is not None:
            self._term = None
            self._metrics.set("is_leader", 0)
            say(f"leading no more: {why}")

    def _resign_if_late(self) -> None:
        if not self.left():
            self._resign(f"no renewal within {self.terms.deadline:g} s")


def _stamp() -> str:
    """Now, for people who read the Lease: no replica compares it with its own clock."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
