"""Waiting, with a clock that only moves when somebody sleeps."""

import pytest

from kubeon.errors import OperationError
from kubeon.waiting import Clock, expect, wait_until


class Slept(Clock):
    """Remembers the pauses."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """What was slept."""
        return sum(self.pauses)

    def sleep(self, seconds: float) -> None:
        """At once."""
        self.pauses.append(seconds)


def test_pauses_grow_and_the_last_one_ends_in_time() -> None:
    """Nobody is kept longer than they said, and the last question is asked at the very end."""
    clock = Slept()
    assert not wait_until(lambda: False, seconds=10, pause=1, longest=3, clock=clock)
    assert clock.pauses == [1, 1.5, 2.25, 3, 2.25]


def test_what_is_so_already_is_not_waited_for() -> None:
    """Nor is the deadline looked at."""
    clock = Slept()
    expect(lambda: "", "it did not start", within=0, clock=clock)
    assert clock.pauses == []


def test_what_is_so_later_is_enough() -> None:
    """The answers before are forgotten."""
    answers = ["it is not there", "it starts", ""]
    expect(lambda: answers.pop(0), "it did not start", within=10, clock=Slept())
    assert answers == []


def test_the_error_says_what_how_long_where_why_and_what_to_do() -> None:
    """Why is the last answer."""
    answers = ["it is not there", "it starts"]
    with pytest.raises(OperationError) as caught:
        expect(
            lambda: answers.pop(0) if len(answers) > 1 else answers[0],
            "it did not start",
            within=0.5,
            hint="look at it",
            host="w1",
            clock=Slept(),
        )
    assert str(caught.value) == "w1: it did not start within 0.5 s: it starts"
    assert caught.value.hint == "look at it"
