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
from datetime import datetime
from pathlib import Path

from kubeon.errors import StateError
from kubeon.state.files import FILE_MODE, explained, make_folder


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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise _busy(path, text) from None
        except OSError as error:
            os.close(descriptor)
            hint = "keep KUBEON_HOME on a file system with locks (flock)"
            raise StateError(f"cannot lock {path}", why=error.strerror or str(error), hint=hint) from error
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)  # removed with its cluster between open and lock: what we hold is nobody's any more
        make_folder(path.parent)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _self(operation: str, now: datetime) -> dict[str, object]:
    return {"who": whoami(), "pid": os.getpid(), "since": now.isoformat(timespec="seconds"), "doing": operation}


def _busy(path: Path, text: bytes) -> StateError:
    cluster = path.parent.name
    try:
        holder = json.loads(text)
        by = f"{holder['who']} (process {holder['pid']}) runs {holder['doing']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        by = "another kubeon is at work on it"  # it has not written its name yet
    return StateError(f"cluster {cluster} is locked", why=by, hint="wait until that ends; nothing needs to be removed")
