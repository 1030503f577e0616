"""Ctrl-C: once is "finish what runs and stop", twice is "stop now"."""

import threading


class Interrupt:
    """Counts requests to stop; safe between threads and inside a signal handler."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._asked = threading.Event()  # by the user; `stop` is no first Ctrl-C
        self._now = threading.Event()

    def request(self) -> bool:
        """Ask to stop; the second time, to stop at once. Was it the first?"""
        first = not self._asked.is_set()
        if not first:
            self._now.set()
        self._asked.set()
        self._requested.set()
        return first

    def stop(self) -> None:
        """The operation itself wants no more to begin; however often that is said, what runs comes to its end."""
        self._requested.set()

    @property
    def requested(self) -> bool:
        """No new phase begins any more."""
        return self._requested.is_set()

    @property
    def now(self) -> bool:
        """Running phases are to be cut off too."""
        return self._now.is_set()
