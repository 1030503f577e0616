"""What people see: the error screen, plain progress, plans, findings, questions."""

import io
import json
import os
import pty
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubeon.console import Aftermath, Console
from kubeon.engine.events import Event, Reporter, Status
from kubeon.errors import (
    BundleError,
    CommandError,
    ConnectError,
    HostErrors,
    Interrupted,
    KubeonError,
    OperationError,
    SpecError,
    StateError,
    UsageError,
)
from kubeon.waiting import Clock
from tests.golden import assert_golden

AGAIN = "kubeon create demo v1.34.2 -m 10.0.0.1 -w 10.0.0.2,10.0.0.3"
LOG = Path("/root/.kubeon/clusters/demo/logs/20260131T120000Z-create.log")


class FakeClock(Clock):
    """Time passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 12, 0, tzinfo=UTC) + timedelta(seconds=self.seconds - 1000)


@dataclass(frozen=True)
class Finding:
    """As preflight has them."""

    check: str
    host: str
    severity: str
    what: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """As operations have them."""

    title: str
    header: tuple[str, ...] = ()
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()

    @property
    def changes(self) -> bool:
        return any(self.hosts.values())


def a_console(*, output: str = "text", verbose: int = 0, answer: str = "") -> tuple[Console, io.StringIO, io.StringIO]:
    """A console without a terminal, and what it prints to standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    console = Console(
        output=output,
        verbose=verbose,
        out=out,
        err=err,
        stdin=io.StringIO(answer),
        environment={"TERM": "xterm"},
        clock=FakeClock(),
    )
    return console, out, err


def play(reporter: Reporter, clock: Clock) -> None:
    """An operation on three hosts; one fails, one waits in vain."""
    phases = ["Install packages", "Join workers"]
    reporter.begin("create demo", {"cp1": phases[:1], "w1": phases, "w2": phases})
    for host in ("cp1", "w1", "w2"):
        reporter.event(Event(host, "install-packages", "Install packages", Status.STARTED))
    clock.sleep(12.3)
    reporter.note("pulling kubelet v1.34.2, 40 of 70 MiB", host="w2")
    reporter.event(Event("cp1", "install-packages", "Install packages", Status.CHANGED, 12.3, ("conntrack", "socat")))
    reporter.event(Event("w1", "install-packages", "Install packages", Status.OK, 12.3))
    clock.sleep(100)
    many = tuple(f"package-{number}" for number in range(9))
    reporter.event(Event("w2", "install-packages", "Install packages", Status.CHANGED, 112.3, many))
    reporter.warn("the clock is 2 seconds ahead", host="w2")
    reporter.event(Event("w2", "join-workers", "Join workers", Status.STARTED))
    reporter.event(Event("w2", "join-workers", "Join workers", Status.FAILED, 5, (), "w2: kubeadm join failed:\nno"))
    reporter.event(Event("w1", "join-workers", "Join workers", Status.BLOCKED, error="Initialise the control plane"))
    reporter.end()


