"""kubeon schema"""

import json

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.spec.loading import json_schema


@click.command()
@common_options
@pass_app
def schema(app: App) -> None:
    """Print the JSON Schema of cluster.yaml, which lets an editor check and complete it.

    \b
    kubeon schema > cluster.schema.json
    """
    found = json_schema()
    app.console.data(found, json.dumps(found, indent=2))
