"""The same thing on many hosts at once, outside the engine's lanes: logging in, gathering facts, asking."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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
