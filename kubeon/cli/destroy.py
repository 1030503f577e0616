"""kubeon destroy"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.flags import confirm_flags, ignore_flag, kubeconfig_flags, run_flags, secret_flags
from kubeon.cli.results import destroyed
from kubeon.operations import destroy as operation


@click.command()
@click.argument("name")
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@click.option("--remove-packages", is_flag=True, help="remove the OS packages that kubeon installed, too")
@confirm_flags
@common_options
@pass_app
def destroy(app: App, /, name: str, **flags: Any) -> None:
    """Take a cluster off its hosts and forget it. Its data is lost; the hosts remain.

    \b
    kubeon destroy demo --dry-run
    """
    change(app, operation.destroy, name, flags, destroyed, word=name)
