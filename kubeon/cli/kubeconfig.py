"""kubeon kubeconfig"""

from pathlib import Path
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import kubeconfig_path, options_of
from kubeon.cli.flags import run_flags, secret_flags
from kubeon.console.shapes import records as shapes
from kubeon.errors import UsageError
from kubeon.kube.kubeconfig import merge as merged
from kubeon.kube.kubeconfig_file import write_merged
from kubeon.operations.listing import admin_kubeconfig, user_server


@click.command()
@click.argument("name", required=False)
@click.option("--merge", is_flag=True, help="merge it into your kubeconfig instead of printing it")
@click.option("--use-context", is_flag=True, help="with --merge: make it kubectl's current context")
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    help="with --merge: the file; default: the first of $KUBECONFIG, or ~/.kube/config",
)
@secret_flags
@run_flags
@common_options
@pass_app
def kubeconfig(app: App, /, name: str | None, merge: bool, use_context: bool, **flags: Any) -> None:
    """Print a kubeconfig for a cluster's administrator, or merge it into your own.

    It is the one on record; where there is none, it is fetched from a control plane.

    \b
    kubeon kubeconfig demo > demo.conf
    kubeon kubeconfig demo --merge --use-context
    """
    if (use_context or flags["kubeconfig"]) and not merge:
        raise UsageError("--use-context and --kubeconfig go with --merge", hint="add --merge")
    cluster = app.cluster(name)
    admin = admin_kubeconfig(cluster, options_of(flags, app.console), app.home)
    server = user_server(app.home.known(cluster))
    path = kubeconfig_path(flags) if merge else None
    if path is None:
        text = merged(None, cluster, admin, server)
        printed: shapes.Kubeconfig = {"cluster": cluster, "server": server, "kubeconfig": text}
        app.console.data(printed, text)
        return
    changed = write_merged(path, cluster, admin, server, switch=use_context)
    value: shapes.MergedKubeconfig = {"cluster": cluster, "server": server, "path": str(path), "changed": changed}
    had = f"{path} has it already: kubectl --context {cluster}"
    app.console.data(value, f"merged into {path}: kubectl --context {cluster}" if changed else had)
