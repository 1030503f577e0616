"""Container images made of plain files, byte for byte the same every time: one layer, a configuration, a manifest."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CREATED = "2021-01-13T13:20:00Z"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A manifest and the blobs it names."""

    manifest: bytes
    blobs: Mapping[str, bytes]
    media_type: str = MANIFEST

    @property
    def digest(self) -> str:
        return digest(self.manifest)


@dataclass(frozen=True)
class Recipe:
    """What an image holds: paths in it and where they come from here, links, folders that anybody may write to."""

    files: Mapping[str, Path]
    entrypoint: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ("/tmp",)


def digest(data: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def as_json(value: Any) -> bytes:
    """JSON of which the digest does not change."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def tar(recipe: Recipe) -> bytes:
    """The layer, without times, owners or order of this machine."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in recipe.folders:
            info = tarfile.TarInfo(name.lstrip("/"))
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            layer.addfile(info)
        for name, source in sorted(recipe.files.items()):
            info = tarfile.TarInfo(name.lstrip("/"))
            info.size, info.mode = source.stat().st_size, 0o755
            with source.open("rb") as content:
                layer.addfile(info, content)
        for name, target in sorted(recipe.links.items()):
            info = tarfile.TarInfo(name.lstrip("/"))
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
            layer.addfile(info)
    return raw.getvalue()


def image(recipe: Recipe) -> Image:
    """Make an image."""
    layer = tar(recipe)
    packed = gzip.compress(layer, 1, mtime=0)
    config = as_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "config": {"Env": [f"PATH={PATH}"], "Entrypoint": list(recipe.entrypoint) or None, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
            "history": [{"created": CREATED, "created_by": "kubeon's lab"}],
        }
    )
    manifest = as_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(config), "digest": digest(config)},
            "layers": [{"mediaType": LAYER, "size": len(packed), "digest": digest(packed)}],
        }
    )
    return Image(manifest, {digest(config): config, digest(packed): packed})


def with_libraries(files: Mapping[str, Path], sysroot: Path | None = None) -> dict[str, Path]:
    """The files and the shared libraries they need, looked for in an unpacked folder before the machine's own."""
    places = [sysroot / place for place in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")] if sysroot else []
    env = {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, places))}
    found = dict(files)
    for source in files.values():
        out = subprocess.run(["ldd", source], capture_output=True, text=True, check=False, env=env).stdout
        assert "not found" not in out, f"{source}: {out}"
        for library in re.findall(r"(/\S+) \(0x", out):
            # the loader has a fixed place; all others are found by name in the usual folder
            name = library if "/ld-linux" in library else f"/lib/x86_64-linux-gnu/{Path(library).name}"
            found.setdefault(name, Path(library))
    return found
