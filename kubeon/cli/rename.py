"""kubeon rename"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.flags import confirm_flags, kubeconfig_flags, run_flags, secret_flags
from kubeon.cli.results import renamed
from kubeon.operations import rename as operation


@click.command()
@click.argument("name", metavar="OLD")
@click.argument("new", metavar="NEW")
@secret_flags
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def rename(app: App, /, name: str, new: str, **flags: Any) -> None:
    """Give a cluster another name: here, in your kubeconfig, and in the marks that its hosts bear.

    \b
    kubeon rename demo production
    """
    change(app, operation.rename, name, flags, renamed, new=new)
