"""Snapshots on the control machine: each a file with its SHA-256 and a description beside it, all private.

The snapshot itself appears last, under its name and whole; until then it is a hidden file that the next one clears.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kubeon.errors import StateError, UsageError
from kubeon.state.files import FILE_MODE, explained, make_folder, read_file

_NAME = re.compile(r"\d{8}T\d{6}Z-\d+\.db")


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of etcd, and whose it is. `size` is in bytes, `taken` ISO 8601 in UTC."""

    cluster: str
    ca: str  # SHA-256 of the cluster's CA: another cluster may have the same name
    kubernetes: str
    etcd: str
    revision: int
    hash: int  # etcd's own, over all keys
    keys: int
    size: int
    sha256: str
    member: str  # whose data it was
    members: dict[str, str]  # name: peer URL, of all of them then
    taken: str
    path: Path = field(compare=False)

    def to_json(self) -> dict[str, Any]:
        """For the file beside it."""
        return {**asdict(self), "path": str(self.path)}


class Snapshots:
    """The folder of one cluster's snapshots."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new_path(self, taken: str, revision: int) -> Path:
        """Where a snapshot goes that nobody gave a place to: 20260131T120000Z-4711.db."""
        make_folder(self.folder)
        return self.folder / f"{taken}-{revision}.db"

    def all(self) -> list[Snapshot]:
        """All with their descriptions, oldest first."""
        with explained(self.folder):
            paths = sorted(self.folder.glob("*.db")) if self.folder.exists() else []
        return [found for path in paths if (found := read_description(path))]

    def prune(self, keep: int) -> list[Path]:
        """Remove all but the newest `keep` of those that were named here."""
        doomed = [path for path in sorted(self.folder.glob("*.db")) if _NAME.fullmatch(path.name)][:-keep]
        with explained(self.folder):
            for path in doomed:
                for each in (path, _beside(path, "sha256"), _beside(path, "json")):
                    each.unlink(missing_ok=True)
        return doomed


def check_place(path: Path) -> None:
    """Raise UsageError where no snapshot can be written."""
    if path.exists():
        raise UsageError(f"{path} is there already", hint="a snapshot is never overwritten: give another name")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")


def write_snapshot(path: Path, blocks: Iterable[bytes], about: Snapshot) -> None:
    """Keep a snapshot that comes in blocks. Raises StateError, and leaves nothing, when it is not what `about` says."""
    temporary = path.with_name(f".{path.name}.part")
    with explained(path):
        for left in path.parent.glob(".*.db.part"):  # of a run that was killed; the cluster's lock is held
            if _NAME.fullmatch(left.name[1:].removesuffix(".part")):
                left.unlink(missing_ok=True)
        try:
            digest = hashlib.sha256()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                for block in blocks:
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(descriptor)
            if digest.hexdigest() != about.sha256:
                raise StateError("the snapshot did not come whole", hint="the same command again takes another one")
            text = json.dumps(about.to_json() | {"path": path.name}, indent=2)
            for end, content in (("sha256", f"{about.sha256}  {path.name}"), ("json", text)):
                other = _beside(path, end)
                other.touch(mode=FILE_MODE)
                other.write_text(f"{content}\n", encoding="utf-8")
            temporary.rename(path)
        except BaseException:
            for each in (temporary, _beside(path, "sha256"), _beside(path, "json")):
                each.unlink(missing_ok=True)
            raise


def read_description(path: Path) -> Snapshot | None:
    """What stands beside a snapshot; None where nothing does, or nothing that can be read."""
    try:
        found = json.loads(read_file(_beside(path, "json")) or b"null")
        return Snapshot(**{**found, "path": path}) if found else None
    except (ValueError, TypeError):
        return None


def read_checksum(path: Path) -> str:
    """The SHA-256 that stands beside a snapshot; "" where none does."""
    return (read_file(_beside(path, "sha256")) or b"").decode(errors="replace").partition(" ")[0].strip()


def checksum_of(path: Path) -> str:
    """The SHA-256 of a file as it is."""
    with explained(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}.{end}")
