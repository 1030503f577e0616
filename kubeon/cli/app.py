"""What commands share: the console, the store, and what the error screen needs to know of this run."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kubeon.cli.interrupts import Interrupts
from kubeon.console import Aftermath, Console, PlanLike
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import KubeonError, SpecError, StateError, UsageError

if TYPE_CHECKING:
    from kubeon.state.home import Home

BUG = 70  # EX_SOFTWARE
OUTPUTS = click.Choice(["text", "json"])


class App:
    """One run of kubeon."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = tuple(words)
        # click may stop at a word before --output; whoever asked for JSON gets that error as JSON too.
        # What stands after -- is another program's.
        own = self.words[: self.words.index("--")] if "--" in self.words else self.words
        wants_json = "--output=json" in own or ("--output", "json") in pairwise(own)
        self.output, self.verbose = "json" if wants_json else "text", 0
        self.interrupt = Interrupt()
        self.changing = False  # from the confirmation on
        self._console: Console | None = None
        self._home: Home | None = None
        self._cluster = ""
        self._logs_before: frozenset[Path] = frozenset()

    @property
    def console(self) -> Console:
        """Made when first used: by then the flags are known."""
        if self._console is None:
            self._console = Console(output=self.output, verbose=self.verbose)
        return self._console

    @property
    def home(self) -> "Home":
        """~/.kubeon."""
        if self._home is None:
            from kubeon.state.home import Home  # noqa: PLC0415 - slow, and not needed for --version and --help

            self._home = Home.find()
        return self._home

    def cluster(self, name: str | None) -> str:
        """The cluster that is named, else the current one. For commands that change no cluster.

        Raises UsageError when there is neither, StateError for an unknown one.
        """
        chosen = name or self.home.current
        if chosen is None:
            raise UsageError("no cluster is named", hint=f"one of: {', '.join(self.home.clusters()) or 'none yet'}")
        self.home.known(chosen)
        return chosen

    @property
    def log(self) -> Path | None:
        """The log file that this run's operation began, if it came that far."""
        if not self._cluster:
            return None
        new = [path for path in self.home.cluster(self._cluster).logs() if path not in self._logs_before]
        return new[-1] if new else None

    @contextmanager
    def operation(self, cluster: str) -> Iterator[Interrupts]:
        """An operation on a cluster: Ctrl-C asks it to stop, and its log is known to the error screen."""
        self._cluster, self._logs_before = cluster, frozenset(self.home.cluster(cluster).logs())
        interrupts = Interrupts(self.interrupt, lambda text: self.console.reporter().warn(text))
        with interrupts.around():
            yield interrupts

    def looking(self, hosts: int) -> None:
        """Nothing else is shown until all hosts have answered, which one that is down delays by its timeout."""
        if self.output == "text":
            self.console.say(f"Looking at {hosts} host{'' if hosts == 1 else 's'} ...", style="dim")

    def confirmation(
        self, interrupts: Interrupts, *, yes: bool, dry_run: bool = False, word: str = ""
    ) -> Callable[[PlanLike], bool]:
        """What operations ask before they change anything: shows the plan; False for --dry-run; KubeonError on a no.

        With `word` the user has to type it: for what cannot be undone.
        """

        def confirm(plan: PlanLike) -> bool:
            self.console.show_plan(plan, as_data=dry_run)
            if dry_run:
                return False
            if plan.changes and not yes:
                agreed = self.console.ask_word("This cannot be undone.", word) if word else self.console.ask("Go on?")
                if not agreed:
                    raise KubeonError("not confirmed; nothing was changed")
            self.changing = True
            interrupts.arm()
            return True

        return confirm

    def aftermath(self, error: KubeonError) -> Aftermath:
        """The same command again continues, unless it was not understood or may not run."""
        hopeless = isinstance(error, UsageError | SpecError | StateError) or error.exit_code == BUG or not self._cluster
        again = "" if hopeless else shlex.join(["kubeon", *self.words])
        return Aftermath(again=again, log=self.log)


pass_app = click.make_pass_decorator(App)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--output and -v, before and after the command's name."""

    def set_output(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
        if value:
            ctx.ensure_object(App).output = value

    def set_verbose(ctx: click.Context, _: click.Parameter, value: int) -> None:
        if value:
            ctx.ensure_object(App).verbose = value

    for option in (
        click.option(
            "--output",
            type=OUTPUTS,
            expose_value=False,
            is_eager=True,
            callback=set_output,
            help="text for people (default), or json: one object on standard output",
        ),
        click.option(
            "-v",
            "--verbose",
            count=True,
            expose_value=False,
            is_eager=True,
            callback=set_verbose,
            help="list every step and its progress instead of the live view",
        ),
    ):
        command = option(command)
    return command


def command_line() -> list[str]:
    """The words after the program's name."""
    return sys.argv[1:]
