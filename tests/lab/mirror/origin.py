"""A release that is not built here: files and images from the Internet or from a user's own mirror, checked."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.lab.mirror import kubernetes, layout
from tests.lab.mirror.layout import File
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log

INTERNET = "https:"
# with a current release; crictl has the release's own minor version
VERSIONS = {"containerd": "2.1.4", "runc": "1.3.0", "cni-plugins": "1.7.1"}
# with v1.20, where it cannot be built: what Debian 12 has, so that tests ask for the same everywhere
VERSIONS_120 = {"containerd": "1.6.20", "runc": "1.1.5", "cni-plugins": "1.1.1"}
HOSTS = {"docker.io": "registry-1.docker.io"}


def versions(release: str, chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """The versions of what goes with a release."""
    major, minor, _ = release.removeprefix("v").split(".", 2)
    fitting = VERSIONS_120 if (major, minor) == ("1", "20") else VERSIONS
    return {**fitting, "crictl": f"{major}.{minor}.0", **(chosen or {})}


def make(new: Path, release: str, wanted: Mapping[str, str], base: str, log: Log = print) -> None:
    """Fill a folder with a release's files from BASE/dl.k8s.io/... and so on, or from the Internet."""
    with httpx.Client(timeout=60, follow_redirects=True) as client:
        for name, file in layout.files(release, wanted).items():
            log(f"  {name}")
            text = client.get(url(base, file.checksum)).raise_for_status().text
            fetch(client, url(base, file.path), new / file.path, expected(text, file))
            (new / file.checksum).write_text(text)
    for name in kubernetes.PROGRAMS:
        (new / layout.files(release, wanted)[name].path).chmod(0o755)


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