ERRORS: dict[str, tuple[KubeonError, Aftermath]] = {
    "usage": (UsageError("no Kubernetes version is given", hint="kubeon create demo v1.34.2 ..."), Aftermath()),
    "spec": (
        SpecError([("nodes.0.address", "'cp1' is not an IPv4 address"), ("version", "is required")]),
        Aftermath(),
    ),
    "state": (
        StateError(
            "cluster demo is locked",
            why="ann@ops1 (process 4711) runs create since 2026-01-31T12:00:00+00:00",
            hint="wait until that ends; nothing needs to be removed",
        ),
        Aftermath(),
    ),
    "host": (
        CommandError(
            "install packages failed (exit code 100)",
            command_exit_code=100,
            why="Reading package lists...\nE: Unable to locate package conntrack",
            host="w1",
            hint="is the package mirror complete?",
        ),
        Aftermath(("finished: cp1", "w1: 3 of 9 steps"), AGAIN, LOG),
    ),
    "hosts": (
        HostErrors(
            {
                "w1": CommandError(
                    "kubeadm join failed (exit code 1)", command_exit_code=1, why="error execution phase\nno"
                ),
                "w2": ConnectError("10.0.0.3:22 does not answer", hint="is the host up?"),
                "w3": KubeonError("stopped before Join workers"),
                "w4": KubeonError("stopped before Join workers"),
            },
            done=1,
            hint="mend what the hosts complain about",
        ),
        Aftermath(("finished: cp1",), AGAIN, LOG),
    ),
    "bundle": (BundleError("etcd 3.6.5-0 is damaged", why="sha256 differs", hint="kubeon download again"), Aftermath()),
    "interrupted": (
        Interrupted("interrupted: running steps were finished, the rest was not started"),
        Aftermath(("cp1: 4 of 9 steps",), AGAIN, LOG),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_screen(name: str) -> None:
    """What, where, why, what is done, what next, where the log is; on standard error."""
    console, out, err = a_console()

    console.show_error(*ERRORS[name])

    assert out.getvalue() == ""
    assert_golden(err.getvalue(), f"console/error-{name}.txt")


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_as_an_object(name: str) -> None:
    """The same for programs: the one object on standard output."""
    console, out, err = a_console(output="json")

    console.show_error(*ERRORS[name])

    assert json.loads(out.getvalue())["error"]["exitCode"] == ERRORS[name][0].exit_code
    assert err.getvalue() == ""
    assert_golden(out.getvalue(), f"console/error-{name}.json")


@pytest.mark.parametrize("verbose", [0, 1])
def test_plain_progress(verbose: int) -> None:
    """A line per event that is fit for a CI log; everything with -v."""
    console, out, err = a_console(verbose=verbose)

    play(console.reporter(), console._clock)

    assert out.getvalue() == ""
    assert_golden(err.getvalue(), f"console/plain-{verbose}.txt")


def test_the_error_screen_says_what_is_done() -> None:
    """Taken from the progress of the run when nobody says it."""
    console, _, err = a_console()
    play(console.reporter(), console._clock)

    console.show_error(KubeonError("1 host failed"))

    assert "Done so far:\n    finished: cp1\n    w1: 1 of 2 steps\n    w2: 1 of 2 steps\n" in err.getvalue()


def test_nothing_changed_is_one_line() -> None:
    """The second run of everything ends like this."""
    console, _, err = a_console()
    reporter = console.reporter()

    reporter.begin("create demo", {"cp1": ["Install packages"]})
    reporter.event(Event("cp1", "install-packages", "Install packages", Status.OK, 1.0))
    reporter.end()

    assert err.getvalue().splitlines()[-1] == "create demo: 1 host, nothing changed, 0.0s"


FINDINGS = [
    Finding("swap", "w1", "warning", "swap is on", "it will be switched off"),
    Finding("ports", "cp1", "error", "port 6443 is in use by nginx", "stop it, or choose another host"),
    Finding("swap", "w2", "warning", "swap is on", "it will be switched off"),
]


def test_findings() -> None:
    """Errors first, the same on many hosts once."""
    console, out, err = a_console()

    console.show_findings(FINDINGS)
    console.show_findings(FINDINGS, as_data=True)
    console.show_findings([], as_data=True)

    assert out.getvalue().startswith(err.getvalue())
    assert_golden(out.getvalue(), "console/findings.txt")


def a_plan(**fields: object) -> Plan:
    """Three hosts, two alike."""
    work = ("install packages conntrack, socat", "join as a worker")
    hosts = {"cp1": ("initialise the control plane",), "w1": work, "w2": work, "w3": ()}
    return Plan("Create cluster demo", ("Kubernetes v1.34.2", "pods 10.244.0.0/16"), hosts, tuple(FINDINGS[:1]))


def test_a_plan() -> None:
    """Hosts with the same work stand together, and those without work are named."""
    console, out, err = a_console()

    console.show_plan(a_plan())
    console.show_plan(Plan("Create cluster demo", hosts={"cp1": ()}))

    assert out.getvalue() == ""
    assert_golden(err.getvalue(), "console/plan.txt")


def test_a_plan_as_an_object() -> None:
    """For --dry-run --output json."""
    console, out, _ = a_console(output="json")

    console.show_plan(a_plan(), as_data=True)

    assert json.loads(out.getvalue())["plan"]["hosts"]["w3"] == []


@pytest.mark.parametrize("ask", [lambda c: c.ask("Go on?"), lambda c: c.ask_word("Destroy?", "demo")])
def test_nobody_to_ask_is_an_error(ask: Callable[[Console], bool]) -> None:
    """A script must say --yes; silence is neither a yes nor a hang."""
    console, _, _ = a_console(answer="y\n")

    with pytest.raises(UsageError) as caught:
        ask(console)

    assert "--yes" in caught.value.hint


def test_yes_asks_nobody() -> None:
    """--yes."""
    console, _, err = a_console()

    assert console.ask("Go on?", yes=True)
    assert console.ask_word("Destroy?", "demo", yes=True)
    assert err.getvalue() == ""


def test_no_password_without_a_terminal() -> None:
    """The other ways are named."""
    console, _, _ = a_console()

    with pytest.raises(UsageError) as caught:
        console.prompt_secret("login password")

    assert "--password-file" in caught.value.hint


class Terminal:
    """A console on a real pseudo terminal."""

    def __init__(self, answer: str = "", **environment: str) -> None:
        self.master, slave = pty.openpty()
        self.file = os.fdopen(slave, "r+b", buffering=0)
        text = io.TextIOWrapper(self.file, encoding="utf-8", write_through=True)
        os.write(self.master, answer.encode())
        self.clock = FakeClock()
        self.console = Console(
            err=text, stdin=text, out=io.StringIO(), environment={"TERM": "xterm", **environment}, clock=self.clock
        )

    def shown(self) -> str:
        """Everything that was drawn."""
        os.set_blocking(self.master, False)
        parts: list[bytes] = []
        try:
            while part := os.read(self.master, 65536):
                parts.append(part)
        except BlockingIOError:
            pass
        return b"".join(parts).decode()


def test_a_terminal_gets_nothing_of_hosts_that_it_would_obey(tmp_path: Path) -> None:
    """Errors, plans, notes, and the output of their programs; a file gets that as it is."""
    terminal, hostile = Terminal(), "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e"
    console, said = terminal.console, "ü\t\x1b[31mred\r\n".encode()

    console.say(f"say {hostile}")
    console.show_error(OperationError(f"what {hostile}", why=hostile))
    console.show_plan(Plan(f"plan {hostile}", hosts={"w1": (hostile,)}))
    console.raw(said[:1], True)
    console.raw(said[1:], True)
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("r+", encoding="utf-8", newline="") as file:
        Console(out=file, err=file, environment={}).raw(said)

    shown = terminal.shown()
    assert "\\u001b]0;owned\\u0007" in shown
    assert not set(re.sub(r"\x1b\[[\d;]*m", "", shown)) & set("\x1b\x07\x9b\u202e")  # our own colours
    assert "ü\t\\u001b[31mred\\u000d" in shown
    assert (tmp_path / "file").read_bytes() == said


def test_json_holds_what_was_said_and_no_control() -> None:
    """DEL, C1 and what turns writing round are escaped as C0 is."""
    console, out, _ = a_console(output="json")

    console.data({"stdout": "\x7f\x9b\u202e\x1bé"}, "")

    assert json.loads(out.getvalue()) == {"stdout": "\x7f\x9b\u202e\x1bé"}
    assert all(char.isprintable() or char == "\n" for char in out.getvalue())


@pytest.mark.parametrize(
    ("answer", "expected"), [("y\n", True), ("yes\n", True), ("\n", False), ("no\n", False), ("\x04", False)]
)
def test_an_answer_on_a_terminal(answer: str, expected: bool) -> None:
    """Anything but y and yes is no."""
    assert Terminal(answer).console.ask("Go on?") is expected


@pytest.mark.parametrize(("answer", "expected"), [("demo\n", True), ("y\n", False), ("Demo\n", False)])
def test_a_word_on_a_terminal(answer: str, expected: bool) -> None:
    """What cannot be undone wants the very word."""
    assert Terminal(answer).console.ask_word("Destroy?", "demo") is expected


def test_the_live_view_leaves_the_summary() -> None:
    """It moves while it runs and ends with a line per host."""
    terminal = Terminal(COLUMNS="100", LINES="30")
    assert terminal.console.is_live

    play(terminal.console.reporter(), terminal.clock)
    shown = terminal.shown()

    assert "warning: w2: the clock is 2 seconds ahead" in shown
    words = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).split()
    assert " ".join(words).endswith(
        "HOST OK CHANGED FAILED SECONDS cp1 0 1 0 12.3 w1 1 0 1 12.3 w2 0 1 1 117.3 create demo: 1m52s"
    )
    assert "\x1b[?25h" in shown  # the cursor is back


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
def test_a_dumb_terminal_gets_lines(environment: dict[str, str]) -> None:
    """Without cursor movement there is nothing to draw with."""
    terminal = Terminal(**environment)

    play(terminal.console.reporter(), terminal.clock)

    assert not terminal.console.is_live
    assert "\x1b" not in terminal.shown()


def test_no_color_is_honoured() -> None:
    """https://no-color.org"""
    terminal = Terminal(NO_COLOR="1")

    terminal.console.show_error(KubeonError("no"))

    assert "\x1b[31m" not in terminal.shown()
    assert "31" not in terminal.shown()


def test_a_question_gets_a_quiet_terminal() -> None:
    """The live view stops before anything else is printed, and an end later is no second stop."""
    terminal = Terminal("y\n")
    reporter = terminal.console.reporter()
    reporter.begin("look", {"cp1": ["Connect"]})

    assert terminal.console.ask("Go on?")
    reporter.event(Event("cp1", "connect", "Connect", Status.OK, 1.0))
    reporter.end()

    assert "look: 1 host, nothing changed" in terminal.shown()


def test_data_goes_to_standard_output() -> None:
    """As text, or as JSON."""
    console, out, err = a_console()
    console.data({"a": 1}, "one\n")
    as_json, out_json, _ = a_console(output="json")
    as_json.data({"a": 1}, "one")

    assert (out.getvalue(), err.getvalue(), json.loads(out_json.getvalue())) == ("one\n", "", {"a": 1})
