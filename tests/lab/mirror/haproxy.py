"""A stand-in for the official haproxy image, under its name: Debian's packages, out of kubeon's own builder."""

import tempfile
from pathlib import Path

from kubeon.bundle import debian_base, image_builder
from kubeon.bundle.debian_base import base_image
from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store
from kubeon.lb.haproxy import image
from kubeon.spec.material import Recipe
from tests.lab import cache
from tests.lab.mirror import origin, releases
from tests.lab.mirror.images import Image
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log

LABEL = "kubeon.lab.stand-in"


def built(log: Log = print) -> None:
    """Make it and push it, once; it stays until the recipe's base or the builder are others."""
    recipe = _recipe()
    builder = [Path(str(module.__file__)) for module in (debian_base, image_builder)]
    key = cache.key(recipe.base, *recipe.packages, recipe.user, *builder)

    def push(registry: Registry) -> list[str]:
        labels = {LABEL: f"Debian packages in place of {recipe.base}"}
        with tempfile.TemporaryDirectory() as store:
            made = _image(base_image(recipe, "amd64", Store(Path(store)), recipe.base, labels))
        registry.push(recipe.base, made)
        log(f"  {recipe.base}: stand-in, {sum(map(len, made.blobs.values())) >> 20} MiB")
        return [recipe.base]

    releases.pushed(f"haproxy-{key}", push, log)


def fetched(upstream_registry: str | None, log: Log = print) -> None:
    """The real one, from where the release came from."""
    base = _recipe().base

    def push(registry: Registry) -> list[str]:
        origin.copy([base], registry, upstream_registry, log)
        return [base]

    releases.pushed(f"haproxy-fetched-{cache.key(base)}", push, log)


def _recipe() -> Recipe:
    recipe = image().recipe
    assert recipe
    return recipe


def _image(stored: StoredImage) -> Image:
    blobs = {f"sha256:{blob.sha256}": blob.path.read_bytes() for blob in stored.blobs}
    return Image(stored.manifest.path.read_bytes(), blobs, stored.media_type)
