"""kubeon create"""

import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import kubeconfig_path, wanted
from kubeon.cli.flags import (
    confirm_flags,
    ignore_flag,
    kubeconfig_flags,
    login_flags,
    run_flags,
    secret_flags,
    spec_flags,
)
from kubeon.cli.results import created
from kubeon.operations import create as operation


@click.command()
@click.argument("name", required=False)
@click.argument("version", required=False)
@spec_flags
@login_flags
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def create(app: App, /, name: str | None, version: str | None, **flags: Any) -> None:
    """Create a cluster, or finish one that was begun.

    NAME and VERSION (v1.34.2) may stand in the file given with -f instead. The same command again does what is missing;
    on a healthy cluster it changes nothing.

    \b
    kubeon create demo v1.34.2 -m 10.0.0.1 -w 10.0.0.2,10.0.0.3 --key ~/.ssh/id_ed25519
    kubeon create -f cluster.yaml --ask-password
    """
    spec = wanted(name, version, flags, app.home)
    kubectl = partial(_kubectl, app, spec.name, flags)
    change(app, operation.create, spec, flags, lambda result: created(result, kubectl()), hosts=len(spec.nodes))


def _kubectl(app: App, cluster: str, flags: Mapping[str, Any]) -> str:
    """How to reach it. The user's kubeconfig may have another current context, which kubeon does not change."""
    used = kubeconfig_path(flags)
    kubeconfig = app.home.cluster(cluster).admin_conf if used is None else flags["kubeconfig"]
    words = ["kubectl", *(["--kubeconfig", str(kubeconfig)] if kubeconfig else [])]
    return shlex.join([*words, *(["--context", cluster] if used else [])])
