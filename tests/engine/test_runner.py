"""Lanes: order, needs, limits, failures and Ctrl-C."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from kubeon.engine.events import Event, Status
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.phase import Phase
from kubeon.engine.runner import Outcome, Runner
from kubeon.errors import HostError, HostErrors, Interrupted


@dataclass(frozen=True)
class Machine:
    """A host, as far as the engine cares."""

    name: str


class Watcher:
    """Remembers all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notes: list[tuple[str, str]] = []  # text, host
        self.warnings: list[tuple[str, str]] = []

    def begin(self, title: str, hosts: dict[str, list[str]]) -> None:
        """See Reporter."""

    def event(self, event: Event) -> None:
        """See Reporter."""
        self.events.append(event)

    def note(self, text: str, *, host: str = "") -> None:
        """See Reporter."""
        self.notes.append((text, host))

    def warn(self, text: str, *, host: str = "") -> None:
        """See Reporter."""
        self.warnings.append((text, host))

    def end(self) -> None:
        """See Reporter."""

    def ended(self) -> list[tuple[str, str, Status]]:
        """What ended, in order."""
        return [(one.host, one.phase, one.status) for one in self.events if one.status is not Status.STARTED]


Work = Callable[[str], Sequence[str]]
Step = Phase[Work, Machine]


class Prepare(Step):
    """Every host."""

    name, title = "prepare", "Prepare"

    def run_on(self, ctx: Work, host: Machine) -> Sequence[str]:
        """Do the test's work."""
        return ctx(f"prepare {host.name}")


class Init(Step):
    """Only the first host."""

    name, title = "init", "Init"

    def concerns(self, ctx: Work, host: Machine) -> bool:
        """Host a."""
        return host.name == "a"

    def run_on(self, ctx: Work, host: Machine) -> Sequence[str]:
        """Do the test's work."""
        return ctx(f"init {host.name}")


class Join(Step):
    """The others, one at a time, after init."""

    name, title, needs, at_once = "join", "Join", (Init,), 1

    def concerns(self, ctx: Work, host: Machine) -> bool:
        """All but a."""
        return host.name != "a"

    def run_on(self, ctx: Work, host: Machine) -> Sequence[str]:
        """Do the test's work."""
        return ctx(f"join {host.name}")


class Verify(Step):
    """Only the first host, after all."""

    name, title, needs = "verify", "Verify", (Init, Join)

    def concerns(self, ctx: Work, host: Machine) -> bool:
        """Host a."""
        return host.name == "a"

    def run_on(self, ctx: Work, host: Machine) -> Sequence[str]:
        """Do the test's work."""
        return ctx(f"verify {host.name}")


PHASES = (Prepare(), Init(), Join(), Verify())


def run(work: Work, *, interrupt: Interrupt | None = None, parallel: int = 30) -> tuple[Outcome, Watcher]:
    """Run the four phases on three hosts."""
    watcher = Watcher()
    runner = Runner(
        PHASES,
        [Machine("a"), Machine("b"), Machine("c")],
        work,
        reporter=watcher,
        interrupt=interrupt or Interrupt(),
        parallel=parallel,
    )
    return runner.run("test"), watcher


def test_a_host_does_not_wait_for_the_others() -> None:
    """b is prepared while a still initialises, and joins only afterwards."""
    prepared = threading.Event()
    order: list[str] = []

    def work(what: str) -> Sequence[str]:
        if what == "init a":
            assert prepared.wait(5)
        order.append(what)
        if what == "prepare c":
            prepared.set()
        return ()

    outcome, _ = run(work)

    assert not outcome.errors
    assert order.index("prepare c") < order.index("init a") < order.index("join b")
    assert order[-1] == "verify a"


@pytest.mark.parametrize("parallel", [1, 2, 30])
def test_a_small_limit_does_not_lock_up(parallel: int) -> None:
    """A lane that waits for another takes no place from it."""
    outcome, watcher = run(lambda what: [what], parallel=parallel)

    assert len(watcher.ended()) == 7
    assert outcome.changes["a"]["verify"] == ("verify a",)


def test_only_so_many_at_once() -> None:
    """`at_once` bounds a phase."""
    busy: list[str] = []
    most = 0

    def work(what: str) -> Sequence[str]:
        nonlocal most
        if what.startswith("join"):
            busy.append(what)
            most = max(most, len(busy))
            threading.Event().wait(0.05)
            busy.remove(what)
        return ()

    run(work)

    assert most == 1


