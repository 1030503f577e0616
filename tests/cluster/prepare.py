"""`python -m tests.cluster.prepare PHASE,... create NAME ...`: `kubeon create` with these of its phases only."""

import sys
from unittest import mock

from kubeon import cli
from kubeon.operations import create, steps


def main(names: str, *words: str) -> None:
    """Run kubeon with a shorter list of phases; there is no cluster to read anything from at the end."""
    wanted = set(names.split(","))
    phases = tuple(phase for phase in steps.CREATE if phase.name in wanted)
    if {phase.name for phase in phases} != wanted:
        sys.exit(f"phases were renamed: {sorted(phase.name for phase in steps.CREATE)}")
    with (
        mock.patch.object(create, "CREATE", phases),
        mock.patch.object(create, "commit", return_value=None),
        mock.patch.object(create, "node_results", return_value=()),
    ):
        cli.main(words)


if __name__ == "__main__":
    main(*sys.argv[1:])
