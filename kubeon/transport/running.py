"""Running a script on a channel: everything in, all of its output, and its exit code."""

import select
from collections.abc import Callable, Iterable

import paramiko

from kubeon.transport.base import Result
from kubeon.waiting import SYSTEM_CLOCK

BLOCK = 1 << 17
STALLED = 60  # seconds in which a host takes none of what it is sent
SIGNALLED = 255  # paramiko keeps no signal's name; ssh(1) ends with the same


class Lines:
    """Hands over whole lines of output as they come, from the script's mark on."""

    def __init__(self, mark: str, on_line: Callable[[str], None]) -> None:
        self.mark, self.on_line, self.rest, self.begun = mark, on_line, "", False

    def feed(self, data: bytes) -> None:
        """Take in a block."""
        *whole, self.rest = (self.rest + data.decode(errors="replace")).split("\n")
        for line in whole:
            if self.begun:
                self.on_line(line)
            self.begun = self.begun or line == self.mark


def send(channel: paramiko.Channel, stdin: Iterable[bytes]) -> None:
    """Send everything; a script that ends before it has read all of it is not an error here, its exit code tells."""
    channel.settimeout(STALLED)  # for one block
    try:
        for block in stdin:
            for start in range(0, len(block), BLOCK):
                channel.sendall(block[start : start + BLOCK])
        channel.shutdown_write()
    except OSError:
        if not (channel.closed or channel.exit_status_ready()):
            raise


def receive(channel: paramiko.Channel, deadline: float, lines: Lines | None) -> Result:
    """All output and the exit code. Raises TimeoutError past the deadline, EOFError when the connection ends before."""
    stdout, stderr = bytearray(), bytearray()
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    while True:
        left = deadline - SYSTEM_CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError
        poll.poll(min(left, 5.0) * 1000)
        # looked at before what has come is read: all of it has come by the time that it has ended
        ended = (channel.exit_status_ready() and channel.eof_received) or channel.closed
        ended = ended or not channel.get_transport().is_active()
        while channel.recv_ready():
            data = channel.recv(BLOCK)
            stdout += data
            if lines:
                lines.feed(data)
        while channel.recv_stderr_ready():
            stderr += channel.recv_stderr(BLOCK)
        if ended:
            break
    code = exit_code(channel)
    if code == SIGNALLED:
        stderr += b"a signal may have ended it\n"
    return Result(stdout.decode(errors="replace"), stderr.decode(errors="replace"), code)


def exit_code(channel: paramiko.Channel) -> int:
    """Of a script whose channel has ended; SIGNALLED when a signal ended it, EOFError when the connection did."""
    if channel.exit_status_ready() and channel.exit_status >= 0:
        return channel.exit_status
    transport = channel.get_transport()
    if channel.eof_received and transport.is_active():  # closed by sshd
        return SIGNALLED
    raise EOFError(str(transport.saved_exception or "") or "it ended without an exit code")
