"""python -m tests.man: a manual page for each command, into dist/man, for packages."""

from importlib.metadata import version
from pathlib import Path

import click
from click_man.core import write_man_pages

from kubeon.cli import cli
from tests.commands import commands_of

DIST = Path(__file__).parent.parent / "dist/man"


def loaded(group: click.Group) -> click.Group:
    """The same with all commands: kubeon itself imports one when it is meant."""
    commands = {name: loaded(each) if isinstance(each, click.Group) else each for name, each in commands_of(group)}
    return click.Group(group.name, commands, help=group.help, params=group.params)


def main(folder: Path = DIST) -> None:
    """Write them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_man_pages("kubeon", loaded(cli), version=version("kubeon"), target_dir=str(folder))


if __name__ == "__main__":
    main()
