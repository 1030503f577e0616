"""The mirror's files: where upstream has them, with the checksum files and archive layouts that upstream has."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.mirror.parts import PROGRAMS, Parts
from tests.lab.mirror.rows import numbers
from tests.lab.mirror.store import write

CNI_PLUGINS = "github.com/containernetworking/plugins/releases/download"
CONTAINERD = "github.com/containerd/containerd/releases/download"
CRICTL = "github.com/kubernetes-sigs/cri-tools/releases/download"
RUNC = "github.com/opencontainers/runc/releases/download"


@dataclass(frozen=True)
class File:
    """A file of a release, at its upstream address without https://."""

    path: str
    checksum: str  # the address of its checksum file
    bare: bool = False  # that file is the digest alone, not "DIGEST  NAME" lines

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def files(release: str, versions: Mapping[str, str]) -> dict[str, File]:
    """All files of a release: its programs, and containerd, runc, cni-plugins and crictl in the given versions."""
    found = {}
    for name in PROGRAMS:
        path = f"dl.k8s.io/release/{release}/bin/linux/amd64/{name}"
        found[name] = File(path, f"{path}.sha256", bare=True)
    v = versions
    static = "static-" if numbers(v["containerd"]) >= [1, 7, 10] else ""
    path = f"{CONTAINERD}/v{v['containerd']}/containerd-{static}{v['containerd']}-linux-amd64.tar.gz"
    found["containerd"] = File(path, f"{path}.sha256sum")
    found["runc"] = File(f"{RUNC}/v{v['runc']}/runc.amd64", f"{RUNC}/v{v['runc']}/runc.sha256sum")
    path = f"{CNI_PLUGINS}/v{v['cni-plugins']}/cni-plugins-linux-amd64-v{v['cni-plugins']}.tgz"
    found["cni-plugins"] = File(path, f"{path}.sha256")
    path = f"{CRICTL}/v{v['crictl']}/crictl-v{v['crictl']}-linux-amd64.tar.gz"
    found["crictl"] = File(path, f"{path}.sha256", bare=True)
    return found


def make(new: Path, release: str, parts: Parts) -> None:
    """Fill a folder with a release's files."""
    wanted = files(release, parts.versions)
    for name in PROGRAMS:
        link(parts.kubernetes / name, new / wanted[name].path)
    link(parts.runc, new / wanted["runc"].path)
    archives = {
        "containerd": {f"bin/{path.name}": path for path in parts.containerd},
        "cni-plugins": {f"./{path.name}": path for path in parts.plugins},
        "crictl": {"crictl": parts.crictl},
    }
    for name, content in archives.items():
        path = new / wanted[name].path
        path.parent.mkdir(parents=True)
        path.write_bytes(archive(content))
    for name, file in wanted.items():
        digest = sha256(new / file.path)
        text = digest if file.bare else f"{digest}  {file.name}\n"
        if name == "runc":  # upstream's lists everything of the release
            text = f"{'0' * 64}  libseccomp.tar.gz\n{text}{'0' * 64}  runc.tar.xz\n"
        (new / file.checksum).write_text(text)
    for name, text in parts.texts.items():
        write(new / name, text)


def archive(content: Mapping[str, Path]) -> bytes:
    """A tar.gz as upstream's: programs of root, folders listed first; the same bytes for the same programs."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted({name.rpartition("/")[0] for name in content} - {""}):
            info = tarfile.TarInfo(f"{name}/")
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, source in sorted(content.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = source.stat().st_size, 0o755
            with source.open("rb") as program:
                tar.addfile(info, program)
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def sha256(path: Path) -> str:
    """A file's digest."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def link(source: Path, target: Path) -> None:
    """Put a file into a second place without a second copy, in place of what may be there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.hardlink_to(source)
    temporary.rename(target)


def publish(entry: Path, root: Path) -> None:
    """Put a cache folder's files below the mirror's root."""
    for path in entry.rglob("*"):
        if path.is_file():
            link(path, root / path.relative_to(entry))
