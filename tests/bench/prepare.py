"""`python -m tests.bench.prepare create NAME ...`: as `kubeon create`, but it stops before certificates and kubeadm.

Afterwards hosts have everything: packages, programs, images, the runtime, the network plug-in's files.
"""

import sys
from unittest import mock

from kubeon import cli, operations
from kubeon.operations import creation

PHASES = {
    *("authorize-key", "prepare-host", "install-packages", "install-files", "start-runtime", "import-images"),
    "configure-network",
}


def main() -> None:
    """Run kubeon with a shorter list of phases; there is no cluster to read anything from at the end."""
    phases = tuple(phase for phase in operations.CREATE if phase.name in PHASES)
    if {phase.name for phase in phases} != PHASES:
        sys.exit(f"phases were renamed: {sorted(phase.name for phase in operations.CREATE)}")
    with (
        mock.patch.object(creation, "CREATE", phases),
        mock.patch.object(creation, "commit", return_value=None),
        mock.patch.object(creation, "node_results", return_value=()),
    ):
        cli.main(sys.argv[1:])


if __name__ == "__main__":
    main()
