"""Files on their way to and from a host: what is to be where, and the scripts that say and do it. Pure.

Names never travel inside a stream: they stand in the script, quoted, so they may hold anything.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import resources

from kubeon.errors import HostError


class Kind(StrEnum):
    """What an entry is, as find's %y has it."""

    FILE = "f"
    FOLDER = "d"
    LINK = "l"


@dataclass(frozen=True)
class Entry:
    """A file, a folder or a symbolic link that is copied. `path` is where it goes; `mtime` is in seconds."""

    kind: Kind
    path: str
    mode: int
    mtime: int = 0
    size: int = 0
    sha256: str = ""
    target: str = ""  # of a link


@dataclass(frozen=True)
class Wanted:
    """What a host should hold: entries below `dest` (parents before children).

    `dest` receives them, and is made when it is missing; with `parents` the folders above it, too. With `alone` there
    is one file only, which becomes `dest` itself where that is no directory.
    """

    dest: str
    entries: tuple[Entry, ...]
    parents: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Compared:
    """What a host holds of it: where each entry goes there, and the state of each."""

    entries: tuple[Entry, ...]  # with their whole paths
    states: tuple[str, ...]  # "new", "same" or "attributes"

    def of(self, *states: str) -> list[tuple[int, Entry]]:
        """Entries in these states, with their numbers."""
        pairs = enumerate(zip(self.entries, self.states, strict=True))
        return [(number, entry) for number, (entry, state) in pairs if state in states]


def compare_script(wanted: Wanted) -> str:
    """A script that says for each entry how the host has it; see `parse_compared`."""
    lines = [_library(), f"dest={_quoted(_path(wanted.dest))}"]
    if wanted.alone:
        lines.append(
            f'if [ -d "$dest" ]; then echo into; dest=$dest/{_quoted(wanted.entries[0].path)}; else echo as; fi'
        )
    else:
        lines.append('echo into; if [ -e "$dest" ] || [ -L "$dest" ]; then check_folder dest "$dest"; fi')
    for number, entry in enumerate(wanted.entries):
        place = '"$dest"' if wanted.alone else f'"$dest"/{_quoted(entry.path)}'
        match entry.kind:
            case Kind.FOLDER:
                lines.append(f"check_folder {number} {place}")
            case Kind.LINK:
                lines.append(f"check_link {number} {place} {_quoted(entry.target)}")
            case Kind.FILE:
                words = f"{entry.size} {entry.sha256} {entry.mode:o} {entry.mtime}"
                lines.append(f"check_file {number} {place} {words}")
    if wanted.alone:
        lines.append('case $dest in */*) sweep "${dest%/*}" ;; *) sweep . ;; esac')
    return "\n".join(lines) + "\n"


def parse_compared(wanted: Wanted, output: str) -> Compared:
    """What the script printed. Raises HostError for what is in the way."""
    first, *lines = output.splitlines() or [""]
    dest = _path(wanted.dest)
    if wanted.alone and first == "as":
        entries = tuple(replace(entry, path=dest) for entry in wanted.entries)
    else:
        entries = tuple(replace(entry, path=f"{dest}/{entry.path}") for entry in wanted.entries)
    states = ["new"] * len(entries)
    for line in lines:
        number, _, rest = line.partition(" ")
        state, _, why = rest.partition(" ")
        if state == "clash":
            path = dest if number == "dest" else entries[int(number)].path
            raise HostError(f"{path} {why}", hint="nothing was copied to this host; choose another place, or remove it")
        if number != "dest":
            states[int(number)] = state
    return Compared(entries, tuple(states))


def put_script(wanted: Wanted, compared: Compared, token: str) -> str:
    """A script that makes it so; the contents of the new files follow on standard input, in this order."""
    lines = [_library(), f"token={token}", "begin_put"]
    if not wanted.alone:
        dest = _quoted(_path(wanted.dest))
        make = "mkdir -p" if wanted.parents else "mkdir"
        lines.append(f"if [ ! -d {dest} ]; then (umask 022 && {make} -- {dest}) || exit; fi")
    late = []
    for number, entry in compared.of("new", "attributes"):
        path = _quoted(entry.path)
        if entry.kind is Kind.FOLDER:
            open_mode = entry.mode | 0o700  # so that something can be put into it
            lines.append(f"put_folder {number} {path} {open_mode:o}")
            if open_mode != entry.mode:
                late.append(f"put_mode {path} {entry.mode:o}")
        elif entry.kind is Kind.LINK:
            lines.append(f"put_link {number} {path} {_quoted(entry.target)}")
        elif compared.states[number] == "attributes":
            lines.append(f"put_attributes {number} {path} {entry.mode:o} {entry.mtime}")
        else:
            lines.append(f"put_file {number} {path} {entry.size} {entry.mode:o} {entry.mtime}")
    return "\n".join([*lines, *reversed(late)]) + "\n"


def list_script(path: str) -> str:
    """A script that lists what lies at and below a path; see `parse_listed`."""
    return f"{_library()}\nlist_below {_quoted(_path(path))}\n"


def parse_listed(output: bytes) -> list[Entry]:
    """Entries with paths relative to what was listed ("" is that itself). Other kinds of files are left out.

    Raises HostError for a path that leads out of there: whatever a host says, nothing is written elsewhere.
    """
    fields = output.decode(errors="surrogateescape").split("\0")[:-1]
    found = []
    for facts, path, target in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        kind, mode, mtime, size = facts.split()
        if path and any(part in ("", ".", "..") for part in path.split("/")):
            raise HostError(f"the host names a file {path!r}, which is not where it should be")
        if kind in set(Kind):
            seconds = int(mtime.partition(".")[0])
            # setuid and its kin stay behind: what comes from a host runs as nobody else here
            found.append(Entry(Kind(kind), path, int(mode, 8) & 0o777, seconds, int(size), target=target))
    return sorted(found, key=lambda entry: entry.path.split("/"))


def get_script(files: Sequence[tuple[str, str]]) -> str:
    """A script that prints files (path, sha256 of what is here already, or ""): each after a line about it."""
    calls = [f"get_file {number} {_quoted(_path(path))} '{sha256}'" for number, (path, sha256) in enumerate(files)]
    return "\n".join([_library(), *calls]) + "\n"


def shown(path: str) -> str:
    """A path for people and for the journal: one with newlines or bytes that are no text is escaped."""
    return path if path.isprintable() else repr(path)


def _library() -> str:
    return resources.files("kubeon.hosts").joinpath("copy.sh").read_text(encoding="utf-8")


def _path(path: str) -> str:
    """A path as programs take it: no dash at its beginning, no slash at its end; `~/` is where the login begins."""
    if path == "~" or path.startswith("~/"):
        path = path[2:]
    path = path.rstrip("/") if path.strip("/") else path[:1]
    return path if path.startswith("/") else f"./{path}" if path else "."


def _quoted(text: str) -> str:
    return shlex.quote(text)
