"""The official images that API load balancers run, or stand-ins under their names, of Debian's packages."""

import tempfile
from functools import partial
from pathlib import Path

from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store
from kubeon.lb import haproxy, updater
from kubeon.spec.images import ImageName
from tests.lab import cache
from tests.lab.mirror import debian_base, image_builder, origin, releases
from tests.lab.mirror.debian_base import Packages, base_image
from tests.lab.mirror.images import Image
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log

LABEL = "kubeon.lab.stand-in"


STAND_INS = {
    # upstream's has the same signal, which containerd sends to whatever runs in it
    haproxy.IMAGE: Packages(("haproxy", "busybox-static"), f"{haproxy.UID}:{haproxy.UID}", stop_signal="SIGUSR1"),
    updater.IMAGE: Packages(("python3", "busybox-static"), f"{updater.UID}:{updater.UID}"),
}


def built(log: Log = print) -> None:
    """Make them and push them, once; each stays until it, or the builder, is another."""
    builder = [Path(str(module.__file__)) for module in (debian_base, image_builder)]
    for reference, packages in STAND_INS.items():
        key = cache.key(reference, *packages.names, packages.user, packages.stop_signal, *builder)
        releases.pushed(f"{_name(reference)}-{key}", partial(_push, reference, packages, log), log)


def fetched(upstream_registry: str | None, log: Log = print) -> None:
    """The real ones, from where the release came from."""
    for reference in STAND_INS:
        push = partial(_copy, reference, upstream_registry, log)
        releases.pushed(f"{_name(reference)}-fetched-{cache.key(reference)}", push, log)


def _push(reference: str, packages: Packages, log: Log, registry: Registry) -> list[str]:
    labels = {LABEL: f"Debian packages in place of {reference}"}
    with tempfile.TemporaryDirectory() as store:
        made = as_image(base_image(packages, "amd64", Store(Path(store)), reference, labels))
    registry.push(reference, made)
    log(f"  {reference}: stand-in, {sum(map(len, made.blobs.values())) >> 20} MiB")
    return [reference]


def _copy(reference: str, upstream_registry: str | None, log: Log, registry: Registry) -> list[str]:
    origin.copy([reference], registry, upstream_registry, log)
    return [reference]


def _name(reference: str) -> str:
    return ImageName.parse(reference).path.rpartition("/")[2]


def as_image(stored: StoredImage) -> Image:
    """As the lab's registry client takes it."""
    blobs = {f"sha256:{blob.sha256}": blob.path.read_bytes() for blob in stored.blobs}
    return Image(stored.manifest.path.read_bytes(), blobs, stored.media_type)
