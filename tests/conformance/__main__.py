"""python -m tests.conformance: run upstream's conformance tests on a cluster that kubeon made in the lab.

Those that want the cluster for themselves run after the others, one by one. What was found is in the table when either
part has ended; Ctrl-C keeps what is known by then, and `--result "not run"` goes on from there.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.conformance import cluster, images, programs, table, upstream
from tests.conformance.run import Run, Tools
from tests.lab import mirror
from tests.lab.command import LabError
from tests.lab.mirror import rows

_began = time.monotonic()


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="./dev conformance", description=__doc__)
    parser.add_argument("--focus", default="", help="only tests whose name has this regular expression in it")
    parser.add_argument("--skip", default="", help="none of these")
    parser.add_argument("--result", choices=table.RESULTS, help="only those of which the table says so")
    parser.add_argument("--limit", type=int, help="so many at most")
    parser.add_argument("--parallel", type=int, default=4, help="so many at a time (default %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster for the next run")
    parser.add_argument("--release", default=mirror.RELEASES[0], help="Kubernetes release (default %(default)s)")
    parser.add_argument("--list", action="store_true", help="only say which tests these are")
    parser.add_argument("--build", action="store_true", help="only make the programs and the images")
    given = parser.parse_args(words)
    row = rows.rows()[given.release]
    try:
        texts = programs.texts(row, say)
        run = Run.begin(given.release, upstream.names((texts / programs.TESTS).read_text()), say)
        chosen = run.chosen(given.focus, given.skip, given.result, given.limit)
        if given.list or not chosen:
            print("\n".join(chosen) or "no conformance test of this release is meant by that")
            return 0 if chosen else 2
        built = programs.programs(row, say)
        images.pushed(built, texts, say)
        if given.build:
            return 0
        try:
            kubeon = cluster.ensure(given.release, say)
            kubectl = mirror.root() / f"dl.k8s.io/release/{given.release}/bin/linux/amd64/kubectl"
            return run.carry_out(chosen, Tools(built, kubectl, kubeon.kubeconfig), given.parallel)
        finally:
            if not given.keep:
                cluster.remove()
    except LabError as error:
        say(str(error))
        return 1


def say(line: str) -> None:
    """To whoever waits, with the minutes that have gone by."""
    print(f"conformance: {(time.monotonic() - _began) / 60:5.1f} min  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
