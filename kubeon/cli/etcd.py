"""kubeon etcd"""

from pathlib import Path
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.change import change
from kubeon.cli.description import options_of
from kubeon.cli.etcd_results import defragmented, members_of, restored, saved, snapshots_in, status_of
from kubeon.cli.flags import confirm_flags, kubeconfig_flags, run_flags, secret_flags
from kubeon.operations import etcd, etcd_restore, etcd_snapshots

_FILE = click.Path(dir_okay=False, path_type=Path, resolve_path=True)


@click.group("etcd")
@common_options
def etcd_group() -> None:
    """Look after a cluster's etcd: members, health, snapshots, defragmentation.

    \b
    kubeon etcd status demo
    kubeon etcd snapshot save demo
    """


@etcd_group.group()
@common_options
def snapshot() -> None:
    """Save, list and restore snapshots of etcd.

    \b
    kubeon etcd snapshot save demo
    kubeon etcd snapshot list demo
    """


@etcd_group.command()
@click.argument("name", required=False)
@secret_flags
@run_flags
@common_options
@pass_app
def members(app: App, /, name: str | None, **flags: Any) -> None:
    """List the members of etcd, and how many may fail. NAME: default the current cluster.

    \b
    kubeon etcd members demo
    """
    name = app.cluster(name)
    app.console.data(*members_of(etcd.etcd_report(name, options_of(flags, app.console), app.home)))


@etcd_group.command()
@click.argument("name", required=False)
@secret_flags
@run_flags
@common_options
@pass_app
def status(app: App, /, name: str | None, **flags: Any) -> int:
    """Ask every member how it is. Exit code 1 when one is not healthy, or an alarm is raised.

    \b
    kubeon etcd status demo
    kubeon etcd status demo --output json
    """
    name = app.cluster(name)
    report = etcd.etcd_report(name, options_of(flags, app.console), app.home)
    app.console.data(*status_of(report))
    return 0 if report.healthy else 1


@etcd_group.command()
@click.argument("name")
@secret_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def defrag(app: App, /, name: str, **flags: Any) -> None:
    """Give the free space in etcd's files back to the disk: member by member, the leader last.

    \b
    kubeon etcd defrag demo
    """
    app.home.known(name)
    change(app, etcd.defragment, name, flags, defragmented)


@snapshot.command()
@click.argument("name")
@click.argument("file", required=False, type=_FILE)
@click.option("--keep", type=click.IntRange(1), metavar="N", help="of the snapshots kept here, remove all but N")
@secret_flags
@run_flags
@common_options
@pass_app
def save(app: App, /, name: str, file: Path | None, **flags: Any) -> None:
    """Bring a snapshot of etcd to this machine: to FILE, or into ~/.kubeon. It holds every Secret of the cluster.

    \b
    kubeon etcd snapshot save demo --keep 14
    kubeon etcd snapshot save demo /backup/demo.db
    """
    options = options_of(flags, app.console)
    app.home.known(name)
    with app.operation(name):
        result = etcd_snapshots.take_snapshot(
            name, options, app.home, app.console.reporter(), file=file, keep=flags["keep"] or 0
        )
    app.console.data(*saved(result))


@snapshot.command("list")
@click.argument("name", required=False)
@common_options
@pass_app
def list_(app: App, /, name: str | None) -> None:
    """List the snapshots that were saved into ~/.kubeon. NAME: default the current cluster.

    \b
    kubeon etcd snapshot list demo
    """
    name = app.cluster(name)
    app.console.data(*snapshots_in(name, etcd_snapshots.list_snapshots(name, app.home)))


@snapshot.command()
@click.argument("name")
@click.argument("file", required=False, type=_FILE)
@click.option("--from-member", default="", metavar="NODE", help="without FILE: what this control plane's member has")
@click.option("--dead", multiple=True, metavar="SELECTOR", help="nodes that are gone for good; may be repeated")
@click.option("--force", is_flag=True, help="restore a file that is not known to be a snapshot of this cluster")
@secret_flags
@kubeconfig_flags
@run_flags
@confirm_flags
@common_options
@pass_app
def restore(app: App, /, name: str, file: Path | None, **flags: Any) -> None:
    """Make etcd anew on all control planes that are left, out of a snapshot.

    For a cluster that lost its data, or so many control planes that etcd has no quorum. The data that is there is kept
    on the hosts. Pods go on meanwhile; what was written after the snapshot is lost. With --from-member nothing is lost
    that this member has.

    \b
    kubeon etcd snapshot restore demo /backup/demo.db
    kubeon etcd snapshot restore demo --from-member cp1 --dead @cp2+cp3
    """
    app.home.known(name)
    asked = {"member": flags["from_member"], "dead": flags["dead"], "force": flags["force"]}
    change(app, etcd_restore.restore_snapshot, name, flags, restored, word=name, file=file, **asked)
