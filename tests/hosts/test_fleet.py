"""Asking many at once."""

import threading

import pytest

from kubeon.errors import KubeonError
from kubeon.hosts.fleet import within


def test_who_does_not_answer_in_time_is_not_waited_for() -> None:
    """The others' answers are there, errors among them; a bug is raised."""
    never = threading.Event()

    def ask(host: str) -> str:
        if host == "slow":
            never.wait(20)
        if host == "wrong":
            raise KubeonError("no")
        return host.upper()

    try:
        answers = within(["a", "slow", "wrong", "b"], ask, seconds=3)
    finally:
        never.set()

    assert answers.keys() == {"a", "wrong", "b"}
    assert (answers["a"], answers["b"]) == ("A", "B")
    assert isinstance(answers["wrong"], KubeonError)
    with pytest.raises(ZeroDivisionError):
        within([0], lambda host: 1 // host, seconds=5)


def test_more_hosts_than_may_be_asked_at_once() -> None:
    """All of them, in their order."""
    assert list(within(range(50), lambda host: host, seconds=5, parallel=3)) == list(range(50))
