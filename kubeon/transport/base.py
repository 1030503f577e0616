"""What everything above needs of a connection, so that a fake can stand in for SSH."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from kubeon.errors import ConnectError


@dataclass(frozen=True)
class Result:
    """What a script left: output as text (undecodable bytes replaced) and the exit code."""

    stdout: str
    stderr: str
    exit_code: int


@dataclass(frozen=True)
class Ended:
    """How a script that was followed came to its end. The exit code is None when it was not waited for any longer."""

    exit_code: int | None
    timed_out: bool = False  # it was asked to end, because its time was over
    stopped: bool = False  # or because nobody wanted it any more


class Nowhere:
    """The connection to a machine that is gone: whoever uses it has forgotten that it is."""

    def run(
        self,
        script: str,
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """Raises ConnectError at once."""
        del script, stdin, timeout, on_line
        raise ConnectError("this host is marked dead (--dead)")

    def close(self) -> None:
        """Nothing to end."""


class Transport(Protocol):
    """One connection to one machine. Used by one thread at a time."""

    def run(
        self,
        script: str,
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """Run a POSIX shell script as root, whole or not at all (a cut connection never runs half a script).

        The script reaches the machine on standard input, so nothing in it shows in a process list; `stdin` follows it
        and is the script's own standard input. `timeout` is in seconds. `on_line` gets each line of standard output as
        it comes. A non-zero exit code is a Result. Raises LostError when the connection is lost, ConnectError when
        there is none or the time is over.
        """

    def close(self) -> None:
        """End the connection, for good. Safe to call twice, and from another thread."""


class Followed(Protocol):
    """A connection whose output is passed on as it comes. Used by one thread."""

    def follow(
        self,
        script: str,
        *,
        on_output: Callable[[bytes, bool], None],
        stdin: Iterable[bytes] = (),
        lifeline: bool = False,
        own: bool = False,
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Ended:
        """Run a script as `Transport.run` does, and hand over every byte of its output; True: of standard error.

        After `timeout` seconds, or when `stop` says so, standard input ends, or the output is not read any more: the
        script has to take that for its end. With `lifeline` standard input does not end before that. `own` keeps the
        login's environment. Memory is bounded whatever the output: what is not read is not sent. Raises LostError
        when the connection is lost; what `on_output` and `stdin` raise has to be a KubeonError.
        """

    def close(self) -> None:
        """End the connection, for good. Safe to call twice, and from another thread."""
