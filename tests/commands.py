"""What is in a group of commands, loaded."""

from collections.abc import Iterator

import click


def commands_of(group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Each command by its name, as a command line finds it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        assert command
        yield name, command
