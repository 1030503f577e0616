"""What was done to a cluster, for people: one JSON object per line, only ever appended to. It decides nothing."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from kubeon.state.files import FILE_MODE, explained, make_folder, read_file
from kubeon.state.lock import whoami


@dataclass(frozen=True)
class Entry:
    """One line: an operation began or ended (no phase, no host), or a phase ended on a host.

    An operation's status is "begun", and at its end "ok", "failed" or "interrupted"; one that was killed has no end.
    """

    when: str  # ISO 8601, UTC
    who: str  # user@machine
    operation: str
    status: str
    phase: str = ""
    host: str = ""
    seconds: float = 0.0
    changes: tuple[str, ...] = ()
    error: str = ""
    run: str = ""  # the same in all lines of one run: the name of its log without the ending
    words: tuple[str, ...] = ()  # the command line, where the operation began


class Journal:
    """The journal of one cluster."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(
        self,
        operation: str,
        status: str,
        now: datetime,
        *,
        phase: str = "",
        host: str = "",
        seconds: float = 0.0,
        changes: Iterable[str] = (),
        error: str = "",
        run: str = "",
        words: Iterable[str] = (),
    ) -> None:
        """Add a line. One of the operation as a whole survives a power cut once this returns."""
        entry = Entry(
            when=now.isoformat(timespec="milliseconds"),
            who=whoami(),
            operation=operation,
            status=status,
            phase=phase,
            host=host,
            seconds=round(seconds, 3),
            changes=tuple(changes),
            error=error,
            run=run,
            words=tuple(words),
        )
        line = {key: value for key, value in asdict(entry).items() if value not in ("", (), 0.0)}
        make_folder(self.path.parent)
        with explained(self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                # A kill may have cut the last line: end it, so that it spoils itself only and not this one.
                cut = file.seek(0, os.SEEK_END) > 0 and os.pread(descriptor, 1, file.tell() - 1) != b"\n"
                text = json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace")  # names may be no text
                file.write((b"\n" if cut else b"") + text + b"\n")
                if not host:  # hundreds of hosts' lines are worth no wait for the disk; those of the operation are
                    os.fsync(descriptor)

    def entries(self) -> list[Entry]:
        """All lines that can be read, oldest first; half a line that a kill left is skipped."""
        found = []
        for line in (read_file(self.path) or b"").splitlines():
            try:
                fields = json.loads(line)
                lists = {name: tuple(fields.get(name, ())) for name in ("changes", "words")}
                found.append(Entry(**{**fields, **lists}))
            except (ValueError, TypeError, AttributeError):
                continue
        return found
