"""A known_hosts file, read once and then only what is new in it: paramiko's own reading takes time with its square.

Names are found as paramiko finds them: exact or hashed (|1|salt|hash), [address]:port for other ports than 22, several
to a line; lines with a marker (@revoked, @cert-authority) and keys of unknown types say nothing.
"""

import os
import threading
from functools import cache
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, HostKeys

_TAIL = 256  # bytes by which a file is known again that was only added to


class KnownHosts:
    """What one file holds, kept up to date with it. Safe for several threads, and beside processes that add lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._forget()

    def keys_of(self, name: str) -> list[paramiko.PKey]:
        """The keys of a host by its name there, in the order of the file, of each type the first."""
        with self._lock:
            self._refresh()
            lines = [*self._lines.get(name, ())]
            lines += [line for hashed, line in self._hashed if HostKeys.hash_host(name, hashed) == hashed]
        keys: dict[str, paramiko.PKey] = {}
        for _, line in sorted(lines):
            entry = HostKeyEntry.from_line(line)
            if entry is not None and entry.key is not None:
                keys.setdefault(entry.key.get_name(), entry.key)
        return list(keys.values())

    def _forget(self) -> None:
        self._lines: dict[str, list[tuple[int, str]]] = {}  # by name: number and text
        self._hashed: list[tuple[str, tuple[int, str]]] = []
        self._stamp: tuple[int, int, int] | None = None
        self._inode, self._whole = 0, False  # did it end with a whole line?
        self._tail, self._end, self._count = b"", 0, 0

    def _refresh(self) -> None:
        """Read what is new; all of it, when the file is another one or was written over."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return self._forget()
        with file:
            status = os.fstat(file.fileno())
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return None
            file.seek(self._end - len(self._tail))
            if not self._whole or self._inode != status.st_ino or file.read(len(self._tail)) != self._tail:
                self._forget()
                file.seek(0)
            new = file.read()
        for line in new.splitlines():
            self._add(line.decode(errors="replace").strip())
        self._stamp, self._inode, self._whole = stamp, status.st_ino, new.endswith(b"\n")
        self._tail, self._end = (self._tail + new)[-_TAIL:], self._end + len(new)
        return None

    def _add(self, line: str) -> None:
        self._count += 1
        if not line or line.startswith(("#", "@")):
            return
        for name in line.split(maxsplit=1)[0].split(","):
            if name.startswith("|1|"):
                self._hashed.append((name, (self._count, line)))
            else:
                self._lines.setdefault(name, []).append((self._count, line))


@cache
def known_hosts(path: Path) -> KnownHosts:
    """One reader for each file."""
    return KnownHosts(path)
