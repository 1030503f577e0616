"""kubeon forget"""

import shlex
from pathlib import Path
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import kubeconfig_path
from kubeon.cluster.options import Options
from kubeon.console.shapes import operations as shapes
from kubeon.operations import forget as operation


@click.command()
@click.argument("name")
@click.option("--keep-kubeconfig", "no_kubeconfig", is_flag=True, help="leave your kubeconfig alone")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="your kubeconfig, which it is taken out of; default: the first of $KUBECONFIG, or ~/.kube/config",
)
@click.option("--dry-run", is_flag=True, help="show what would be done, change nothing")
@click.option("-y", "--yes", is_flag=True, help="do not ask")
@common_options
@pass_app
def forget(app: App, /, name: str, **flags: Any) -> None:
    """Forget a cluster here. Its hosts are not touched: it goes on, and nobody is looking after it from here.

    Its description is kept, and `kubeon create -f` takes the cluster up again.

    \b
    kubeon forget demo
    """
    options = Options(dry_run=flags["dry_run"], kubeconfig=kubeconfig_path(flags))
    with app.operation(name) as interrupts:
        confirm = app.confirmation(interrupts, yes=flags["yes"], dry_run=flags["dry_run"], word=name)
        result = operation.forget(name, options, app.home, confirm)
    if result.description is not None:
        again = shlex.join(["kubeon", "create", "-f", str(result.description)])
        value: shapes.Forgotten = {
            "cluster": name,
            "description": str(result.description),
            "snapshots": _path(result.snapshots),
            "kubeconfig": _path(options.kubeconfig),
        }
        kept = f" Its snapshots of etcd are in {result.snapshots}." if result.snapshots else ""
        app.console.data(value, f"Cluster {name} is forgotten here.{kept}\n\nTo look after it again:\n    {again}")


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
