"""kubeon exec"""

import sys
from typing import Any

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.description import read_secrets
from kubeon.cli.flags import parallel_flag, secret_flags
from kubeon.cli.interrupts import Interrupts
from kubeon.cli.results import executed
from kubeon.cluster.options import Options
from kubeon.console.outputs import Folded, Grouped, Kept, Streamed, Unchanged
from kubeon.errors import Interrupted, UsageError
from kubeon.remote import execute
from kubeon.remote.execute import Command, Input
from kubeon.spec.selectors import HINT, select, split_cluster


@click.command("exec")
@click.argument("selector", metavar="NAME@SELECTOR")
@click.argument("words", metavar="-- COMMAND...", nargs=-1, required=True)
@click.option("--group", is_flag=True, help="each host's output together, when it ends")
@click.option("--fold", is_flag=True, help="outputs that are the same once, with the list of hosts, at the end")
@click.option("--no-prefix", is_flag=True, help="no host's name before each line; from one host every byte as it is")
@click.option("--sudo", is_flag=True, help="run it as root, also where the login is not root's")
@click.option("--stdin", is_flag=True, help="read standard input to its end, then give all of it to every host")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="for each host; the command is ended then; default: none",
)
@secret_flags
@parallel_flag
@common_options
@pass_app
def exec_(app: App, /, selector: str, words: tuple[str, ...], **flags: Any) -> int:
    """Run a command on hosts of a cluster, on many at once.

    Needs only logins: it works while Kubernetes does not. Several words are a program and its arguments, one word alone
    is a line for the shell. Exit code 1 when the command failed on any host.

    \b
    kubeon exec demo@all -- uptime
    kubeon exec demo@w* --fold -- sh -c 'uname -r; nproc'
    kubeon exec demo@cp* --sudo 'crictl ps | wc -l'
    """
    if flags["group"] + flags["fold"] + flags["no_prefix"] > 1:
        raise UsageError("--group, --fold and --no-prefix exclude each other", hint="leave all but one out")
    cluster = hosts_of(app, selector)
    given = Input(sys.stdin.buffer if flags["stdin"] else None)
    command = Command(words, given, flags["timeout"], flags["sudo"])
    options = Options(
        parallel=flags["parallel"], words=("kubeon", *app.words), secrets=read_secrets(flags, app.console)
    )
    sink = _sink(app, flags, len(select(app.home.known(cluster), [selector])))
    interrupts = Interrupts(app.interrupt, app.console.say)
    with interrupts.around():
        app.changing = True
        interrupts.arm("ending the command on the hosts", abandon=True)
        result = execute.execute(
            cluster, options, app.home, sink, selectors=[selector], command=command, interrupt=app.interrupt
        )
        sink.finish()
    value, text = executed(result, sink if isinstance(sink, Kept) else None)
    if app.output == "json":
        app.console.data(value, "")
    else:
        app.console.say(text)
    return Interrupted.exit_code if result.interrupted else 1 if result.failed else 0


def hosts_of(app: App, selector: str) -> str:
    """The cluster of NAME@SELECTOR; the current one, which is said, where there is only @SELECTOR."""
    if "@" not in selector:
        raise UsageError(f"{selector!r} does not say which hosts", hint=f"write {selector}@all; {HINT}")
    name, _ = split_cluster(selector)
    cluster = app.cluster(name)
    if not name:
        app.console.say(f"Cluster {cluster}, the current one.", style="dim")
    return cluster


def _sink(app: App, flags: dict[str, Any], hosts: int) -> Streamed | Unchanged | Kept:
    def write(data: bytes, is_error: bool) -> None:
        try:
            app.console.raw(data, is_error)
        except Interrupted:  # also on the hosts that say nothing
            app.interrupt.request()
            raise

    if app.output == "json":
        return Kept()
    if flags["fold"]:
        return Folded(write)
    if flags["group"]:
        return Grouped(write)
    if flags["no_prefix"] and hosts == 1:
        return Unchanged(write)
    return Streamed(write, prefix=not flags["no_prefix"])
