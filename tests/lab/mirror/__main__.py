"""python -m tests.lab.mirror prepare|start|stop|status"""

import argparse
import json
import time

from tests.lab import mirror


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.mirror", description=mirror.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="make or fetch what is missing")
    prepare.add_argument(
        "--release", action="append", help=f"default: {mirror.RELEASES[0]}; those of material.toml are built"
    )
    prepare.add_argument("--fetch", action="store_true", help="from the Internet, also what could be built")
    prepare.add_argument("--upstream", help="base URL of a mirror with this one's layout; default: the Internet")
    prepare.add_argument("--upstream-registry", help="URL of a registry with this one's names; default: the Internet")
    prepare.add_argument(
        "--component", action="append", default=[], metavar="NAME=VERSION", help="with a fetched release"
    )
    start = commands.add_parser("start", help="start the two servers")
    start.add_argument("--address", default=mirror.ADDRESS)
    commands.add_parser("stop", help="end them")
    commands.add_parser("status", help="what runs and what there is")
    given = parser.parse_args()
    match given.command:
        case "prepare":
            begin = time.monotonic()
            mirror.prepare(
                given.release or mirror.RELEASES,
                _log,
                fetch=given.fetch,
                upstream=given.upstream,
                upstream_registry=given.upstream_registry,
                components=dict(item.split("=", 1) for item in given.component),
            )
            _log(f"the mirror is ready in {mirror.root()} after {time.monotonic() - begin:.1f} s")
        case "start":
            mirror.start(given.address)
        case "stop":
            mirror.stop()
        case "status":
            print(json.dumps({**mirror.status(), **mirror.versions()}, indent=2))


def _log(line: str) -> None:
    print(line, flush=True)


main()
