"""python -m tests.images: the images that kubeon makes, as OCI archives in dist/, by the same builder."""

import argparse
import sys
from pathlib import Path

from kubeon.bundle.images import image_archive
from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb.haproxy import image
from kubeon.spec.model import Sources

DIST = Path(__file__).parent.parent / "dist"


def main() -> int:
    """Build and write."""
    parser = argparse.ArgumentParser(prog="./dev images", description=__doc__)
    parser.add_argument("--arch", default=machine_architecture() or "amd64")
    parser.add_argument("--registry")
    given = parser.parse_args()
    try:
        built = Registry(Store(DIST / "store", Sources(registry=given.registry))).fetch(image(), given.arch)
    except BundleError as error:
        print(error, error.hint, sep="\n", file=sys.stderr)
        return error.exit_code
    path = DIST / f"local-haproxy-{given.arch}.tar"
    with path.open("wb") as file:
        file.writelines(image_archive([built]))
    print(f"{path}: {built.reference} {built.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
