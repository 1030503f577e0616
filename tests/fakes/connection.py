"""A connection to a fake machine."""

import threading
from collections.abc import Callable, Iterable

from kubeon.errors import ClosedError, ConnectError, LostError
from kubeon.transport.base import Result
from tests.fakes.machine import Machine


class FakeConnection:
    """What `kubeon.transport.ssh.SSH` is, to a machine. As sshd does by default, it carries ten sessions at once."""

    MOST = 10

    def __init__(self, machine: Machine, *, own_key: str = "", password: str | None = None) -> None:
        self.machine = machine
        self.used_password = False
        self._own_key, self._given = own_key, password
        self._sessions = threading.Semaphore(self.MOST)
        self._closed = False

    def open(self) -> None:
        """Log in: with the key that is authorized, or else the password."""
        if self.machine.password is None or (self._own_key and self._own_key in self.machine.keys):
            return
        if self._given != self.machine.password:
            raise ConnectError("the login as root was refused", host=self.machine.address)
        self.used_password = True

    def run(
        self,
        script: str,
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """See transport.base.Transport."""
        assert timeout > 0
        self._expect_open()
        if not self._sessions.acquire(blocking=False):
            raise LostError("the connection was lost", why="MaxSessions of sshd", host=self.machine.name)
        try:
            result = self.machine.run(script, stdin, on_line)
            self._expect_open()
            return result
        finally:
            self._sessions.release()

    def close(self) -> None:
        """See transport.base.Transport."""
        self._closed = True
        self.machine.closed.set()

    def _expect_open(self) -> None:
        if self._closed:
            raise ClosedError("the connection was closed", host=self.machine.name)
