"""What a script says just before it ends is all received, whenever it comes."""

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest

from kubeon.transport.running import receive
from kubeon.waiting import SYSTEM_CLOCK


class Channel:
    """One on which output, exit code, end and close come at once, when it is looked at for the so many-eth time."""

    def __init__(self, comes_at: int) -> None:
        self._left, self._stdout, self._stderr = comes_at, b"", b""
        self._ended = False
        self.exit_status = -1
        self._reading, self._writing = os.pipe()
        os.write(self._writing, b"!")  # there is always something to look at

    def _look(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._stdout, self._stderr, self._ended, self.exit_status = b"said\n", b"warned\n", True, 0

    def fileno(self) -> int:
        return self._reading

    @property
    def closed(self) -> bool:
        self._look()
        return self._ended

    @property
    def eof_received(self) -> bool:
        self._look()
        return self._ended

    def exit_status_ready(self) -> bool:
        self._look()
        return self._ended

    def recv_ready(self) -> bool:
        self._look()
        return bool(self._stdout)

    def recv_stderr_ready(self) -> bool:
        self._look()
        return bool(self._stderr)

    def recv(self, _: int) -> bytes:
        said, self._stdout = self._stdout, b""
        return said

    def recv_stderr(self, _: int) -> bytes:
        said, self._stderr = self._stderr, b""
        return said

    def get_transport(self) -> "Channel":
        return self

    def is_active(self) -> bool:
        self._look()
        return True

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)


@pytest.fixture(params=range(1, 20))
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    """For each moment one."""
    found = Channel(request.param)
    yield found
    found.close()


def test_nothing_is_lost(channel: Channel) -> None:
    """Whichever of the looks it falls between: what is lost would be taken for "nothing"."""
    result = receive(cast(Any, channel), SYSTEM_CLOCK.monotonic() + 10, None)

    assert (result.stdout, result.stderr, result.exit_code) == ("said\n", "warned\n", 0)
