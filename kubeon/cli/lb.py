"""kubeon lb"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import switched
from kubeon.cli.flags import confirm_flags, ignore_flag, kubeconfig_flags, run_flags, secret_flags
from kubeon.cli.results import switched_to
from kubeon.lb import LBS
from kubeon.operations import lb_switch


@click.group()
@common_options
def lb() -> None:
    """How the nodes of a cluster reach the API.

    \b
    kubeon lb switch demo --mode updater
    """


@lb.command()
@click.argument("name")
@click.option("--mode", required=True, metavar="MODE", help=f"how nodes are to reach the API: {', '.join(LBS)}")
@click.option("--lb-address", metavar="HOST:PORT", help="address of an external load balancer")
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def switch(app: App, /, name: str, **flags: Any) -> None:
    """Change how the nodes of a running cluster reach the API, while they are used.

    The new load balancer is installed beside the old one and probed from every node; then node after node is switched
    over, and when all are, the old one is removed. The same command again resumes it; the previous mode rolls it back.

    \b
    kubeon lb switch demo --mode updater --dry-run
    kubeon lb switch demo --mode external --lb-address 10.0.0.100:6443
    """
    spec = switched(name, flags, app.home)
    change(app, lb_switch.switch, spec, flags, switched_to, hosts=len(spec.nodes))
