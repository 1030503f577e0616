"""kubeon del"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.flags import confirm_flags, drain_flag, kubeconfig_flags, run_flags, secret_flags
from kubeon.cli.results import deleted
from kubeon.operations import delete as operation


@click.command("del")
@click.argument("name")
@click.argument("selectors", metavar="SELECTOR...", nargs=-1, required=True)
@click.option("--dead", is_flag=True, help="these machines are gone for good: nobody tries to reach them for long")
@drain_flag
@click.option("--remove-packages", is_flag=True, help="remove the OS packages that kubeon installed, too")
@secret_flags
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def delete(app: App, /, name: str, selectors: tuple[str, ...], **flags: Any) -> None:
    """Remove nodes from a cluster and clean their hosts.

    A SELECTOR is @NAME, @name=a,b*, @ip=10.0.0.1,10.0.1.0/24, @w* (workers), @cp* (control planes) or @all; terms are
    joined by + (these too) and ^ (but not these). What would cost etcd its quorum is refused.

    \b
    kubeon del demo @w3
    kubeon del demo @name=cp2 --dead
    """
    change(app, operation.delete, name, flags, deleted, selectors=selectors)
