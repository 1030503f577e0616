"""What a cluster is made of, as values: files with their checksums, and images. Shared by bundle, cri and cni."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from kubeon.spec.model import Role

EVERYWHERE = (Role.CONTROL_PLANE, Role.WORKER)


@dataclass(frozen=True)
class Install:
    """Where a file, or a part of an archive, goes on a host.

    `member` "" means the artifact itself. A `path` that ends with "/" is a folder: every executable file that lies
    directly in the archive's folder `member` ("" or "." for its top) goes there under its own name.
    """

    member: str
    path: str
    mode: int = 0o755


@dataclass(frozen=True)
class FileArtifact:
    """A file to fetch. It is trusted by `sha256`, or else by the checksum file at `checksum_url`.

    With neither, `unpinned` says why there is none, and the first copy that was fetched over TLS is the trusted one.
    """

    name: str
    version: str
    url: str
    checksum_url: str = ""
    sha256: str = ""
    installs: tuple[Install, ...] = ()
    unpinned: str = ""

    def __post_init__(self) -> None:
        if not (self.checksum_url or self.sha256 or self.unpinned):
            msg = f"{self.name}: needs a checksum, or the reason why there is none"
            raise ValueError(msg)

    @property
    def file_name(self) -> str:
        """The last part of the URL."""
        return PurePosixPath(self.url).name

    @property
    def is_archive(self) -> bool:
        """Is it a gzipped tar, sent to hosts as it is?"""
        return self.file_name.endswith((".tar.gz", ".tgz"))


@dataclass(frozen=True)
class ImageArtifact:
    """An image by its upstream reference (registry.k8s.io/pause:3.10), and the roles of the nodes that run it."""

    reference: str
    roles: tuple[Role, ...] = EVERYWHERE
