"""Files of the control machine: the sources of an upload, and the places of a download."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kubeon.errors import KubeonError, UsageError
from kubeon.hosts.copying import Entry, Kind

BLOCK = 1 << 20
TEMPORARY = ".kubeon-new-"


@contextmanager
def explained(path: str | Path) -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise KubeonError(f"{error.filename or path}: {error.strerror or error}", hint=_hint(error)) from None


def base_name(path: str) -> str:
    """What a source is called where it goes; "" for one whose content goes there: `dir/`, `.` and `..`."""
    name = path.rpartition("/")[2]
    return "" if name in (".", "..") else name


def sources(paths: Sequence[str]) -> list[tuple[Entry, Path]]:
    """All that lies at and below these paths, parents first, and where it lies here. Raises UsageError."""
    found: dict[str, tuple[Entry, Path]] = {}
    for text in paths:
        with explained(text):
            name, top = base_name(text), Path(text)
            is_folder = stat.S_ISDIR(top.stat().st_mode)  # a link that was named itself is followed
        if not is_folder and text.endswith("/"):
            raise UsageError(f"{text} is no folder", hint="leave the slash out")
        for path in [top, *(_below(top) if is_folder else ())]:
            below = "" if path == top else path.relative_to(top).as_posix()
            place = f"{name}/{below}".strip("/")
            if not place:
                continue
            if place in found:
                hint = "copy one after the other, to different places"
                raise UsageError(f"{found[place][1]} and {path} would both become {place}", hint=hint)
            found[place] = (entry_of(path, place, follow=path == top), path)
    return list(found.values())


def _below(top: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    with explained(top):
        for folder, folders, files in os.walk(top, onerror=fail):
            folders.sort()
            # links to folders are among the folders, but not walked into
            yield from (Path(folder) / name for name in sorted([*folders, *files]))


def entry_of(path: Path, place: str, *, follow: bool = False) -> Entry:
    """A file, folder or link of this machine as an entry, with its sha256. Raises UsageError for other things."""
    with explained(path):
        facts = path.stat() if follow else path.lstat()
        mode, mtime = stat.S_IMODE(facts.st_mode), int(facts.st_mtime)
        if stat.S_ISDIR(facts.st_mode):
            return Entry(Kind.FOLDER, place, mode, mtime)
        if stat.S_ISLNK(facts.st_mode):
            return Entry(Kind.LINK, place, mode, mtime, target=os.readlink(path))  # noqa: PTH115 - as it is, byte by byte
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(f"{path} is neither a file, a folder nor a link", hint="leave it out")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(Kind.FILE, place, mode, mtime, facts.st_size, sha256)


def blocks(path: Path, size: int) -> Iterator[bytes]:
    """The content of a file, which has to be of this size still. Raises KubeonError otherwise."""
    with explained(path), path.open("rb") as file:
        left = size
        while block := file.read(BLOCK):
            left -= len(block)
            if left < 0:
                break
            yield block
    if left:
        raise KubeonError(f"{path} has changed while it was copied", hint="copy again when nobody writes it")


class Destination:
    """Where a download goes. Nothing is written through a link, so nothing can be led out of here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary = f"{TEMPORARY}{os.getpid()}"

    def ready(self, *, parents: bool) -> None:
        """Make the folder itself."""
        with explained(self.root):
            self.root.mkdir(parents=parents, exist_ok=True)
            sweep(self.root)

    def state(self, entry: Entry) -> str:
        """new, same, or maybe for a file of that size. Raises KubeonError for what is in the way."""
        path = self._place(entry)
        with explained(path):
            try:
                facts = path.lstat()
            except FileNotFoundError:
                return "new"
            is_folder = stat.S_ISDIR(facts.st_mode)
            if is_folder != (entry.kind is Kind.FOLDER):
                what = "is a folder here and none there" if is_folder else "is a folder there and none here"
                raise KubeonError(f"{path} {what}", hint="choose another place, or move it away")
            if is_folder:
                sweep(path)
                return "same"
            if entry.kind is Kind.LINK:
                return "same" if path.is_symlink() and os.readlink(path) == entry.target else "new"  # noqa: PTH115
            if not stat.S_ISREG(facts.st_mode) and not path.is_symlink():
                raise KubeonError(f"{path} is neither a file nor a link here", hint="choose another place")
            return "maybe" if facts.st_size == entry.size and not path.is_symlink() else "new"

    def sha256(self, entry: Entry) -> str:
        """Of the file that is here."""
        return entry_of(self._place(entry), entry.path).sha256

    def folder(self, entry: Entry) -> None:
        """Make a folder, open enough to put something into it; `attributes` gives it its mode later."""
        path = self._place(entry)
        with explained(path):
            path.mkdir(mode=0o700)

    def link(self, entry: Entry) -> None:
        """Make a link, in the place of a file or link that is there."""
        path = self._place(entry)
        with explained(path):
            temporary = path.with_name(self._temporary)
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(entry.target)
            temporary.replace(path)

    @contextmanager
    def file(self, entry: Entry) -> Iterator[Callable[[bytes], None]]:
        """Write a file; it takes its place whole at the end of the block, or not at all."""
        path = self._place(entry)
        temporary = path.with_name(self._temporary)
        with explained(path):
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:

                def write(data: bytes) -> None:
                    with explained(path):
                        file.write(data)

                yield write
                with explained(path):
                    file.flush()
            self.attributes(replace(entry, path=str(Path(entry.path).with_name(self._temporary))))
            with explained(path):
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def attributes(self, entry: Entry) -> bool:
        """Give a file its mode and time, a folder its mode; was one of them another?"""
        path = self._place(entry)
        with explained(path):
            facts = path.stat()
            mtime = int(facts.st_mtime) if entry.kind is Kind.FOLDER else entry.mtime
            if (stat.S_IMODE(facts.st_mode), int(facts.st_mtime)) == (entry.mode, mtime):
                return False
            path.chmod(entry.mode)
            if entry.kind is Kind.FILE:
                os.utime(path, (entry.mtime, entry.mtime))
        return True

    def _place(self, entry: Entry) -> Path:
        path = self.root
        for part in entry.path.split("/")[:-1]:
            path /= part
            if path.is_symlink():
                raise KubeonError(
                    f"{path} is a link here and a folder there", hint="choose another place, or remove it"
                )
        return self.root / entry.path


def sweep(folder: Path) -> None:
    """Remove temporary files of runs that were killed."""
    for old in folder.glob(f"{TEMPORARY}*"):
        number = old.name.removeprefix(TEMPORARY)
        if number.isdigit() and not Path("/proc", number).exists():
            old.unlink(missing_ok=True)


def _hint(error: OSError) -> str:
    return "make room" if error.errno in (28, 122) else ""  # ENOSPC, EDQUOT
