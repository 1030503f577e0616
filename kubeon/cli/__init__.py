"""The command line: one module per command, their list in commands.py, and the only place that exits."""

import sys
import traceback
from collections.abc import Sequence

import click

import kubeon
from kubeon.cli.app import BUG, App, command_line, common_options
from kubeon.cli.commands import COMMANDS, Commands
from kubeon.errors import Interrupted, KubeonError, UsageError


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(kubeon.__version__, prog_name="kubeon", message="%(prog)s %(version)s")
@common_options
def cli() -> None:
    """Plain Linux servers into highly available Kubernetes clusters: kubeadm driven over SSH."""


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(run(command_line() if words is None else list(words)))


def run(words: Sequence[str]) -> int:
    """Run one command and return the exit code; every error ends here."""
    app = App(words)
    try:
        try:
            code = cli.main(args=list(words), prog_name="kubeon", standalone_mode=False, obj=app)
            return code if isinstance(code, int) else 0
        except Exception as error:
            return _show(app, _known(app, error))
    except (KeyboardInterrupt, click.Abort):
        return _show(app, Interrupted("interrupted" if app.changing else "interrupted; nothing was changed"))


def _known(app: App, error: Exception) -> KubeonError:
    """What to show of an exception. What is no error, or told apart by `run`, goes on its way."""
    if isinstance(error, KubeonError):
        return error
    if isinstance(error, click.Abort):
        raise error
    if isinstance(error, click.ClickException):
        return _usage(app, error)
    return _bug(app, error)


def _show(app: App, error: KubeonError) -> int:
    app.console.show_error(error, app.aftermath(error))
    return error.exit_code


def _usage(app: App, error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    command = next((f"kubeon {word}" for word in app.words if word in COMMANDS), "kubeon")  # click may not tell
    hint = f"{context.command_path if context else command} --help"
    return UsageError(error.format_message(), hint=hint)


def _bug(app: App, error: Exception) -> KubeonError:
    """The traceback goes into the log, or to the screen when there is none."""
    text = "".join(traceback.format_exception(error))
    log = app.log
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(text)
    else:
        app.console.say(text)
    found = KubeonError(
        "this is a bug in kubeon",
        why=f"{type(error).__name__}: {error}".splitlines()[0],
        hint=f"the traceback is {'in the log' if log else 'above'}; please report it with it",
    )
    found.exit_code = BUG
    return found
