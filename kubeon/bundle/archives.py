"""What lies in an archive, as it will lie on a host."""

import gzip
import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from kubeon.errors import BundleError
from kubeon.spec.material import FileArtifact, Install


@dataclass(frozen=True)
class Member:
    """A file as it lies on a host. `size` in bytes; `source` is its name in the archive, "" for the artifact itself."""

    sha256: str
    mode: int
    size: int
    source: str = ""


def members_of(artifact: FileArtifact, path: Path, whole: Member) -> dict[str, Member]:
    """Every file that the artifact, which lies at `path`, puts on a host; `whole` is the artifact itself.

    Raises BundleError when it is not an archive, or lacks something that its rules name.
    """
    if not artifact.is_archive:
        return {each.path: Member(whole.sha256, each.mode, whole.size) for each in artifact.installs if not each.member}
    found: dict[str, Member] = {}
    wanted = set(artifact.installs)
    try:
        with tarfile.open(path, "r:gz") as archive:
            for info in archive:
                for rule in artifact.installs:
                    place = destination(rule, info)
                    content = archive.extractfile(info) if place else None
                    if content:
                        found[place] = Member(_sha256(content), rule.mode, info.size, str(PurePosixPath(info.name)))
                        wanted.discard(rule)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise BundleError(f"{artifact.url} is not a gzipped tar archive", why=str(error)) from None
    if wanted:
        names = ", ".join(sorted(rule.member or "programs" for rule in wanted))
        raise BundleError(f"{artifact.url} is not the archive expected", why=f"it lacks {names}")
    return found


def destination(rule: Install, info: tarfile.TarInfo) -> str:
    """The path on the host of an archive's member, "" when the rule does not take it."""
    name = PurePosixPath(info.name)
    if not info.isfile() or ".." in name.parts or name.is_absolute():
        return ""
    if not rule.path.endswith("/"):
        return rule.path if name == PurePosixPath(rule.member) else ""
    takes = name.parent == PurePosixPath(rule.member or ".") and info.mode & 0o111
    return rule.path + name.name if takes else ""


def _sha256(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
