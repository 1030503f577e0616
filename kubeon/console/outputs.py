"""Output of commands on many hosts: line by line under their names, host by host, or what is the same once.

Bytes go through as they are. Standard output and standard error of the hosts become those of kubeon.
"""

import re
import threading
from collections.abc import Callable, Iterable

from kubeon.errors import KubeonError

LONGEST = 1 << 20  # bytes of a line; a longer one is passed on in pieces
MOST = 64 << 20  # bytes that are kept of one host where output waits for its end

Write = Callable[[bytes, bool], None]


class Streamed:
    """Whole lines as they come, each with its host's name before it unless `prefix` is off."""

    def __init__(self, write: Write, *, prefix: bool = True) -> None:
        self._write, self._prefix = write, prefix
        self._rest: dict[tuple[str, bool], bytes] = {}

    def output(self, host: str, data: bytes, is_error: bool) -> None:
        """Pass on what has come to a line's end."""
        data = self._rest.pop((host, is_error), b"") + data
        whole, newline, rest = data.rpartition(b"\n")
        if len(rest) >= LONGEST:
            whole, newline, rest = data, b"", b""
        if rest:
            self._rest[host, is_error] = rest
        if whole or newline:
            self._pass_on(host, whole, is_error)

    def ended(self, host: str, how: str) -> None:
        """A last line without a newline gets one, so that the next host's begins a line of its own."""
        del how
        for is_error in (False, True):
            if rest := self._rest.pop((host, is_error), b""):
                self._pass_on(host, rest, is_error)

    def finish(self) -> None:
        """All is shown already."""

    def _pass_on(self, host: str, lines: bytes, is_error: bool) -> None:
        before = f"{host}: ".encode() if self._prefix else b""
        self._write(b"".join(before + line + b"\n" for line in lines.split(b"\n")), is_error)


class Unchanged:
    """Every byte as it comes: for one host, where output is data."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def output(self, host: str, data: bytes, is_error: bool) -> None:
        """Pass it on."""
        del host
        self._write(data, is_error)

    def ended(self, host: str, how: str) -> None:
        """Nothing is kept."""

    def finish(self) -> None:
        """Nothing is kept."""


class Kept:
    """What hosts have said, kept until they end."""

    def __init__(self) -> None:
        self._outputs: dict[tuple[str, bool], bytearray] = {}
        self._turn = threading.Lock()
        self.how: dict[str, str] = {}  # by host, in the order of their ends

    def output(self, host: str, data: bytes, is_error: bool) -> None:
        """Keep it. Raises KubeonError when it is too much."""
        with self._turn:
            kept = self._outputs.setdefault((host, is_error), bytearray())
        kept += data
        if len(kept) > MOST:
            hint = "without --group, --fold and --output json output is passed on as it comes"
            raise KubeonError(f"more than {MOST >> 20} MiB of output", hint=hint)

    def ended(self, host: str, how: str) -> None:
        """Remember how."""
        with self._turn:
            self.how[host] = how

    def finish(self) -> None:
        """Whoever asks gets it."""

    def of(self, host: str, *, is_error: bool = False) -> bytes:
        """What a host has said."""
        return bytes(self._outputs.get((host, is_error), b""))


class Grouped(Kept):
    """Each host's output together, at its end."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def ended(self, host: str, how: str) -> None:
        """Show it."""
        super().ended(host, how)
        self._show(host, host, how)

    def _show(self, heading: str, host: str, how: str) -> None:
        end = f": {how}" if how else ""
        self._write(f"==> {heading}{end} <==\n".encode() + _ended_line(self.of(host)), False)
        if error := self.of(host, is_error=True):
            self._write(f"==> {heading}: standard error <==\n".encode() + _ended_line(error), True)


class Folded(Grouped):
    """What several hosts have said in the same words once, at the end of all; what most say comes first."""

    def ended(self, host: str, how: str) -> None:
        """Keep it."""
        Kept.ended(self, host, how)

    def finish(self) -> None:
        """Show it."""
        alike: dict[tuple[str, bytes, bytes], list[str]] = {}
        for host, how in self.how.items():
            alike.setdefault((how, self.of(host), self.of(host, is_error=True)), []).append(host)
        for (how, _, _), hosts in sorted(alike.items(), key=lambda item: -len(item[1])):
            count = f" ({len(hosts)} hosts)" if len(hosts) > 1 else ""
            self._show(folded(hosts) + count, hosts[0], how)


def folded(names: Iterable[str]) -> str:
    """Names with numbers in short: `cp1,w[1-3,7]`, as clush and pdsh write them."""
    numbers: dict[tuple[str, str], list[str]] = {}
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)(\D*)", name)
        before, number, after = match.groups() if match else (name, "", "")
        numbers.setdefault((before, after), []).append(number)
    return ",".join(
        f"{before}{_ranges(each)}{after}" for (before, after), each in sorted(numbers.items(), key=lambda item: item[0])
    )


def _ranges(numbers: list[str]) -> str:
    if len(numbers) == 1:
        return numbers[0]
    runs: list[list[str]] = []
    for number in sorted(numbers, key=lambda text: (len(text), text)):
        # w9 and w10 are neighbours, w09 and w10 too, w9 and w010 are not
        last = runs[-1][-1] if runs else ""
        if last and int(number) == int(last) + 1 and str(int(last) + 1).zfill(len(last)) == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "[" + ",".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) + "]"


def _ended_line(data: bytes) -> bytes:
    return data if not data or data.endswith(b"\n") else data + b"\n"
