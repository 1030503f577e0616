"""Which commands there are, and where: a module is imported when its command is meant.

All of them together take most of a second to import, which each completion and each --help would pay for.
"""

import importlib
from typing import Any

import click

COMMANDS = {
    "add": ("add:add", "Add nodes to a cluster."),
    "adopt": ("adopt:adopt", "Take over a healthy cluster that plain kubeadm has made."),
    "certs": ("certs:certs", "Certificates and CAs: when they expire, new ones."),
    "cluster-info": ("cluster_info:cluster_info", "Say whether a cluster is healthy, degraded or down, and why."),
    "completion": ("completion:completion", "Print the script for a shell's completion."),
    "cp": ("cp:cp", "Copy files and folders to hosts of a cluster, or from them."),
    "create": ("create:create", "Create a cluster, or finish one that was begun."),
    "del": ("delete:delete", "Remove nodes from a cluster and clean their hosts."),
    "destroy": ("destroy:destroy", "Take a cluster off its hosts and forget it."),
    "etcd": ("etcd:etcd_group", "Members, health, snapshots and defragmentation of etcd."),
    "exec": ("exec:exec_", "Run a command on hosts of a cluster, on many at once."),
    "forget": ("forget:forget", "Forget a cluster here."),
    "history": ("history:history_command", "Show what was done to a cluster, by whom, and how it ended."),
    "kubeconfig": ("kubeconfig:kubeconfig", "Print an administrator's kubeconfig, or merge it into yours."),
    "lb": ("lb:lb", "How the nodes of a cluster reach the API."),
    "list": ("listing:list_", "List the clusters that this machine knows."),
    "preflight": ("preflight:preflight", "Look whether hosts and network are fit for a cluster."),
    "rename": ("rename:rename", "Give a cluster another name."),
    "schema": ("schema:schema", "Print a JSON Schema: of cluster.yaml, or of an answer."),
    "upgrade": ("upgrade:upgrade", "Bring a cluster to a newer Kubernetes, node after node."),
    "use": ("use:use", "Make a cluster the current one."),
    "view": ("view:view", "Show what belongs to a release, and what kubeon supports."),
}
ALIASES = {"display": "cluster-info", "info": "cluster-info", "ls": "list"}
"""Second names, for fingers that know them from elsewhere. --help shows each command once."""


class _Listed(click.Command):
    """A command that is only known by its line in --help so far."""

    def __init__(self, name: str, place: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)
        self._place = place

    def load(self) -> click.Command:
        """The command itself, whose arguments complete."""
        from kubeon.cli.completion import complete_arguments  # noqa: PLC0415 - it knows clusters, and all that takes

        module, _, attribute = self._place.partition(":")
        found = getattr(importlib.import_module(f"kubeon.cli.{module}"), attribute)
        assert isinstance(found, click.Command)  # noqa: S101 - each line is tried by a test
        complete_arguments(found)
        return found


class Commands(click.Group):
    """All of them."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for name, (place, short_help) in COMMANDS.items():
            self.add_command(_Listed(name, place, short_help))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The line of this name or alias."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, and what it is given."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, _Listed) else command, rest
