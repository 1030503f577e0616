"""Lanes, not barriers: every host walks down the list of phases by itself and waits only where a phase says so."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

from kubeon.engine.events import Event, Reporter, Status
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.phase import C, H, Phase
from kubeon.errors import BlockedError, HostErrors, Interrupted, KubeonError
from kubeon.waiting import SYSTEM_CLOCK, Clock

_OVER = {Status.OK, Status.CHANGED, Status.FAILED, Status.BLOCKED}
_WELL = {Status.OK, Status.CHANGED}


@dataclass
class Outcome:
    """What came of a run: per host the phases that changed something, and the error that took it out."""

    changes: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    errors: dict[str, KubeonError] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)  # host: what it waited for in vain
    interrupted: bool = False  # by the user
    halted: bool = False  # by a phase: on purpose, or since it failed
    cut_off: bool = False  # by a second Ctrl-C: not even what ran has come to its end
    hosts: int = 0

    @property
    def changed(self) -> bool:
        """Was anything changed anywhere?"""
        return any(phases for phases in self.changes.values())

    def raise_if_failed(self, hint: str) -> None:
        """Raise the one error, HostErrors when there are several, Interrupted after Ctrl-C."""
        if self.cut_off:
            raise Interrupted("interrupted: running steps were cut off, the rest was not started", hint=hint)
        if self.interrupted:
            why = "\n".join(str(error) for error in self.errors.values())  # of before, or of what was finished
            hint = "\n".join(dict.fromkeys((*(error.hint for error in self.errors.values() if error.hint), hint)))
            raise Interrupted("interrupted: running steps were finished, the rest was not started", why=why, hint=hint)
        if len(self.errors) == 1 and not self.blocked:
            error = next(iter(self.errors.values()))
            error.hint = error.hint or hint
            raise error
        if self.errors:
            errors = self.errors | {host: BlockedError(f"stopped before {what}") for host, what in self.blocked.items()}
            raise HostErrors(errors, done=self.hosts - len(errors), hint=hint)


class Runner(Generic[C, H]):
    """Runs phases on hosts. One thread a host; `parallel` bounds how many work at the same time."""

    def __init__(
        self,
        phases: Sequence[Phase[C, H]],
        hosts: Sequence[H],
        ctx: C,
        *,
        reporter: Reporter,
        interrupt: Interrupt,
        parallel: int = 30,
        limits: dict[str, int] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.phases, self.hosts, self.ctx = phases, hosts, ctx
        self.reporter, self.interrupt, self.clock = reporter, interrupt, clock
        self._mine = {host.name: [phase for phase in phases if phase.takes_part(ctx, host)] for host in hosts}
        self._status: dict[tuple[str, str], Status] = {}
        self._outcome = Outcome(hosts=len(hosts))
        self._bug: BaseException | None = None
        self._part = {phase.name: [host for host in hosts if phase in self._mine[host.name]] for phase in phases}
        self._lock = threading.Lock()  # of status and outcome
        # of each phase one, so that 300 lanes do not wake up for each step of each host
        self._turns = {phase.name: threading.Condition(self._lock) for phase in phases}
        self._report = threading.Lock()
        self._busy = threading.Semaphore(parallel)
        limits = {phase.name: phase.at_once for phase in phases if phase.at_once} | (limits or {})
        self._limits = {name: threading.Semaphore(count) for name, count in limits.items()}

    def run(self, title: str, *, cut: Callable[[], None] = lambda: None) -> Outcome:
        """Walk all lanes to their end. `cut` is called once when the user wants to stop at once: close connections."""
        self.reporter.begin(title, {name: [phase.title for phase in mine] for name, mine in self._mine.items()})
        lanes = [threading.Thread(target=self._lane, args=(host,), name=host.name, daemon=True) for host in self.hosts]
        for lane in lanes:
            lane.start()
        was_cut = False
        for lane in lanes:
            while lane.is_alive():
                lane.join(0.2)  # short, so that a signal handler of the main thread gets its turn
                if self.interrupt.requested:
                    self._wake()
                if self.interrupt.now and not was_cut:
                    was_cut = True
                    cut()
        self.reporter.end()
        if self._bug is not None:
            raise self._bug
        self._outcome.interrupted, self._outcome.cut_off = self.interrupt.requested, was_cut
        return self._outcome

    def _lane(self, host: H) -> None:
        mine = self._mine[host.name]
        for index, phase in enumerate(mine):
            try:
                going_on = self._wait_for_needs(phase, host) and self._step(phase, host)
            except BaseException as error:  # a bug must not leave the other lanes waiting for ever
                self._bug = self._bug or error
                with self._lock:
                    self._halt()
                going_on = False
            if not going_on:
                with self._lock:
                    for left in mine[index:]:
                        self._status.setdefault((left.name, host.name), Status.BLOCKED)
                        self._turns[left.name].notify_all()
                return

    def _wait_for_needs(self, phase: Phase[C, H], host: H) -> bool:
        with self._lock:
            first = [each.name for each in self._part[phase.name] if phase.goes_first(self.ctx, each)]
            if host.name not in first:
                self._wait_for(phase.name, first)
            for need in phase.needs:
                concerned = [each.name for each in self._part.get(need.name, ())]
                self._wait_for(need.name, concerned)
                if self._is_stopping:
                    return False
                if concerned and not any(self._status[need.name, each] in _WELL for each in concerned):
                    if host.name not in self._outcome.errors:
                        self._outcome.blocked[host.name] = phase.title
                        self._tell(Event(host.name, phase.name, phase.title, Status.BLOCKED, error=need.title))
                    return False
        return not self._is_stopping

    def _wait_for(self, phase: str, hosts: Sequence[str]) -> None:
        """Until it is over on these hosts. The lock is held."""
        left = list(hosts)
        while left := [host for host in left if self._status.get((phase, host)) not in _OVER]:
            if self._is_stopping:
                return
            self._turns[phase].wait()

    def _step(self, phase: Phase[C, H], host: H) -> bool:
        limit = self._limits.get(phase.limit or phase.name)
        if limit:
            limit.acquire()
        try:
            with self._busy:
                if self._is_stopping:
                    return False
                return self._run(phase, host)
        finally:
            if limit:
                limit.release()

    def _run(self, phase: Phase[C, H], host: H) -> bool:
        self._tell(Event(host.name, phase.name, phase.title, Status.STARTED))
        began = self.clock.monotonic()
        changes: tuple[str, ...] = ()
        error: KubeonError | None = None
        try:
            changes = tuple(phase.run_on(self.ctx, host))
        except KubeonError as caught:
            error = caught
            error.host = error.host or host.name
        halts = phase.halts_on_failure if error else phase.halts_after(self.ctx, host)
        status = Status.FAILED if error else Status.CHANGED if changes else Status.OK
        seconds = self.clock.monotonic() - began
        self._tell(Event(host.name, phase.name, phase.title, status, seconds, changes, str(error or "")))
        with self._lock:
            self._status[phase.name, host.name] = status
            if error:
                self._outcome.errors[host.name] = error
            elif changes:
                self._outcome.changes.setdefault(host.name, {})[phase.name] = changes
            self._turns[phase.name].notify_all()
            if halts:
                self._halt()
        return error is None

    @property
    def _is_stopping(self) -> bool:
        """Does nothing begin any more?"""
        return self.interrupt.requested or self._outcome.halted

    def _halt(self) -> None:
        """The lock is held."""
        self._outcome.halted = True
        self._notify()

    def _notify(self) -> None:
        for turn in self._turns.values():
            turn.notify_all()

    def _tell(self, event: Event) -> None:
        with self._report:
            self.reporter.event(event)

    def _wake(self) -> None:
        with self._lock:
            self._notify()
