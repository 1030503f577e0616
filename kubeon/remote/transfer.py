"""What uploads and downloads share: places, what came of it, and running a script on a host."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import CommandError, Interrupted, UsageError
from kubeon.remote.execute import Reached
from kubeon.waiting import SYSTEM_CLOCK

ERROR_LINES = 5
ERROR_BYTES = 1 << 16
MOST = 256 << 20  # bytes of what a host says about its files
NOTED_EVERY = 1.0  # seconds between two words about progress
_SHELL = re.compile(r"^sh: (\d+: )?(eval: )?")  # a shell's way to begin its errors
_PLACE = re.compile(r"([^/@]*@[^:]+):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """`NAME@SELECTOR:PATH`, or a path here, without a selector. `./a@b:c` is a path here."""

    selector: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """One argument of `cp`. Raises UsageError for one without a path."""
        match = _PLACE.fullmatch(text)
        selector, path = match.groups() if match else ("", text)
        if not path:
            raise UsageError(f"{text!r} names no path", hint="for instance demo@w*:/etc/motd")
        return cls(selector, path)


@dataclass
class CopyAnswer:
    """What a host got, or gave. `size` is in bytes, of the files that were sent."""

    name: str
    address: str
    copied: int = 0  # files and links
    unchanged: int = 0
    size: int = 0


@dataclass
class Copying:
    """What all hosts of one `cp` share."""

    reporter: Reporter
    interrupt: Interrupt
    answers: dict[str, CopyAnswer] = field(default_factory=dict)

    def run(
        self,
        host: Reached,
        script: str,
        what: str,
        *,
        stdin: Iterable[bytes] = (),
        on_output: Callable[[bytes], None] | None = None,
    ) -> bytes:
        """Run a script on a host and return its output, unless `on_output` takes it.

        Raises CommandError with the last lines of standard error when it fails, Interrupted after Ctrl-C.
        """
        output, errors = bytearray(), bytearray()

        def take(data: bytes, is_error: bool) -> None:
            if is_error:
                errors.extend(data)
                del errors[:-ERROR_BYTES]
            elif on_output is not None:
                on_output(data)
            elif len(output) > MOST:
                raise CommandError("there are too many files", command_exit_code=0, hint="copy them in parts")
            else:
                output.extend(data)

        ended = host.connection.follow(script, on_output=take, stdin=stdin, stop=lambda: self.interrupt.requested)
        if ended.stopped:
            raise Interrupted("interrupted")
        if ended.exit_code:
            lines = errors.decode(errors="replace").strip().splitlines()[-ERROR_LINES:]
            why = "\n".join(_SHELL.sub("", line) for line in lines)
            what = f"{what} failed (exit code {ended.exit_code})"
            raise CommandError(what, command_exit_code=ended.exit_code, why=why, hint=_hint(why))
        return bytes(output)


class Progress:
    """Tells how much of a host's bytes have gone by, now and then."""

    def __init__(self, ctx: Copying, host: str, total: int) -> None:
        self._ctx, self._host, self._total = ctx, host, total
        self._gone, self._noted = 0, SYSTEM_CLOCK.monotonic()

    def add(self, size: int) -> None:
        """So many more."""
        self._gone += size
        if (now := SYSTEM_CLOCK.monotonic()) - self._noted > NOTED_EVERY:
            self._noted = now
            self._ctx.reporter.note(f"{self._gone >> 20} of {self._total >> 20} MiB", host=self._host)


def _hint(why: str) -> str:
    said = why.lower()
    if "no space left" in said or "quota exceeded" in said:
        return "make room there; the same command again continues"
    if "permission denied" in said:
        return "as root: --sudo"
    if "no such file" in said or "nonexistent" in said:
        return "a destination with a slash at its end is made, with the folders above it"
    return ""
