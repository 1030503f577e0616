"""One operation at a time per cluster. The kernel's lock is the truth; what the file says is for people.

A killed kubeon leaves the file behind but not the lock, so nothing ever has to be removed by hand.
"""

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from kubeon.errors import StateError
from kubeon.state.files import FILE_MODE, explained, make_folder
from kubeon.waiting import wait_until

PATIENCE = 0.3  # seconds: somebody who only looks whether it is held has it for a moment


@dataclass(frozen=True)
class Holder:
    """Who is at work on a cluster."""

    who: str  # user@machine
    pid: int
    since: str  # ISO 8601, UTC
    doing: str  # the operation

    def __str__(self) -> str:
        return f"{self.who} (process {self.pid}) runs {self.doing} since {self.since}"


@contextmanager
def hold(path: Path, operation: str, now: datetime) -> Iterator[None]:
    """Hold the lock file for the length of the `with` block. Raises StateError saying who holds it already."""
    descriptor = _acquire(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_self(operation, now)).encode() + b"\n", 0)
        yield
    finally:
        os.close(descriptor)  # which is what unlocks


def holder(path: Path) -> Holder | None:
    """Who holds the lock file now; None when nobody does, whatever the file says."""
    with explained(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parsed(os.pread(descriptor, 4096, 0))
        finally:
            os.close(descriptor)
    return None


def whoami() -> str:
    """user@machine, for the lock and the journal."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()}"


def _acquire(path: Path) -> int:
    make_folder(path.parent)
    while True:
        with explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            if not wait_until(partial(_taken, descriptor), seconds=PATIENCE, pause=0.05):
                raise _busy(path, os.pread(descriptor, 4096, 0))
        except StateError:
            os.close(descriptor)
            raise
        except OSError as error:
            os.close(descriptor)
            hint = "keep KUBEON_HOME on a file system with locks (flock)"
            raise StateError(f"cannot lock {path}", why=error.strerror or str(error), hint=hint) from error
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)  # removed with its cluster between open and lock: what we hold is nobody's any more
        make_folder(path.parent)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _self(operation: str, now: datetime) -> dict[str, object]:
    return asdict(Holder(whoami(), os.getpid(), now.isoformat(timespec="seconds"), operation))


def _busy(path: Path, text: bytes) -> StateError:
    cluster, found = path.parent.name, _parsed(text)
    by = str(found) if found.who else "another kubeon is at work on it"
    return StateError(f"cluster {cluster} is locked", why=by, hint="wait until that ends; nothing needs to be removed")


def _parsed(text: bytes) -> Holder:
    """What the file says; nothing where its holder has not written its name yet."""
    try:
        found = json.loads(text)
        return Holder(str(found["who"]), int(found["pid"]), str(found["since"]), str(found["doing"]))
    except (ValueError, KeyError, TypeError):
        return Holder("", 0, "", "")
