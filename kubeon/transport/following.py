"""Following a script: its output as it comes, on both streams, until its end or until it is not wanted any more.

sshd closes a script's standard input when the connection ends, whatever ended it. So the end of standard input is how a
script is told to stop: it works after a killed kubeon, too.
"""

import select
from collections.abc import Callable, Iterable

import paramiko

from kubeon.transport.base import Ended
from kubeon.transport.running import exit_code
from kubeon.waiting import SYSTEM_CLOCK

BLOCK = 1 << 17
GLANCE = 0.2  # seconds between two looks whether it is still wanted
STALLED = 60.0  # seconds in which a host takes none of what it is sent
PATIENCE = 20.0  # seconds that a script gets to end when it is not wanted any more
QUIET = 1.0  # seconds without output after the exit code: what is left in the background keeps the channel open

Output = Callable[[bytes, bool], None]


class Following:
    """One script on one channel."""

    def __init__(self, channel: paramiko.Channel, timeout: float | None, stop: Callable[[], bool]) -> None:
        self._channel, self._stop = channel, stop
        self._deadline = None if timeout is None else SYSTEM_CLOCK.monotonic() + timeout
        self._timed_out = self._stopped = False

    def send(self, blocks: Iterable[bytes]) -> None:
        """Send until all is sent, the script has ended, or nobody wants it any more."""
        self._channel.settimeout(GLANCE)
        for block in blocks:
            for start in range(0, len(block), BLOCK):
                if not self._send(block[start : start + BLOCK]):
                    return

    def receive(self, on_output: Output, *, lifeline: bool) -> Ended:
        """Hand over output until the end. Raises EOFError when the connection ends before the script."""
        channel, until, last = self._channel, None, SYSTEM_CLOCK.monotonic()
        if not lifeline or self._unwanted():
            channel.shutdown_write()
        poll = select.poll()
        poll.register(channel.fileno(), select.POLLIN)
        while True:
            now = SYSTEM_CLOCK.monotonic()
            if until is None and self._unwanted():
                channel.shutdown_write()
                until = now + PATIENCE
            # asked before the last look at the output, which is all there then
            ended, eof = channel.exit_status_ready(), channel.eof_received
            gone = channel.closed or not channel.get_transport().is_active()
            if self._pass_on(on_output):
                last = now
            elif gone or (ended and (eof or now - last > QUIET)):
                break
            elif until is not None and now > until:
                return Ended(None, self._timed_out, self._stopped)
            elif eof:  # poll would come back at once
                channel.status_event.wait(GLANCE)
            else:
                poll.poll(GLANCE * 1000)
        return Ended(exit_code(channel), self._timed_out, self._stopped)

    def _send(self, block: bytes) -> bool:
        stalled = SYSTEM_CLOCK.monotonic() + STALLED
        while block:
            if self._unwanted() or self._channel.closed or self._channel.exit_status_ready():
                return False
            try:
                block = block[self._channel.send(block) :]
                stalled = SYSTEM_CLOCK.monotonic() + STALLED
            except TimeoutError:
                if SYSTEM_CLOCK.monotonic() > stalled:
                    raise
            except OSError:  # it has closed its standard input; its exit code tells why
                return False
        return True

    def _pass_on(self, on_output: Output) -> bool:
        """One block of each stream at most, so that a flood cannot hide the end of the time."""
        channel, some = self._channel, False
        if channel.recv_ready():
            on_output(channel.recv(BLOCK), False)
            some = True
        if channel.recv_stderr_ready():
            on_output(channel.recv_stderr(BLOCK), True)
            some = True
        return some

    def _unwanted(self) -> bool:
        if not self._stopped and not self._timed_out:
            self._stopped = self._stop()
            self._timed_out = self._deadline is not None and SYSTEM_CLOCK.monotonic() >= self._deadline
        return self._stopped or self._timed_out


class AfterMark:
    """Passes output on from the script's mark on: what a login shell prints before is nobody's."""

    def __init__(self, mark: str, on_output: Output, *, both: bool) -> None:
        self._mark, self._on_output = f"{mark}\n".encode(), on_output
        self._before: dict[bool, bytes | None] = {False: b"", True: b"" if both else None}

    def __call__(self, data: bytes, is_error: bool) -> None:
        """Take in a block."""
        before = self._before[is_error]
        if before is not None:
            data = before + data
            _, found, rest = data.partition(self._mark)
            self._before[is_error] = None if found else data[-(1 << 16) :]
            if not found:
                return
            data = rest
        if data:
            self._on_output(data, is_error)
