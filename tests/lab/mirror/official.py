"""The official images that kubeon builds on, or stand-ins under their names: Debian's packages, by kubeon's builder."""

import tempfile
from functools import partial
from pathlib import Path

from kubeon.bundle import debian_base, image_builder
from kubeon.bundle.debian_base import base_image
from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store
from kubeon.lb import haproxy, updater_image
from kubeon.spec.images import ImageName
from kubeon.spec.material import Recipe
from tests.lab import cache
from tests.lab.mirror import origin, releases
from tests.lab.mirror.images import Image
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log

LABEL = "kubeon.lab.stand-in"


def recipes() -> list[Recipe]:
    """Those of all images that kubeon makes."""
    return [made.recipe for made in (haproxy.image(), updater_image.image()) if made.recipe]


def built(log: Log = print) -> None:
    """Make them and push them, once; each stays until the recipe's base or the builder are others."""
    builder = [Path(str(module.__file__)) for module in (debian_base, image_builder)]
    for recipe in recipes():
        key = cache.key(recipe.base, *recipe.packages, recipe.user, *builder)
        releases.pushed(f"{_name(recipe)}-{key}", partial(_push, recipe, log), log)


def fetched(upstream_registry: str | None, log: Log = print) -> None:
    """The real ones, from where the release came from."""
    for recipe in recipes():
        push = partial(_copy, recipe.base, upstream_registry, log)
        releases.pushed(f"{_name(recipe)}-fetched-{cache.key(recipe.base)}", push, log)


def _push(recipe: Recipe, log: Log, registry: Registry) -> list[str]:
    labels = {LABEL: f"Debian packages in place of {recipe.base}"}
    with tempfile.TemporaryDirectory() as store:
        made = as_image(base_image(recipe, "amd64", Store(Path(store)), recipe.base, labels))
    registry.push(recipe.base, made)
    log(f"  {recipe.base}: stand-in, {sum(map(len, made.blobs.values())) >> 20} MiB")
    return [recipe.base]


def _copy(base: str, upstream_registry: str | None, log: Log, registry: Registry) -> list[str]:
    origin.copy([base], registry, upstream_registry, log)
    return [base]


def _name(recipe: Recipe) -> str:
    return ImageName.parse(recipe.base).path.rpartition("/")[2]


def as_image(stored: StoredImage) -> Image:
    """As the lab's registry client takes it."""
    blobs = {f"sha256:{blob.sha256}": blob.path.read_bytes() for blob in stored.blobs}
    return Image(stored.manifest.path.read_bytes(), blobs, stored.media_type)
