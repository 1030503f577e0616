"""kubeon add"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import enlarged
from kubeon.cli.flags import confirm_flags, ignore_flag, kubeconfig_flags, node_flags, run_flags, secret_flags
from kubeon.cli.results import added
from kubeon.operations import add as operation


@click.command()
@click.argument("name")
@node_flags
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def add(app: App, /, name: str, **flags: Any) -> None:
    """Add nodes to a cluster. Members are left alone; their list of control planes follows.

    \b
    kubeon add demo -w 10.0.0.4 -w gpu1=10.0.0.5
    kubeon add demo -m 10.0.0.2,10.0.0.3
    """
    spec, new = enlarged(name, flags, app.home)
    change(app, operation.add, spec, flags, added, hosts=len(new), new=new)
