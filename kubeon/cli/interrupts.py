"""Ctrl-C. The first asks the operation to finish its running steps and stop, the second to stop at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from kubeon.engine.interrupt import Interrupt

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The signal handlers of one operation; `say` tells the user what a Ctrl-C has begun.

    Until `arm` nothing is changed anywhere, and Ctrl-C ends kubeon as it ends any program.
    """

    def __init__(self, interrupt: Interrupt, say: Callable[[str], None]) -> None:
        self._interrupt, self._say = interrupt, say
        self._what, self._abandon = "", False

    @contextmanager
    def around(self) -> Iterator[None]:
        """An operation; afterwards the handlers are what they were."""
        before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def arm(self, what: str = "stopping after the running steps", *, abandon: bool = False) -> None:
        """From now on signals are requests to stop, which does `what`. With `abandon` the second ends kubeon itself."""
        self._what, self._abandon = what, abandon
        for number in _SIGNALS:
            signal.signal(number, self._request)

    def _request(self, number: int, _: FrameType | None) -> None:
        if self._interrupt.request():
            again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
            self._say(f"{self._what}; {again} to stop at once")
            return
        self._say("stopping at once")
        if self._abandon:
            raise KeyboardInterrupt
