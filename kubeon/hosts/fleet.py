"""The same thing on many hosts at once, outside the engine's lanes: logging in, gathering facts, asking."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from kubeon.errors import KubeonError

H = TypeVar("H")
T = TypeVar("T")


def on_all(hosts: Iterable[H], ask: Callable[[H], T], *, parallel: int = 30) -> dict[H, T | KubeonError]:
    """Call `ask` for each host, at most `parallel` at once; a host's KubeonError is its answer, a bug is raised."""
    hosts = list(hosts)

    def answer(host: H) -> T | KubeonError:
        try:
            return ask(host)
        except KubeonError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(hosts)))) as pool:
        return dict(zip(hosts, pool.map(answer, hosts), strict=True))


def within(
    hosts: Iterable[H], ask: Callable[[H], T], *, seconds: float, parallel: int = 100
) -> dict[H, T | KubeonError]:
    """As `on_all`, but nobody is waited for any longer than that: who has not answered by then is not in the answer.

    The caller ends what goes on with those, by closing their connections.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, parallel))
    asked: dict[H, Future[T]] = {host: pool.submit(ask, host) for host in hosts}
    try:
        wait(asked.values(), timeout=max(0.0, seconds))
        answers: dict[H, T | KubeonError] = {}
        for host, future in asked.items():
            if future.done():
                error = future.exception()
                if error is None:
                    answers[host] = future.result()
                elif isinstance(error, KubeonError):
                    answers[host] = error
                else:
                    raise error
        return answers
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
