"""Files and folders of hosts to the control machine: one round trip that lists, one that fetches what differs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from kubeon.cluster.options import UPLOADS
from kubeon.engine.phase import Phase
from kubeon.errors import HostError, KubeonError, UsageError
from kubeon.hosts.copying import Entry, Kind, get_script, list_script, parse_listed, shown
from kubeon.remote.execute import Reached
from kubeon.remote.local_files import Destination, base_name
from kubeon.remote.transfer import Copying, Progress

LONGEST = 100  # bytes of a line that a host sends between files


def download(paths: Sequence[str], dest: str, hosts: Sequence[str]) -> Sequence[Phase[Copying, Reached]]:
    """The phases of a download into `dest`; from several hosts into a folder of each host's name there."""
    if not dest.endswith("/") and len(hosts) > 1 and Path(dest).exists() and not Path(dest).is_dir():
        raise UsageError(f"{dest} is no folder", hint="several hosts need a folder, in which each gets one of its own")
    return (_Fetch(paths, dest, each=len(hosts) > 1),)


class _Fetch(Phase[Copying, Reached]):
    name = "fetch"
    title = "Fetch"
    limit = UPLOADS

    def __init__(self, paths: Sequence[str], dest: str, *, each: bool) -> None:
        self._paths, self._dest, self._each = paths, dest, each

    def run_on(self, ctx: Copying, host: Reached) -> Sequence[str]:
        listed = [(path, ctx.run(host, list_script(path), f"looking at {shown(path)}")) for path in self._paths]
        found = [(path, entry) for path, output in listed for entry in parse_listed(output)]
        destination, entries = self._place(host, found)
        answer, changes, wanted = ctx.answers[host.name], [], []
        for remote, entry in entries:
            state = destination.state(entry)
            if entry.kind is Kind.FILE:
                wanted.append((remote, entry, destination.sha256(entry) if state == "maybe" else ""))
            elif state == "same":
                answer.unchanged += entry.kind is Kind.LINK
            else:
                (destination.link if entry.kind is Kind.LINK else destination.folder)(entry)
                answer.copied += entry.kind is Kind.LINK
                changes.append(entry)
        got = self._get(ctx, host, destination, wanted)
        for number, (_, entry, _) in enumerate(wanted):
            if number in got or destination.attributes(entry):
                changes.append(entry)
                answer.copied += 1
            else:
                answer.unchanged += 1
        answer.size = sum(got.values())
        for entry in reversed([entry for entry in changes if entry.kind is Kind.FOLDER]):
            destination.attributes(entry)
        return tuple(shown(str(destination.root / entry.path)) for entry in changes)

    def _place(self, host: Reached, found: Sequence[tuple[str, Entry]]) -> tuple[Destination, list[tuple[str, Entry]]]:
        """Where a host's files go: each with its path there and its entry here."""
        top, slash = Path(self._dest), self._dest.endswith("/")
        alone = len(found) == 1 and len(self._paths) == 1 and found[0][1].kind is Kind.FILE
        if alone and not self._each and not slash and not top.is_dir():
            path, entry = found[0]
            return Destination(top.parent), [(path, replace(entry, path=top.name))]
        root = top / host.name if self._each else top
        destination = Destination(root)
        if self._each:
            Destination(top).ready(parents=slash)
        destination.ready(parents=slash)
        entries: dict[str, tuple[str, Entry]] = {}
        for path, entry in found:
            below = f"/{entry.path}" if entry.path else ""
            place = f"{base_name(path)}{below}".strip("/")
            if place in entries:
                raise UsageError(f"{entries[place][0]} and {path}{below} would both become {place}")
            if place:
                entries[place] = (f"{path.rstrip('/')}{below}" or "/", replace(entry, path=place))
        return destination, list(entries.values())

    def _get(
        self, ctx: Copying, host: Reached, destination: Destination, wanted: Sequence[tuple[str, Entry, str]]
    ) -> Mapping[int, int]:
        """Fetch files (path there, entry, sha256 of what is here); numbers of those that differed, with their sizes."""
        if not wanted:
            return {}
        script = get_script([(remote, sha256) for remote, _, sha256 in wanted])
        progress = Progress(ctx, host.name, sum(entry.size for _, entry, _ in wanted))
        with Received(destination, [entry for _, entry, _ in wanted], progress) as received:
            ctx.run(host, script, "reading", on_output=received)
            received.check_end()
        return received.got


class Received:
    """Takes apart what `get_script` prints, and writes files as they come."""

    def __init__(self, destination: Destination, entries: Sequence[Entry], progress: Progress) -> None:
        self.got: dict[int, int] = {}
        self._destination, self._entries, self._progress = destination, entries, progress
        self._rest, self._left, self._number = b"", 0, 0
        self._write: Callable[[bytes], None] | None = None
        self._open = ExitStack()

    def __enter__(self) -> "Received":
        return self

    def __exit__(self, *error: object) -> None:
        """A file that is not whole goes."""
        if self._write is not None:
            self._open.__exit__(KubeonError, KubeonError("cut"), None)

    def __call__(self, data: bytes) -> None:
        """Take in some bytes."""
        self._rest += data
        while self._rest:
            if self._write is not None and self._left:
                block, self._rest = self._rest[: self._left], self._rest[self._left :]
                self._left -= len(block)
                self._write(block)
                self._progress.add(len(block))
                continue
            line, newline, rest = self._rest.partition(b"\n")
            if not newline:
                if len(line) > LONGEST:
                    raise self._changed()
                return
            self._rest = rest
            self._line(line)

    def check_end(self) -> None:
        """Raise HostError when something is missing."""
        if self._write is not None or self._number != len(self._entries):
            raise self._changed()

    def _line(self, line: bytes) -> None:
        number, _, rest = line.partition(b" ")
        what, _, size = rest.partition(b" ")
        if self._number >= len(self._entries) or number != str(self._number).encode():
            raise self._changed()
        if self._write is not None:
            if what != b"end":
                raise self._changed()
            self._write = None
            self._open.close()
            self._number += 1
        elif what == b"file" and size.isdigit():
            entry = self._entries[self._number]
            self._left = self.got[self._number] = int(size)
            self._write = self._open.enter_context(self._destination.file(entry))
        elif what == b"same":
            self._number += 1
        else:
            raise self._changed()

    def _changed(self) -> HostError:
        path = self._entries[min(self._number, len(self._entries) - 1)].path
        return HostError(f"{path} has changed while it was read", hint="copy again when nobody writes it")
