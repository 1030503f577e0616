"""python -m tests.images: the images that kubeon makes, as OCI archives in dist/, by the same builder."""

import argparse
import sys
from pathlib import Path

from kubeon.bundle.images import image_archive
from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb import haproxy, updater_image
from kubeon.spec.images import ImageName
from kubeon.spec.model import Sources

DIST = Path(__file__).parent.parent / "dist"


def main() -> int:
    """Build and write."""
    parser = argparse.ArgumentParser(prog="./dev images", description=__doc__)
    parser.add_argument("--arch", default=machine_architecture() or "amd64")
    parser.add_argument("--registry")
    given = parser.parse_args()
    registry = Registry(Store(DIST / "store", Sources(registry=given.registry)))
    try:
        for image in (haproxy.image(), updater_image.image()):
            built = registry.fetch(image, given.arch)
            path = DIST / f"{ImageName.parse(image.reference).path}-{given.arch}.tar"
            with path.open("wb") as file:
                file.writelines(image_archive([built]))
            print(f"{path}: {built.reference} {built.digest}")
    except BundleError as error:
        print(error, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
