"""Images in the store, and on their way to a host: one tar in OCI layout, for `ctr images import`."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeon.bundle.store import StoredFile

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
_CHUNK = 1 << 20
_BLOCK = 512


@dataclass(frozen=True)
class StoredImage:
    """An image of one architecture. `media_type` is the manifest's; `blobs` are its configuration and layers."""

    reference: str  # with registry and tag, as containerd and the kubelet write it
    digest: str  # of the manifest: "sha256:..."
    media_type: str
    architecture: str
    manifest: StoredFile
    blobs: tuple[StoredFile, ...]


def image_archive(images: Sequence[StoredImage]) -> Iterator[bytes]:
    """One tar with all images, each blob once, the same bytes each time: chunks of at most 1 MiB.

    The image's name is its whole upstream reference: containerd takes io.containerd.image.name as it is.
    """
    yield from _text("oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}))
    blobs: dict[str, StoredFile] = {}
    for image in images:
        for blob in (image.manifest, *image.blobs):
            blobs[blob.sha256] = blob
    for sha256 in sorted(blobs):
        yield from _file(f"blobs/sha256/{sha256}", blobs[sha256])
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [_descriptor(image) for image in sorted(images, key=lambda each: each.reference)],
    }
    yield from _text("index.json", json.dumps(index))
    yield bytes(2 * _BLOCK)


def _descriptor(image: StoredImage) -> dict[str, object]:
    names = {"io.containerd.image.name": image.reference, "org.opencontainers.image.ref.name": image.reference}
    return {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": image.manifest.size,
        "platform": {"os": "linux", "architecture": image.architecture},
        "annotations": names,
    }


def _text(name: str, text: str) -> Iterator[bytes]:
    content = text.encode()
    yield _header(name, len(content)) + content + _padding(len(content))


def _file(name: str, blob: StoredFile) -> Iterator[bytes]:
    yield _header(name, blob.size)
    yield from _chunks(blob.path)
    if padding := _padding(blob.size):
        yield padding


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(format=tarfile.USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
