"""Second names of commands, for fingers that know them from elsewhere."""

import click

ALIASES = {"display": "cluster-info", "info": "cluster-info", "ls": "list"}


class AliasedGroup(click.Group):
    """A group whose commands answer to their aliases too; --help shows each command once."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name or alias."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))
