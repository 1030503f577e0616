"""The only place that prints. Progress and errors go to standard error, data to standard output.

With `--output json` standard output carries exactly one object, whatever happens: the result, or `{"error": ...}`.
"""

import codecs
import getpass
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.text import Text

from kubeon.console.live import LiveReporter
from kubeon.console.plain import PlainReporter
from kubeon.console.screens import (
    Aftermath,
    FindingLike,
    PlanLike,
    error_object,
    error_screen,
    findings_object,
    findings_text,
    plan_object,
    plan_text,
)
from kubeon.errors import Interrupted, KubeonError, UsageError
from kubeon.printable import printable, visible
from kubeon.waiting import SYSTEM_CLOCK, Clock

__all__ = ["Aftermath", "Console", "FindingLike", "PlanLike"]


class Console:
    """Where a command shows what it does and asks what it must know."""

    def __init__(
        self,
        *,
        output: str = "text",
        verbose: int = 0,
        out: TextIO | None = None,
        err: TextIO | None = None,
        stdin: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.json = output == "json"
        self.verbose = verbose
        self._out, self._err, self._in = out or sys.stdout, err or sys.stderr, stdin or sys.stdin
        self._clock = clock
        self._turn = threading.Lock()
        decoder = codecs.getincrementaldecoder("utf-8")  # a block may end within a character
        self._decoders = {is_error: decoder("backslashreplace") for is_error in (False, True)}
        self._dumb = environment.get("TERM", "") in ("dumb", "")
        self._terminal = RichConsole(
            file=self._err,
            no_color="NO_COLOR" in environment or self._dumb,
            highlight=False,
            soft_wrap=True,
            _environ=dict(environment),
        )
        self._reporter: LiveReporter | PlainReporter | None = None

    @property
    def is_live(self) -> bool:
        """Can progress be drawn, rather than listed?"""
        return self._err.isatty() and not self._dumb and not self.json and not self.verbose

    def reporter(self) -> LiveReporter | PlainReporter:
        """The Reporter of this run: the live view on a terminal, lines elsewhere and with -v."""
        if self._reporter is None:
            if self.is_live:
                self._reporter = LiveReporter(self._terminal, clock=self._clock)
            else:
                self._reporter = PlainReporter(self._err, verbose=bool(self.verbose), clock=self._clock)
        return self._reporter

    def say(self, text: str, *, style: str = "") -> None:
        """A line for people, to standard error."""
        self._pause()
        self._terminal.print(Text(printable(text.rstrip("\n")), style=style))

    def raw(self, data: bytes, is_error: bool = False) -> None:
        """Bytes of somebody else's output, as they are, to standard output or standard error, at once.

        A terminal is not given controls that it would obey: they are made visible, and newlines and tabs stay.
        One call of many threads at a time. Raises Interrupted when nobody reads them any more, as after `| head`.
        """
        stream = self._err if is_error else self._out
        with self._turn:
            if stream.isatty():
                data = visible(self._decoders[is_error].decode(data)).encode()
            try:
                binary = getattr(stream, "buffer", None)
                if binary is None:
                    stream.write(data.decode(errors="replace"))
                else:
                    stream.flush()
                    binary.write(data)
                stream.flush()
            except BrokenPipeError:
                with Path(os.devnull).open("wb") as nowhere:  # so that Python's own flush at the end has a reader
                    os.dup2(nowhere.fileno(), stream.fileno())
                raise Interrupted("nobody reads the output any more") from None

    def data(self, value: Any, text: Callable[[], str] | str) -> None:
        """The answer of a command, to standard output: `value` as JSON, or `text`."""
        self._pause()
        plain = "" if self.json else text if isinstance(text, str) else text()
        shown = _json(value, indent=2) if self.json else printable(plain)
        print(shown.rstrip("\n"), file=self._out, flush=True)

    def refresh(self, value: Any, text: str, line: str) -> None:
        """One of many answers to the same question, to standard output: a screen in the place of the one before it.

        Where nothing can be drawn over: `line`. As JSON: one object on one line, one after the other.
        """
        self._pause()
        if self.json:
            print(_json(value), file=self._out, flush=True)
        elif self._out.isatty() and not self._dumb:
            height = shutil.get_terminal_size().lines
            lines = printable(text.rstrip("\n")).splitlines()
            shown = (
                lines if len(lines) < height else [*lines[: height - 2], f"and {len(lines) - height + 2} lines more"]
            )
            print("\x1b[H\x1b[J" + "\n".join(shown), file=self._out, flush=True)
        else:
            print(printable(line), file=self._out, flush=True)

    def show_error(self, error: KubeonError, after: Aftermath | None = None) -> None:
        """The error screen. What is done so far is taken from the reporter, unless given."""
        self._pause()
        after = after or Aftermath()
        if not after.done and self._reporter is not None:
            after = Aftermath(self._reporter.progress.done_lines(), after.again, after.log)
        if self.json:
            self.data(error_object(error, after), "")
            return
        headline, newline, rest = printable(error_screen(error, after)).partition("\n")
        self._terminal.print(Text(headline, style="bold red"))
        if newline and rest.strip():
            self._terminal.print(Text(rest.rstrip("\n")))

    def show_findings(self, findings: Sequence[FindingLike], *, as_data: bool = False) -> None:
        """What preflight found: beside the work to standard error, or as the answer of `kubeon preflight`."""
        if as_data:
            self.data({"findings": findings_object(findings)}, findings_text(findings))
        else:
            self.say(findings_text(findings))

    def show_plan(self, plan: PlanLike, *, as_data: bool = False) -> None:
        """What would be done: before a question to standard error, or as the answer of --dry-run."""
        if as_data:
            self.data(plan_object(plan), plan_text(plan))
        else:
            self.say(plan_text(plan))
            self._terminal.print()

    def ask(self, question: str, *, yes: bool = False) -> bool:
        """Yes or no; anything but y and yes is no. Raises UsageError where nobody can answer."""
        return yes or self._answer(f"{question} [y/N] ", "--yes").lower() in ("y", "yes")

    def ask_word(self, question: str, word: str, *, yes: bool = False) -> bool:
        """For what cannot be undone: does the user type that very word? Raises UsageError where nobody can answer."""
        return yes or self._answer(f"{question} Type {word} to go on: ", "--yes") == word

    def prompt_secret(self, prompt: str) -> str:
        """A password, typed without echo. Raises UsageError without a terminal."""
        if not self._in.isatty():
            hint = "use --password-file, --sudo-password-file, KUBEON_SSH_PASSWORD or KUBEON_SUDO_PASSWORD"
            raise UsageError("there is no terminal to type a password on", hint=hint)
        self._pause()
        return getpass.getpass(f"{prompt}: ", stream=self._err)

    def _answer(self, question: str, flag: str) -> str:
        if not self._in.isatty():
            raise UsageError("there is no terminal to answer on", hint=f"look at the plan above, then add {flag}")
        self._pause()
        self._terminal.print(Text(question, style="bold"), end="")
        answer = self._in.readline()
        if not answer:  # Ctrl-D
            self._terminal.print()
        return answer.strip()

    def _pause(self) -> None:
        """Nothing may be drawn while something else is printed; a reporter draws again with its next begin."""
        if self._reporter is not None:
            self._reporter.stop()


def _json(value: Any, *, indent: int | None = None) -> str:
    """As people read it, but for what a terminal would obey."""
    return visible(json.dumps(value, indent=indent, ensure_ascii=False))
