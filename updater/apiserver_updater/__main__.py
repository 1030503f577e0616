"""python3 -m apiserver_updater: the program."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import uuid
from pathlib import Path

from apiserver_updater.cluster import ACCOUNT, Api, base_url
from apiserver_updater.copying import Copier
from apiserver_updater.election import Election, Terms
from apiserver_updater.health import Health
from apiserver_updater.report import Metrics, Pulse, say
from apiserver_updater.watch import Watcher

# Seconds: together less than two, since whoever ends us may not wait.
LAST_WORDS = 0.5
GIVING_BACK = 1.0


def arguments(words: list[str]) -> argparse.Namespace:
    """In a pod none is needed."""
    parser = argparse.ArgumentParser("apiserver-updater", description=sys.modules["apiserver_updater"].__doc__)
    add = parser.add_argument
    add(
        "--api",
        action="append",
        default=[],
        metavar="URL",
        help="the API; may be repeated; default: in-cluster",
    )
    add("--token-file", type=Path, default=ACCOUNT / "token")
    add("--ca-file", type=Path, default=ACCOUNT / "ca.crt")
    add("--namespace", default="kube-system", help="of the Lease and of what is written")
    add("--identity", default=socket.gethostname(), help="default: the pod's name; something random comes behind it")
    add("--health-port", type=int, default=8843)
    add("--lease-duration", type=float, default=Terms.duration, metavar="SECONDS")
    add("--renew-deadline", type=float, default=Terms.deadline, metavar="SECONDS")
    add("--retry-period", type=float, default=Terms.retry, metavar="SECONDS")
    add("--resync", type=float, default=60, metavar="SECONDS", help="look at everything again that often")
    given = parser.parse_args(words)
    given.terms = Terms(given.lease_duration, given.renew_deadline, given.retry_period)
    if given.terms.wrong():
        parser.error(given.terms.wrong())
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    given.api = given.api or ([base_url(host, os.environ.get("KUBERNETES_SERVICE_PORT", "443"))] if host else [])
    if not given.api:
        parser.error("not in a cluster: --api is needed")
    return given


async def serve(given: argparse.Namespace) -> int:
    """Run until a signal, or until something fails that nobody thought of; the exit code."""
    stop, wake = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics, pulse = Metrics(), Pulse()
    api = Api(given.api, token_file=given.token_file, ca_file=given.ca_file)
    identity = f"{given.identity}_{uuid.uuid4()}"
    election = Election(api, identity, namespace=given.namespace, metrics=metrics, won=wake.set, terms=given.terms)
    watcher = Watcher(api, wake.set, metrics, resync=given.resync)
    copier = Copier(api, election, given.namespace, metrics, resync=given.resync)
    health = await Health(pulse, metrics, lambda: watcher.listed).start(given.health_port)
    say(f"started: {identity}, API at {', '.join(given.api)}")
    loops = [asyncio.create_task(loop) for loop in (copier.run(pulse, wake), watcher.run(pulse), election.run(pulse))]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *loops], return_when=asyncio.FIRST_COMPLETED)
    failed = [loop.exception() for loop in loops if loop.done()]
    busy = set(loops)
    for _ in range(2):  # once may be lost: before Python 3.12 wait_for swallows it when its own time is up
        for loop in loops:
            loop.cancel()
        _, busy = await asyncio.wait(loops, timeout=LAST_WORDS / 2)
    if not busy:  # the lease is not given back while a write is under way
        await election.release(GIVING_BACK)
    health.close()
    for error in filter(None, failed):
        raise error
    say("ended")
    return 0


def main() -> None:
    """Parse, serve, exit."""
    sys.exit(asyncio.run(serve(arguments(sys.argv[1:]))))


if __name__ == "__main__":
    main()
