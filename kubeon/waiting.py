"""The only place that sleeps and reads the clock, so that tests can pass a clock of their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from kubeon.errors import OperationError


class Clock:
    """Monotonic seconds, sleeping, and the time of day."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for that many seconds."""
        time.sleep(seconds)

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)


SYSTEM_CLOCK = Clock()


def wait_until(
    ready: Callable[[], bool],
    *,
    seconds: float,
    pause: float = 0.5,
    longest: float = 5.0,
    clock: Clock = SYSTEM_CLOCK,
) -> bool:
    """Ask `ready` until it says yes or `seconds` have passed; the last word of `ready` is the answer.

    The pause between two questions starts at `pause` seconds and grows by half each time, up to `longest`.
    """
    deadline = clock.monotonic() + seconds
    while not ready():
        left = deadline - clock.monotonic()
        if left <= 0:
            return False
        clock.sleep(min(pause, left))
        pause = min(pause * 1.5, longest)
    return True


def expect(
    why_not: Callable[[], str],
    what: str,
    *,
    within: float,
    hint: str = "",
    host: str = "",
    pause: float = 0.3,
    longest: float = 1.0,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Ask why it is not so yet until the answer is "". Raises OperationError with `what` and the last answer.

    `within` are seconds; `pause` and `longest` as in `wait_until`.
    """
    last = ""

    def is_so() -> bool:
        nonlocal last
        last = why_not()
        return not last

    if not wait_until(is_so, seconds=within, pause=pause, longest=longest, clock=clock):
        raise OperationError(f"{what} within {within:g} s", why=last, hint=hint, host=host)


def since(began: float) -> float:
    """Seconds since a moment of the clock that only grows."""
    return SYSTEM_CLOCK.monotonic() - began
