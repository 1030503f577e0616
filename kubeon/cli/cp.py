"""kubeon cp"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import read_secrets
from kubeon.cli.exec import hosts_of
from kubeon.cli.flags import run_flags, secret_flags
from kubeon.cli.interrupts import Interrupts
from kubeon.cli.results import copied
from kubeon.cluster.options import Options
from kubeon.errors import UsageError
from kubeon.remote import cp as operation
from kubeon.remote.transfer import Place


@click.command()
@click.argument("paths", metavar="SOURCE... DEST", nargs=-1, required=True)
@click.option("--sudo", is_flag=True, help="as root on the hosts, also where the login is not root's")
@secret_flags
@run_flags
@common_options
@pass_app
def cp(app: App, /, paths: tuple[str, ...], **flags: Any) -> None:
    """Copy files and folders to hosts of a cluster, or from them: NAME@SELECTOR:PATH is a path on hosts.

    A folder goes into DEST; with a slash at its end its content does. A file goes into DEST where that is a folder,
    else it becomes DEST. DEST/ is made, with the folders above it. From several hosts each gets a folder of its own
    in DEST.

    \b
    kubeon cp motd demo@all:/etc/motd
    kubeon cp conf.d demo@w*:/etc/app
    kubeon cp demo@cp*:/etc/kubernetes/manifests backup
    """
    if len(paths) < 2:
        raise UsageError("cp takes sources and a destination", hint="kubeon cp motd demo@all:/etc/motd")
    *sources, dest = (Place.parse(path) for path in paths)
    selectors = {place.selector for place in sources}
    if len(selectors) > 1 or bool(dest.selector) == any(selectors):
        raise UsageError(
            "one end of cp is on hosts, as NAME@SELECTOR:PATH, and the other is here",
            hint="from host to host: copy here first; several sources are on the same hosts; ./a@b:c is a path here",
        )
    cluster = hosts_of(app, dest.selector or sources[0].selector)
    options = Options(
        parallel=flags["parallel"],
        uploads=flags["uploads"],
        words=("kubeon", *app.words),
        secrets=read_secrets(flags, app.console),
    )
    interrupts = Interrupts(app.interrupt, lambda text: app.console.reporter().warn(text))
    with interrupts.around():
        app.changing = True
        interrupts.arm("stopping; no file is left half written", abandon=True)
        result = operation.copy(
            cluster,
            options,
            app.home,
            app.console.reporter(),
            sources=sources,
            dest=dest,
            sudo=flags["sudo"],
            interrupt=app.interrupt,
        )
    value, text = copied(result)
    app.console.data(value, text)
