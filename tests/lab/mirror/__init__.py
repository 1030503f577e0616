"""The lab's material: a mirror as a user's own would be, of files over HTTP and of images in a registry.

`prepare` makes or fetches all that is missing, `start` and `stop` run the two servers, `urls` says where they are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab import cache
from tests.lab.mirror import bookworm, debian, modules, official, origin, releases, rows, services
from tests.lab.mirror.fileserver import Rule
from tests.lab.mirror.store import Log, lock, read_json, write

__all__ = ["faults", "prepare", "programs", "root", "start", "status", "stop", "urls", "versions"]

ADDRESS = "10.77.0.1"
FILES_PORT = 8081
REGISTRY_PORT = 5000
RELEASES = ("v1.37.2",)
BEFORE = "v1.36.3"
"""What tests upgrade from."""


def root() -> Path:
    """The folder that is served."""
    return cache.root() / releases.ROOT


def versions() -> dict[str, Any]:
    """What the mirror has: {"kubernetes": [...], "containerd": ..., "runc": ..., "cni-plugins": ..., "crictl": ...,
    "releases": {release: {the same four, "images": [...], "from": what of, "built": here?}}}; on top: the oldest's."""
    found: dict[str, Any] = read_json(root() / releases.VERSIONS) or {}
    return found


def prepare(
    names: Sequence[str] = RELEASES,
    log: Log = print,
    *,
    fetch: bool = False,
    upstream: str | None = None,
    upstream_registry: str | None = None,
    components: Mapping[str, str] | None = None,
) -> None:
    """Make or fetch what is missing of the releases.

    A release of the table (material.toml) is built from Go modules, v1.20.2 on Debian 12 from its source package, and
    so is a later patch release of that, which is the same source under another name. Others come from `upstream`, the
    address of a mirror with the same layout as this one, and `upstream_registry`, the URL of a registry with the same
    names; without them from the Internet, and so does any release with `fetch`. `components` says which versions of
    containerd, runc, cni-plugins and crictl go with what is fetched.
    """
    with lock(log):
        for release in names:
            if fetch or upstream or not buildable(release):
                if not upstream:
                    modules.registry(log, origin.registry)
                releases.fetched(release, upstream or origin.INTERNET, upstream_registry, components, log)
                official.fetched(upstream_registry, log)
            else:
                row = rows.rows().get(release)
                releases.built(release, modules.parts(row, log) if row else bookworm.parts(release, log), log)
                official.built(log)


def buildable(release: str) -> bool:
    """Whether this machine can build it: all need Debian's packages of what kube-proxy calls."""
    if release in rows.rows():
        return debian.has_apt()
    return bookworm.buildable(release) and debian.is_bookworm()


def start(
    address: str = ADDRESS, *, files_port: int = FILES_PORT, registry_port: int = REGISTRY_PORT, log: Log = print
) -> None:
    """Start both servers, unless they run already. The address must be the machine's by now."""
    root().mkdir(parents=True, exist_ok=True)
    if not services.running("files"):
        services.faults_file().unlink(missing_ok=True)  # a killed test's
    services.start(services.files(address, files_port), log)
    services.start(services.registry(address, registry_port, log), log)


def stop(log: Log = print) -> None:
    """End both servers."""
    for name in ("files", "registry"):
        services.stop(name, log)


def status() -> dict[str, dict[str, Any] | None]:
    """What runs: for "files" and "registry" the address, port and pid, or None."""
    return services.status()


def urls() -> tuple[str, str]:
    """The base URL of the files and the registry's host:port, as started, else as they would be."""
    files, registry = (services.running(name) or {} for name in ("files", "registry"))
    base = f"http://{files.get('address', ADDRESS)}:{files.get('port', FILES_PORT)}"
    return base, f"{registry.get('address', ADDRESS)}:{registry.get('port', REGISTRY_PORT)}"


@contextmanager
def faults(*rules: Rule) -> Iterator[None]:
    """Let the started file server do wrong meanwhile; see fileserver.py for the rules."""
    write(services.faults_file(), json.dumps(rules))
    try:
        yield
    finally:
        services.faults_file().unlink(missing_ok=True)


def programs() -> dict[str, Path]:
    """Where Kubernetes' and etcd's programs of the newest release lie that was built here; only what there is."""
    found: dict[str, Path] = {}
    for kind in ("etcd-*", "kubernetes-v*"):
        for folder in sorted(cache.root().glob(kind), key=lambda folder: rows.numbers(folder.name)):
            found |= {path.name: path for path in folder.iterdir()}
    return found
