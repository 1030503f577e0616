"""kubeon adopt"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import given_of
from kubeon.cli.flags import (
    confirm_flags,
    kubeconfig_flags,
    login_flags,
    node_flags,
    run_flags,
    secret_flags,
    source_flags,
)
from kubeon.cli.results import adopted
from kubeon.operations import adopt as operation


@click.command()
@click.argument("name")
@node_flags
@source_flags
@login_flags
@secret_flags
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def adopt(app: App, /, name: str, **flags: Any) -> None:
    """Take over a healthy cluster that plain kubeadm has made. Its hosts get a mark and a login key, and no more.

    One control plane is enough to name; the other nodes are found from the API.

    \b
    kubeon adopt demo -m 10.0.0.1
    kubeon adopt demo -m 10.0.0.1 -w admin@10.0.0.2:2222 --mirror https://mirror.example.org
    """
    given = given_of(name, flags)
    change(app, operation.adopt, name, flags, adopted, hosts=len(given["nodes"]), given=given)
