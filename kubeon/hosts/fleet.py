"""The same thing on many hosts at once, outside the engine's lanes: logging in, gathering facts, asking."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from kubeon.errors import KubeonError
from kubeon.waiting import SYSTEM_CLOCK

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
    hosts: Iterable[H],
    ask: Callable[[H], T],
    *,
    seconds: float,
    parallel: int = 100,
    enough: Callable[[T], bool] = lambda answer: False,
    grace: float = 0.0,
) -> dict[H, T | KubeonError]:
    """As `on_all`, but nobody is waited for any longer than that: who has not answered by then is not in the answer.

    Once one answer is `enough`, those before it get `grace` seconds more, and those after it are not waited for. The
    caller ends what goes on with those that have not answered, by closing their connections, or lets them be.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, parallel))
    asked: dict[H, Future[T]] = {host: pool.submit(ask, host) for host in hosts}
    try:
        deadline = SYSTEM_CLOCK.monotonic() + max(0.0, seconds)
        ahead, found = list(asked.values()), False
        while True:
            fits = (i for i, each in enumerate(ahead) if each.done() and not each.exception() and enough(each.result()))
            if (index := next(fits, None)) is not None:
                if not found:
                    found, deadline = True, min(deadline, SYSTEM_CLOCK.monotonic() + grace)
                ahead = ahead[:index]
            pending = [each for each in ahead if not each.done()]
            left = max(0.0, deadline - SYSTEM_CLOCK.monotonic())
            if not pending or not wait(pending, timeout=left, return_when=FIRST_COMPLETED).done:
                break
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
