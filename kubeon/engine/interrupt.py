"""Ctrl-C: once is "finish what runs and stop", twice is "stop now"."""

import threading


class Interrupt:
    """Counts requests to stop; safe between threads and inside a signal handler."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._now = threading.Event()

    def request(self) -> bool:
        """Ask to stop; the second time, to stop at once. Was it the first?"""
        first = not self._requested.is_set()
        if not first:
            self._now.set()
        self._requested.set()
        return first

    @property
    def requested(self) -> bool:
        """No new phase begins any more."""
        return self._requested.is_set()

    @property
    def now(self) -> bool:
        """Running phases are to be cut off too."""
        return self._now.is_set()
