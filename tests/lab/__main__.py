"""The lab by hand: python -m tests.lab up | down | off | status | ssh."""

import argparse
import os
import sys
import time

from tests.lab import hosts, mirror, network
from tests.lab.base import BASES
from tests.lab.command import LabError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "up":
            _up(options)
        elif options.command == "down":
            hosts.down(options.names or None)
        elif options.command == "off":
            hosts.off()
        elif options.command == "status":
            _status()
        else:
            words = hosts.ssh_words(hosts.get(options.name), options.user)
            sys.stdout.flush()
            os.execvp("ssh", [*words, *options.words])
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _up(options: argparse.Namespace) -> None:
    if not options.names and not options.hosts:
        options.hosts = 1
    names = [*options.names, *(f"n{number}" for number in range(1, options.hosts + 1))]
    start = time.monotonic()
    for host in hosts.up(names, base=options.base, memory=options.memory, start_address=options.start):
        print(f"{host.name:<12} {host.address:<15} {host.base}")
    if not options.no_mirror:
        mirror.prepare(options.release or mirror.RELEASES)
        mirror.start()
        print("mirror: files at {}, images at {}".format(*mirror.urls()))
    print(f"up after {time.monotonic() - start:.1f} s")


def _status() -> None:
    listed = hosts.status()
    for host, state in listed:
        print(f"{host.name:<12} {host.address:<15} {host.base:<12} {state}")
    print(f"{len(listed)} hosts; network and guard {'up' if network.is_up() else 'off'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Fresh servers on one machine, for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start hosts")
    up.add_argument("names", nargs="*", metavar="NAME[=ADDRESS]")
    up.add_argument(
        "--hosts", type=int, default=0, metavar="N", help="N hosts named n1, n2, ... besides the named ones"
    )
    up.add_argument("--base", choices=sorted(BASES), default="debian-12")
    up.add_argument("--memory", metavar="SIZE", help=f"limit of each host (default {hosts.DEFAULT_MEMORY})")
    up.add_argument("--start", default=hosts.FIRST_ADDRESS, metavar="ADDRESS", help="first address to give")
    up.add_argument("--no-mirror", action="store_true", help="hosts only: no files, images and packages to install")
    up.add_argument(
        "--release",
        action="append",
        metavar="VERSION",
        help=f"Kubernetes in the mirror (default {mirror.RELEASES[0]})",
    )
    down = commands.add_parser("down", help="remove hosts with all that is on them")
    down.add_argument("names", nargs="*", metavar="NAME")
    commands.add_parser("off", help="remove everything the lab made, and put the machine's settings back")
    commands.add_parser("status", help="list the hosts")
    ssh = commands.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("-l", dest="user", default="root")
    ssh.add_argument("name", metavar="NAME")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


if __name__ == "__main__":
    sys.exit(main())
