"""kubeon rename"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import options_of
from kubeon.cli.flags import confirm_flags, kubeconfig_flags, run_flags, secret_flags
from kubeon.console.progress import duration
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
    options = options_of(flags, app.console)
    with app.operation(name) as interrupts:
        confirm = app.confirmation(interrupts, yes=flags["yes"], dry_run=flags["dry_run"])
        reporter = app.console.reporter()
        result = operation.rename(name, options, app.home, reporter, confirm, new=new, interrupt=app.interrupt)
    if not flags["dry_run"]:
        value = {"cluster": new, "was": name, "hosts": list(result.hosts), "seconds": round(result.seconds, 1)}
        app.console.data(value, f"Cluster {name} is called {new} now ({duration(result.seconds)}).")
