"""Files of the store: private, whole or not at all, and errors that say what to do."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubeon.errors import StateError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError about a file of the store into a StateError with a hint."""
    try:
        yield
    except OSError as error:
        hint = "set KUBEON_HOME to a folder of your own that can be written"
        if error.errno == errno.ENOSPC:
            hint = "make room on that disk"
        elif error.errno in (errno.EACCES, errno.EPERM) and path.exists():
            hint = f"it belongs to user id {path.stat().st_uid}; run kubeon as that user, or set KUBEON_HOME"
        raise StateError(f"cannot use {path}", why=error.strerror or str(error), hint=hint) from error


def make_folder(path: Path) -> None:
    """Create a folder that only its owner may enter, and the folders above it. One that others may enter is closed."""
    with explained(path):
        for folder in (*reversed(path.parents), path):
            if not folder.exists():
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
        status = path.stat()
        if status.st_uid != os.geteuid():
            raise StateError(
                f"{path} belongs to user id {status.st_uid}, not to you",
                hint="run kubeon as its owner, or set KUBEON_HOME to a folder of your own",
            )
        if status.st_mode & 0o077:
            path.chmod(FOLDER_MODE)


def write_file(path: Path, content: bytes, *, mode: int = FILE_MODE) -> None:
    """Replace a file by way of a temporary one beside it: a reader, or a power cut, never meets half of it."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with explained(path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)  # a left-over of a process with the same id may have had another mode
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, as large as it may be. Later both are replaced, never written to but at their end."""
    make_folder(target.parent)
    with explained(target):
        if target.exists() and target.samefile(source):
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        temporary.replace(target)


def read_file(path: Path) -> bytes | None:
    """What a file holds; None when there is none."""
    with explained(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # the new name itself outlives a power cut
    finally:
        os.close(descriptor)
