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


@pytest.mark.parametrize(("grace", "answers"), [(0.0, {"b"}), (20.0, {"a", "b"})])
def test_one_answer_is_enough(grace: float, answers: set[str]) -> None:
    """Nobody waits for those behind it; those before it get their time of grace."""
    never, later = threading.Event(), threading.Event()

    def ask(host: str) -> str:
        {"a": later, "c": never}.get(host, threading.Event()).wait(20 if host in "ac" else 0)
        return host

    def enough(answer: str) -> bool:
        if grace:
            later.set()
        return answer in "ab"

    try:
        found = within(["a", "b", "c"], ask, seconds=15, enough=enough, grace=grace)
    finally:
        never.set()
        later.set()

    assert found.keys() == answers
