"""kubeon use"""

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.errors import UsageError


@click.command()
@click.argument("name", required=False)
@click.option("--none", "nobody", is_flag=True, help="no cluster is the current one any more")
@common_options
@pass_app
def use(app: App, /, name: str | None, nobody: bool) -> None:
    """Make a cluster the current one, which commands mean that only look and name none. Without NAME: say which it is.

    Commands that change a cluster want its name all the same.

    \b
    kubeon use demo
    kubeon use --none
    """
    if name and nobody:
        raise UsageError("a name and --none exclude each other", hint="leave one out")
    if name or nobody:
        app.home.use(name)
    current = app.home.current
    app.console.data({"current": current}, current or "no cluster is the current one")
