"""kubeon upgrade"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import upgraded
from kubeon.cli.flags import (
    confirm_flags,
    drain_flag,
    ignore_flag,
    kubeconfig_flags,
    run_flags,
    secret_flags,
    source_flags,
)
from kubeon.cli.results import upgraded_to
from kubeon.operations import upgrade as operation


@click.command()
@click.argument("name")
@click.argument("version")
@click.option(
    "--max-unavailable",
    default="1",
    show_default=True,
    metavar="NUMBER|PERCENT",
    help="workers at once; control planes go one at a time",
)
@click.option("--pause-after", default="", metavar="NODE", help="upgrade this node first of its kind, and stop there")
@drain_flag
@source_flags
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def upgrade(app: App, /, name: str, version: str, **flags: Any) -> None:
    """Bring a cluster to a newer Kubernetes VERSION: API servers first, then node after node.

    The same command again continues where it stopped.

    \b
    kubeon upgrade demo v1.34.2 --dry-run
    kubeon upgrade demo v1.34.2 --max-unavailable 10%
    """
    spec = upgraded(name, version, flags, app.home)
    change(app, operation.upgrade, spec, flags, upgraded_to, hosts=len(spec.nodes))
