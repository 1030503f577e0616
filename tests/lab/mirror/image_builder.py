"""Images out of files: a layer, and a configuration. No container engine, no program run.

The same inputs give the same bytes: nothing of this machine, its clock or its users goes in.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from kubeon.bundle.images import DOCKER, OCI, StoredImage
from kubeon.bundle.store import Store, StoredFile

# of a layer and of a configuration, by the kind of manifest that names them
_LAYER = {
    DOCKER: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    OCI: "application/vnd.oci.image.layer.v1.tar+gzip",
}
_CONFIG = {DOCKER: "application/vnd.docker.container.image.v1+json", OCI: "application/vnd.oci.image.config.v1+json"}


@dataclass(frozen=True)
class Entry:
    """A file in a layer; with a `link` a symbolic link."""

    content: bytes = b""
    mode: int = 0o644
    link: str = ""


def layer(entries: Mapping[str, Entry]) -> bytes:
    """A tar of files by their paths in the image, sorted, of root, without times, each folder before what is in it."""
    paths = {path.strip("/"): entry for path, entry in entries.items()}
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"."}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(folders | set(paths)):
            info = tarfile.TarInfo(path)
            entry = paths.get(path)
            if entry is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            elif entry.link:
                info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, entry.link
                archive.addfile(info)
            else:
                info.size, info.mode = len(entry.content), entry.mode
                archive.addfile(info, io.BytesIO(entry.content))
    return raw.getvalue()


def assemble(
    store: Store,
    reference: str,
    architecture: str,
    content: bytes,
    config: Mapping[str, Any],
    *,
    media_type: str = OCI,
    below: Iterable[tuple[Mapping[str, Any], StoredFile]] = (),
) -> StoredImage:
    """Put an image into the store: the layers `below` (descriptor and blob) and on them a tar; `config` without it."""
    packed = gzip.compress(content, 6, mtime=0)
    layers = list(below)
    rootfs = config.get("rootfs", {})
    diff_ids = [*rootfs.get("diff_ids", []), f"sha256:{hashlib.sha256(content).hexdigest()}"]
    created = config.get("created", "1970-01-01T00:00:00Z")
    history = [*config.get("history", []), {"created": created, "created_by": "kubeon"}]
    whole = {**config, "created": created, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}
    stored = [keep(store, each) for each in (_json(whole), packed)]
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _descriptor(_CONFIG[media_type], stored[0]),
        "layers": [*(dict(entry) for entry, _ in layers), _descriptor(_LAYER[media_type], stored[1])],
    }
    manifest = keep(store, _json(document))
    unique = {blob.sha256: blob for blob in (stored[0], *(blob for _, blob in layers), stored[1])}
    return StoredImage(
        reference, f"sha256:{manifest.sha256}", media_type, architecture, manifest, tuple(unique.values())
    )


def keep(store: Store, content: bytes) -> StoredFile:
    """Put bytes into the store."""
    sha256 = hashlib.sha256(content).hexdigest()
    with store.locked(f"blob sha256:{sha256}"):
        return store.content(sha256) or store.keep([content], name=f"blob sha256:{sha256}", expected=sha256)


def _descriptor(media_type: str, blob: StoredFile) -> dict[str, object]:
    return {"mediaType": media_type, "digest": f"sha256:{blob.sha256}", "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
