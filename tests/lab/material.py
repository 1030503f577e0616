"""python -m tests.lab.material [RELEASE]... | all: make what the lab's tests need, with its progress in sight."""

import sys
import time

from tests.lab import base, machine, mirror, network
from tests.lab.command import LabError
from tests.lab.mirror import rows


def main(*releases: str) -> int:
    """Network, base images, mirror: built once, kept in the cache."""
    began = time.monotonic()

    def log(line: str) -> None:
        print(f"lab: {time.monotonic() - began:4.0f} s  {line}", flush=True)

    try:
        with machine.lock():
            machine.prepare()
            network.up()
            for name in base.BASES:
                log(f"base image {name}")
                base.ensure(name)
        chosen = tuple(rows.rows()) if releases == ("all",) else releases
        mirror.prepare(chosen or (*mirror.RELEASES, mirror.BEFORE), log=log)
        mirror.start(log=log)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    log("all material is there")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
