"""kubeon preflight"""

from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import options_of, wanted
from kubeon.cli.flags import ignore_flag, login_flags, run_flags, secret_flags, spec_flags
from kubeon.errors import PreflightError
from kubeon.operations import create


@click.command()
@click.argument("name", required=False)
@click.argument("version", required=False)
@spec_flags
@login_flags
@secret_flags
@ignore_flag
@run_flags
@common_options
@pass_app
def preflight(app: App, /, name: str | None, version: str | None, **flags: Any) -> int:
    """Look whether hosts and network are fit for a cluster. Changes nothing; exit code 4 when they are not.

    \b
    kubeon preflight demo v1.34.2 -m 10.0.0.1 -w 10.0.0.2 --user admin --ask-sudo-password
    """
    spec = wanted(name, version, flags, app.home)
    options = options_of(flags, app.console)
    app.looking(len(spec.nodes))
    with app.operation(spec.name):
        findings = create.preflight(spec, options, app.home, app.console.reporter())
    app.console.show_findings(findings, as_data=True)
    return PreflightError.exit_code if any(str(finding.severity) == "error" for finding in findings) else 0
