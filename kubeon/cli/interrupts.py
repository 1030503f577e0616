"""Ctrl-C. The first asks the operation to finish its running steps and stop, the second to stop at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from kubeon.engine.interrupt import Interrupt

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """The signal handlers of one operation; `say` tells the user what a Ctrl-C has begun."""

    def __init__(self, interrupt: Interrupt, say: Callable[[str], None]) -> None:
        self._interrupt, self._say = interrupt, say

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Signals are requests to stop."""
        with self._handling(self._request):
            yield

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """While a question waits for an answer nothing runs: Ctrl-C ends kubeon as it ends any program."""
        with self._handling(signal.default_int_handler):
            yield

    @contextmanager
    def _handling(self, handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
        before = {number: signal.signal(number, handler) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)

    def _request(self, number: int, _: FrameType | None) -> None:
        first = not self._interrupt.requested
        self._interrupt.request()
        if first:
            again = "press Ctrl-C again" if number == signal.SIGINT else "send the signal again"
            self._say(f"stopping after the running steps; {again} to stop at once")
        else:
            self._say("stopping at once")
