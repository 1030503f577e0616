"""A release that is not built here: files and images from the Internet or from a user's own mirror, checked."""

import hashlib
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.lab.mirror import layout, rows
from tests.lab.mirror.layout import File
from tests.lab.mirror.parts import PROGRAMS
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log

INTERNET = "https:"
# with v1.20, where it cannot be built: what Debian 12 has, so that tests ask for the same everywhere
VERSIONS_120 = {"containerd": "1.6.20", "runc": "1.1.5", "cni-plugins": "1.1.1", "crictl": "1.20.0"}
REGISTRY = "github.com/distribution/distribution/releases/download"
HOSTS = {"docker.io": "registry-1.docker.io"}


def versions(release: str, chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """The versions of what goes with a release: those that go with it where it is built."""
    fitting = VERSIONS_120 if release.startswith("v1.20.") else rows.nearest(release).components
    return {**fitting, **(chosen or {})}


def reachable(release: str, base: str = INTERNET) -> bool:
    """Does the Internet have the release, as seen from here? Asked for the smallest file, and briefly."""
    file = layout.files(release, versions(release))["kubeadm"]
    try:
        answer = httpx.get(url(base, file.checksum), timeout=3, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and bool(re.fullmatch(r"[0-9a-f]{64}\s*", answer.text))


def make(new: Path, release: str, wanted: Mapping[str, str], base: str, log: Log = print) -> None:
    """Fill a folder with a release's files from BASE/dl.k8s.io/... and so on, or from the Internet."""
    with httpx.Client(timeout=60, follow_redirects=True) as client:
        for name, file in layout.files(release, wanted).items():
            log(f"  {name}")
            text = client.get(url(base, file.checksum)).raise_for_status().text
            fetch(client, url(base, file.path), new / file.path, expected(text, file))
            (new / file.checksum).write_text(text)
    for name in PROGRAMS:
        (new / layout.files(release, wanted)[name].path).chmod(0o755)


def registry(new: Path, version: str, base: str = INTERNET) -> None:
    """Fill a folder with the program of the mirror's registry, as upstream releases it."""
    path = f"{REGISTRY}/v{version}/registry_{version}_linux_amd64.tar.gz"
    file = File(path, f"{path}.sha256")
    packed = new.parent / file.name
    with httpx.Client(timeout=60, follow_redirects=True) as client:
        text = client.get(url(base, file.checksum)).raise_for_status().text
        fetch(client, url(base, file.path), packed, expected(text, file))
    with tarfile.open(packed) as archive:
        archive.extract("registry", new, filter="data")


def url(base: str, path: str) -> str:
    """A file's address there."""
    return f"{base.rstrip('/')}/{path}" if base != INTERNET else f"https://{path}"


def expected(text: str, file: File) -> str:
    """A file's digest as its checksum file has it."""
    for line in text.splitlines():
        words = line.split()
        named = words[1:] == [] or words[-1].lstrip("*").rpartition("/")[2] == file.name
        if words and named and len(words[0]) == 64:
            return words[0].lower()
    raise RuntimeError(f"{file.checksum} has no SHA-256 of {file.name}: {text[:80]!r}")


def fetch(client: httpx.Client, address: str, to: Path, digest: str) -> None:
    """Fetch a file that must have this digest."""
    to.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256()
    with client.stream("GET", address) as answer, to.open("wb") as out:
        answer.raise_for_status()
        for block in answer.iter_bytes(1 << 20):
            seen.update(block)
            out.write(block)
    if seen.hexdigest() != digest:
        to.unlink()
        raise RuntimeError(f"{address}: its SHA-256 is {seen.hexdigest()}, should be {digest}")


def copy(references: Sequence[str], to: Registry, source: str | None, log: Log = print) -> None:
    """Copy images from their own registries, or from one that has all of them below their host's name."""
    for reference in references:
        host, _, path = reference.partition("/")
        origin = Registry(source, f"{host}/") if source else Registry(f"https://{HOSTS.get(host, host)}")
        log(f"  {reference}")
        to.push(reference, origin.pull(path))
