"""Which containers of a component run, as a host says that may be too busy to say it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kubeon.cluster import restarts
from kubeon.cri.containerd import Containerd
from kubeon.errors import CommandError
from kubeon.waiting import Clock


class Ticking(Clock):
    """Sleeping makes it later, and nobody sleeps."""

    now_is = 0.0

    def monotonic(self) -> float:
        return self.now_is

    def sleep(self, seconds: float) -> None:
        self.now_is += seconds


def running(monkeypatch: pytest.MonkeyPatch, fails: int) -> frozenset[str]:
    """What is found on a host whose runtime fails so many times."""
    asked: list[str] = []

    def ask(script: str, **_: Any) -> str:
        asked.append(script)
        if len(asked) <= fails:
            raise CommandError("look for etcd failed", command_exit_code=1)
        return "one\n"

    monkeypatch.setattr(restarts, "SYSTEM_CLOCK", Ticking())
    ctx, host = SimpleNamespace(cri=Containerd()), SimpleNamespace(ask=ask)
    return restarts._running(cast(Any, ctx), cast(Any, host), "etcd")


def test_a_busy_runtime_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its failure is no end of a container."""
    assert running(monkeypatch, fails=3) == {"one"}


def test_one_that_never_says_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while."""
    with pytest.raises(CommandError):
        running(monkeypatch, fails=1000)
