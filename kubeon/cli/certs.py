"""kubeon certs"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.certificates import details_text, renewed, rotated, shown_object, table_text
from kubeon.cli.change import change
from kubeon.cli.description import options_of
from kubeon.cli.flags import confirm_flags, ignore_flag, kubeconfig_flags, run_flags, secret_flags
from kubeon.operations import certs_renew, certs_rotate_ca, certs_show

WARN_DAYS = 30


@click.group()
@common_options
def certs() -> None:
    """Certificates and kubeconfigs of a cluster: when they expire, new ones, new CAs."""


@certs.command()
@click.argument("name", required=False)
@click.option(
    "--warn-days",
    type=click.IntRange(0, 100000),
    default=WARN_DAYS,
    show_default=True,
    metavar="N",
    help="what expires within so many days is a problem",
)
@click.option("--details", is_flag=True, help="each certificate by itself, with its subject, names and file")
@secret_flags
@kubeconfig_flags
@run_flags
@common_options
@pass_app
def show(app: App, /, name: str | None, warn_days: int, details: bool, **flags: Any) -> int:
    """Show every certificate and kubeconfig on every node, and the copies on this machine. Changes nothing.

    Exit code 1 when one has expired, expires soon, is not this cluster's or not the one that is served, and when a node
    could not be asked.

    \b
    kubeon certs show demo --warn-days 90
    """
    name = app.cluster(name)
    options = options_of(flags, app.console)
    app.looking(len(app.home.known(name).nodes))
    found = certs_show.inspect(name, options, app.home, warn_days=warn_days)
    app.console.data(shown_object(found), details_text(found) if details else table_text(found))
    return 0 if found.ok else 1


@certs.command()
@click.argument("name")
@click.argument("what", nargs=-1)
@click.option("--san", multiple=True, metavar="NAME", help="one more name or address in the API's certificate")
@click.option("--validity", metavar="DURATION", help="life of new certificates from now on: 100y, 1y, 8760h")
@click.option(
    "--warn-days",
    type=click.IntRange(0, 100000),
    metavar="N",
    help="renew what expires within so many days; default: 30, or a third of its life where that is less",
)
@secret_flags
@ignore_flag
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def renew(app: App, /, name: str, what: tuple[str, ...], **flags: Any) -> None:
    """Make certificates anew and restart what uses them, one control plane at a time.

    WHAT are kubeadm's names (apiserver, etcd-peer, admin.conf ...), kubelet-client, kubelet-serving, or all. Without it
    what has expired, expires soon or does not fit is renewed. It needs no API: a cluster whose certificates have
    expired is brought back by it.

    \b
    kubeon certs renew demo all
    kubeon certs renew demo --san api.example.org
    """
    wanted = certs_renew.wanted_certificates(what, warn_days=flags["warn_days"])
    settings = {"sans": flags["san"], "validity": flags["validity"]}
    hosts = len(app.home.known(name).nodes)
    change(app, certs_renew.renew, name, flags, renewed, hosts=hosts, wanted=wanted, **settings)


@certs.command("rotate-ca")
@click.argument("name")
@click.argument("what", nargs=-1)
@click.option("--restart-pods", is_flag=True, help="restart all workloads, so that their pods trust the new CA")
@click.option("--pause", is_flag=True, help="stop when old and new are trusted together; the next run goes on")
@secret_flags
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def rotate_ca(app: App, /, name: str, what: tuple[str, ...], **flags: Any) -> None:
    """Put new CAs in place of old ones while the cluster goes on.

    WHAT is ca, etcd-ca, front-proxy-ca, or all, which is the default. Every host trusts old and new ones first, then
    gets certificates from the new ones, and then forgets the old ones. The same command goes on with what was begun.

    \b
    kubeon certs rotate-ca demo
    """
    certs_rotate_ca.check_names(what)
    pods = certs_rotate_ca.Pods(restart=flags["restart_pods"], pause=flags["pause"])
    hosts = len(app.home.known(name).nodes)
    change(app, certs_rotate_ca.rotate, name, flags, rotated, hosts=hosts, what=what, pods=pods)
