"""kubeon destroy"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import options_of
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
    options = options_of(flags, app.console)
    with app.operation(name) as interrupts:
        confirm = app.confirmation(interrupts, yes=flags["yes"], dry_run=flags["dry_run"], word=name)
        result = operation.destroy(name, options, app.home, app.console.reporter(), confirm, interrupt=app.interrupt)
    if not flags["dry_run"]:
        value, text = destroyed(result)
        app.console.data(value, text)
