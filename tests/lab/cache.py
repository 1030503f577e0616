"""Where the lab keeps what takes long to make: outside the repository, keyed by the content of what it is made of."""

import hashlib
import os
from pathlib import Path


def root() -> Path:
    """The lab's cache folder: $KUBEON_LAB_CACHE, else $XDG_CACHE_HOME/kubeon-lab, else ~/.cache/kubeon-lab."""
    if explicit := os.environ.get("KUBEON_LAB_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubeon-lab"


def key(*inputs: str | bytes | Path) -> str:
    """A short key over the content of every input: text, bytes, a file, or a folder with its file names."""
    digest = hashlib.sha256()
    for item in inputs:
        for part in _parts(item):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _parts(item: str | bytes | Path) -> list[bytes]:
    if isinstance(item, bytes):
        return [item]
    if isinstance(item, str):
        return [item.encode()]
    if item.is_dir():
        files = sorted(path for path in item.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return [part for path in files for part in (str(path.relative_to(item)).encode(), path.read_bytes())]
    return [item.read_bytes()]
