"""Flags that several commands share, in groups. Each has a help text; a test sees to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kubeon.cni import CNIS
from kubeon.lb import LBS
from kubeon.spec.model import LoadBalancer, Networking

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_NETWORKING = Networking()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _group(*options: Decorator) -> Decorator:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# What is wanted: these fill the mapping that cluster.yaml fills.
node_flags = _group(
    click.option(
        "-m",
        "--control-plane",
        multiple=True,
        metavar="NODE",
        help="control-plane node, [name=][user@]address[:port]; repeat it or join with commas",
    ),
    click.option("--master", multiple=True, hidden=True, help="alias of --control-plane"),
    click.option(
        "-w",
        "--worker",
        multiple=True,
        metavar="NODE",
        help="worker node, [name=][user@]address[:port]; repeat it or join with commas",
    ),
)

# Where material comes from, and any field by its path.
source_flags = _group(
    click.option("--mirror", metavar="URL", help="base URL that has the original URLs as paths"),
    click.option(
        "--registry", metavar="HOST[:PORT][/PATH]", help="registry that has the images; http:// for plain HTTP"
    ),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="PATH=VALUE",
        help="a field of cluster.yaml by its path: components.containerd=2.2.1",
    ),
)

spec_flags = _group(
    click.option("-f", "--file", type=_FILE, help="cluster.yaml that describes the cluster"),
    node_flags,
    click.option(
        "--network", metavar="PLUGIN", help=f"network plug-in: {', '.join(CNIS)}; default: {_NETWORKING.plugin}"
    ),
    click.option("--pod-subnet", metavar="CIDR", help=f"addresses of pods; default: {_NETWORKING.pod_subnet}"),
    click.option(
        "--service-subnet", metavar="CIDR", help=f"addresses of Services; default: {_NETWORKING.service_subnet}"
    ),
    click.option(
        "--lb-mode", metavar="MODE", help=f"how nodes reach the API: {', '.join(LBS)}; default: {LoadBalancer().mode}"
    ),
    click.option(
        "--lb-address",
        metavar="HOST:PORT",
        help="address of an external load balancer; with updater: the cluster IP of the API",
    ),
    click.option(
        "--schedulable-control-planes", is_flag=True, default=None, help="let ordinary pods run on control planes"
    ),
    click.option("--san", multiple=True, metavar="NAME", help="one more name or address in the API's certificate"),
    source_flags,
)

# How hosts are reached.
login_flags = _group(
    click.option("--user", metavar="NAME", help="login name; default: root"),
    click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="SSH port; default: 22"),
    click.option("--key", type=_FILE, help="private key to log in with"),
    click.option("--jump", metavar="[USER@]HOST[:PORT]", help="jump host to go through"),
    click.option("--strict-host-keys", is_flag=True, default=None, help="refuse hosts whose key is not known yet"),
)

secret_flags = _group(
    click.option("--ask-password", is_flag=True, help="ask for the login password"),
    click.option(
        "--password-file",
        type=click.Path(path_type=Path),
        help="read the login password from a file or descriptor (/dev/fd/3); or set KUBEON_SSH_PASSWORD",
    ),
    click.option("--ask-sudo-password", is_flag=True, help="ask for the sudo password; default: the login password"),
    click.option(
        "--sudo-password-file",
        type=click.Path(path_type=Path),
        help="read the sudo password from a file or descriptor; or set KUBEON_SUDO_PASSWORD",
    ),
)

parallel_flag = click.option(
    "--parallel", type=click.IntRange(1, 1000), default=30, show_default=True, help="hosts at once"
)

run_flags = _group(
    parallel_flag,
    click.option("--uploads", type=click.IntRange(1, 1000), default=8, show_default=True, help="uploads at once"),
)

ignore_flag = click.option(
    "--ignore-preflight-errors", default="", metavar="CHECK,...", help="checks whose errors count as warnings"
)

drain_flag = click.option(
    "--drain-timeout",
    type=click.IntRange(0, 86400),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="for pods to leave, as their PodDisruptionBudgets allow; 0: no drain",
)

kubeconfig_flags = _group(
    click.option(
        "--kubeconfig",
        type=click.Path(dir_okay=False, path_type=Path),
        help="your kubeconfig, which is merged into; default: the first of $KUBECONFIG, or ~/.kube/config",
    ),
    click.option("--no-kubeconfig", is_flag=True, help="leave your kubeconfig alone"),
)

confirm_flags = _group(
    click.option("--dry-run", is_flag=True, help="look, show what would be done, change nothing"),
    click.option("-y", "--yes", is_flag=True, help="do not ask"),
)
