"""The lab's material: a mirror as a user's own would be, of files over HTTP and of images in a registry.

`prepare` makes or fetches all that is missing, `start` and `stop` run the two servers, `urls` says where they are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab import cache
from tests.lab.mirror import debian, kubernetes, layout, official, origin, releases, services
from tests.lab.mirror.debian import PACKAGES
from tests.lab.mirror.fileserver import Rule
from tests.lab.mirror.store import Log, lock, read_json, write

__all__ = ["PACKAGES", "etcd_programs", "faults", "prepare", "root", "start", "status", "stop", "urls", "versions"]

ADDRESS = "10.77.0.1"
FILES_PORT = 8081
REGISTRY_PORT = 5000
RELEASES = ("v1.20.2",)


def root() -> Path:
    """The folder that is served."""
    return cache.root() / releases.ROOT


def versions() -> dict[str, Any]:
    """What the mirror has: {"kubernetes": [...], "containerd": ..., "runc": ..., "cni-plugins": ..., "crictl": ...,
    "releases": {release: {the same four, "images": [...]}}}; those on top are the oldest release's."""
    found: dict[str, Any] = read_json(root() / releases.VERSIONS) or {}
    return found


def prepare(
    names: Sequence[str] = RELEASES,
    log: Log = print,
    *,
    upstream: str | None = None,
    upstream_registry: str | None = None,
    components: Mapping[str, str] | None = None,
) -> None:
    """Make or fetch what is missing of the releases.

    On Debian 12 v1.20.2 is built, and so is a later patch release of it, which is the same source under another name.
    Any other, and all of them on other machines, comes from `upstream`, the address of a mirror with the same layout as
    this one, and `upstream_registry`, the URL of a registry with the same names; without them from the Internet.
    `components` says which versions of containerd, runc, cni-plugins and crictl go with it.
    """
    with lock(log):
        for release in names:
            if kubernetes.buildable(release) and debian.is_bookworm() and not upstream:
                debian.install(log=log)
                releases.built(release, log)
                official.built(log)
                _etcd_links(log)
            else:
                releases.fetched(release, upstream or origin.INTERNET, upstream_registry, components, log)
                official.fetched(upstream_registry, log)


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


def etcd_programs(log: Log = print) -> Path:
    """The folder with Debian's etcd and etcdctl, for tests: <cache>/etcd/{etcd,etcdctl}."""
    with lock(log):
        _etcd_links(log)
    return cache.root() / "etcd"


def _etcd_links(log: Log) -> None:
    programs = debian.unpacked(debian.PROGRAMS, log) / "usr/bin"
    for name in ("etcd", "etcdctl"):
        layout.link(programs / name, cache.root() / "etcd" / name)