def test_a_host_of_the_critical_path_goes_first() -> None:
    """Nobody begins the phase before the host that goes first is through, well or not."""

    class Upload(Prepare):
        """b first."""

        def goes_first(self, ctx: Work, host: Machine) -> bool:
            """b."""
            return host.name == "b"

    for outcome_of_b in (None, HostError("no room")):
        order: list[str] = []

        def work(what: str, order: list[str] = order, error: HostError | None = outcome_of_b) -> Sequence[str]:
            order.append(what)
            if what.endswith("b") and error:
                raise error
            return ()

        machines = [Machine("a"), Machine("b"), Machine("c")]
        Runner([Upload()], machines, work, reporter=Watcher(), interrupt=Interrupt()).run("test")

        assert order[0] == "prepare b"
        assert len(order) == 3


def test_a_failing_host_does_not_stop_its_neighbours() -> None:
    """One worker fails, the other joins and the cluster is verified; the error names the one."""

    def work(what: str) -> Sequence[str]:
        if what == "prepare b":
            raise HostError("no room")
        return ()

    outcome, watcher = run(work)

    assert ("c", "join", Status.OK) in watcher.ended()
    assert ("a", "verify", Status.OK) in watcher.ended()
    with pytest.raises(HostError, match="b: no room"):
        outcome.raise_if_failed("again")


def test_what_needs_a_failed_phase_is_blocked() -> None:
    """Without init nobody joins, and every host is named."""

    def work(what: str) -> Sequence[str]:
        if what == "init a":
            raise HostError("etcd did not start")
        return ()

    outcome, watcher = run(work)

    assert ("b", "join", Status.BLOCKED) in watcher.ended()
    with pytest.raises(HostErrors) as caught:
        outcome.raise_if_failed("again")
    assert set(caught.value.errors) == {"a", "b", "c"}


def test_a_bug_stays_a_bug() -> None:
    """Anything but a KubeonError ends the run and escapes as it is."""

    def work(what: str) -> Sequence[str]:
        if what == "prepare b":
            msg = "a bug"
            raise ZeroDivisionError(msg)
        return ()

    with pytest.raises(ZeroDivisionError):
        run(work)


def test_ctrl_c_finishes_what_runs_and_starts_nothing_new() -> None:
    """After the first Ctrl-C no phase begins."""
    interrupt = Interrupt()

    failing = threading.Event()

    def work(what: str) -> Sequence[str]:
        if what == "prepare c":
            failing.set()
            raise HostError("the disk is full")
        if what == "init a":
            assert failing.wait(5)
            interrupt.request()
        return ()

    outcome, watcher = run(work, interrupt=interrupt)

    assert ("a", "init", Status.OK) in watcher.ended()
    assert not [one for one in watcher.ended() if one[1] in {"join", "verify"}]
    with pytest.raises(Interrupted, match="running steps were finished") as interrupted:
        outcome.raise_if_failed("again")
    assert interrupted.value.why == "c: the disk is full"


class Careful(Join):
    """One at a time; where it fails, or after c, nothing begins any more."""

    halts_on_failure, at_once = True, 1

    def halts_after(self, ctx: Work, host: Machine) -> bool:
        """After c."""
        return host.name == "c"

    def goes_first(self, ctx: Work, host: Machine) -> bool:
        """Host c."""
        return host.name == "c"


def halted(work: Work) -> tuple[Outcome, Watcher]:
    """Prepare, initialise, and then with care."""
    watcher, hosts = Watcher(), [Machine(name) for name in "abcd"]
    runner = Runner((Prepare(), Init(), Careful()), hosts, work, reporter=watcher, interrupt=Interrupt())
    return runner.run("test"), watcher


def test_a_phase_that_wants_to_pause_halts_all() -> None:
    """It went well, and nobody was interrupted; the others are left as they are."""
    outcome, watcher = halted(lambda what: ())

    assert [host for host, phase, _ in watcher.ended() if phase == "join"] == ["c"]
    assert (outcome.halted, outcome.interrupted, outcome.errors) == (True, False, {})
    outcome.raise_if_failed("again")


def test_a_failure_in_a_careful_phase_halts_all() -> None:
    """What is told is the failure, not an interruption."""

    def work(what: str) -> Sequence[str]:
        if what == "join c":
            raise HostError("the disk is full")
        return ()

    outcome, watcher = halted(work)

    assert [host for host, phase, _ in watcher.ended() if phase == "join"] == ["c"]
    assert outcome.halted
    with pytest.raises(HostError, match="the disk is full"):
        outcome.raise_if_failed("again")


def test_a_second_ctrl_c_cuts_what_runs() -> None:
    """After the second one connections are closed, and what they did fails."""
    interrupt = Interrupt()
    cut = threading.Event()

    def work(what: str) -> Sequence[str]:
        if what == "prepare a":
            interrupt.request()
            interrupt.request()
            assert cut.wait(5)
            raise HostError("the connection was lost")
        return ()

    runner = Runner(PHASES, [Machine("a")], work, reporter=Watcher(), interrupt=interrupt)
    outcome = runner.run("test", cut=cut.set)

    with pytest.raises(Interrupted, match="running steps were cut off"):
        outcome.raise_if_failed("again")
