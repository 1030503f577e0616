"""kubeon schema"""

import json

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.commands import ALIASES
from kubeon.console.shapes import SHAPES
from kubeon.errors import UsageError
from kubeon.spec.loading import json_schema, schema_of


@click.command()
@click.argument("command", nargs=-1)
@common_options
@pass_app
def schema(app: App, command: tuple[str, ...]) -> None:
    """Print the JSON Schema of cluster.yaml, or of what a command prints with --output json.

    COMMAND is a command's words; or error, what any command says that fails; or plan, what --dry-run says. Flags make
    another answer of some: history operation, history log, kubeconfig merged.

    \b
    kubeon schema > cluster.schema.json
    kubeon schema etcd status
    """
    name = " ".join((ALIASES.get(command[0], command[0]), *command[1:])) if command else ""
    if name and name not in SHAPES:
        raise UsageError(f"no command {name!r} has an answer as JSON", hint=f"one of: {', '.join(SHAPES)}")
    found = schema_of(SHAPES[name], f"kubeon {name} --output json") if name else json_schema()
    app.console.data(found, json.dumps(found, indent=2))
