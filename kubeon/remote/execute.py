"""`exec`: a command on many hosts at once. It needs no Kubernetes, only logins, and takes no lock."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Protocol

from kubeon.cluster.look import target_of
from kubeon.cluster.options import Options
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.phase import Phase
from kubeon.engine.reporters import Silence
from kubeon.engine.runner import Runner
from kubeon.errors import CommandError, KubeonError
from kubeon.hosts.command import command_script
from kubeon.remote.journal import noted
from kubeon.spec.model import NodeSpec
from kubeon.spec.selectors import select
from kubeon.state.home import Home
from kubeon.transport.base import Ended, Followed
from kubeon.transport.login import Target
from kubeon.transport.ssh import SSH
from kubeon.waiting import SYSTEM_CLOCK, since

BLOCK = 1 << 20


class Sink(Protocol):
    """Where output goes. Called from many threads at once, for one host by one."""

    def output(self, host: str, data: bytes, is_error: bool) -> None:
        """Some bytes of a host's standard output, or of its standard error. Raises KubeonError to end the command."""

    def ended(self, host: str, how: str) -> None:
        """A host's output is complete; `how` says what went wrong, "" when nothing did."""


class Input:
    """What every host's command reads from standard input, kept in a temporary file: it is read once, sent often."""

    def __init__(self, source: BinaryIO | None = None) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
        self.size = 0
        while source is not None and (block := source.read(BLOCK)):
            self.size += self._file.write(block)
        self._file.flush()

    def blocks(self) -> Iterator[bytes]:
        """All of it; several threads may read at once."""
        offset = 0
        while block := os.pread(self._file.fileno(), BLOCK, offset):
            yield block
            offset += len(block)


@dataclass(frozen=True)
class Command:
    """What is to be run: `words` as in hosts.command, its input, seconds it may take, and as whom."""

    words: tuple[str, ...]
    given: Input
    timeout: float | None = None
    sudo: bool = False


@dataclass(frozen=True)
class HostAnswer:
    """How the command ended on one host. Without an exit code `error` says why there is none."""

    name: str
    address: str
    exit_code: int | None = None
    error: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Did it end well?"""
        return self.exit_code == 0 and not self.error

    @property
    def how(self) -> str:
        """What went wrong, in a few words."""
        return self.error or (f"exit code {self.exit_code}" if self.exit_code else "")


@dataclass(frozen=True)
class ExecResult:
    """What `exec` came to: an answer for every host that was meant."""

    cluster: str
    words: tuple[str, ...]
    answers: tuple[HostAnswer, ...]
    seconds: float
    interrupted: bool = False

    @property
    def failed(self) -> tuple[HostAnswer, ...]:
        """Those that did not end well."""
        return tuple(answer for answer in self.answers if not answer.ok)


@dataclass(frozen=True)
class Reached:
    """A host that is only logged in to."""

    name: str
    node: NodeSpec
    connection: Followed

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.node.address)


def connect(target: Target, root: bool) -> Followed:
    """A connection that logs in when it is first used."""
    return SSH(target, root=root)


def execute(
    name: str,
    options: Options,
    home: Home,
    sink: Sink,
    *,
    selectors: Sequence[str],
    command: Command,
    interrupt: Interrupt | None = None,
    make: Callable[[Target, bool], Followed] = connect,
) -> ExecResult:
    """Run a command on the hosts that are meant. What goes wrong on a host is its answer; others go on."""
    began = SYSTEM_CLOCK.monotonic()
    spec, state = home.known(name), home.cluster(name)
    state.check_known_hosts()
    interrupt = interrupt or Interrupt()
    hosts = [
        Reached(node.name or str(node.address), node, make(target_of(spec, node, state, options.secrets), command.sudo))
        for node in select(spec, selectors)
    ]
    run = _Run(command, sink, interrupt)
    with noted(state, "exec", options, Silence()) as note:
        phases, parallel = (_RunCommand(),), options.parallel
        Runner(phases, hosts, run, reporter=note.reporter, interrupt=interrupt, parallel=parallel).run("exec")
        for host in hosts:
            run.answers.setdefault(host.name, HostAnswer(host.name, host.address, error="interrupted before it began"))
        answers = tuple(run.answers[host.name] for host in hosts)
        result = ExecResult(name, command.words, answers, since(began), interrupt.requested)
        if result.failed:
            note.status, note.error = "failed", f"{len(result.failed)} of {len(hosts)} hosts failed"
        if result.interrupted:
            note.status = "interrupted"
    return result


class _Run:
    """What all hosts of one `exec` share."""

    def __init__(self, command: Command, sink: Sink, interrupt: Interrupt) -> None:
        self.command, self.sink, self.interrupt = command, sink, interrupt
        self.script = command_script(command.words, size=command.given.size)
        self.answers: dict[str, HostAnswer] = {}


class _RunCommand(Phase[_Run, Reached]):
    name = "run-command"
    title = "Run the command"

    def run_on(self, ctx: _Run, host: Reached) -> Sequence[str]:
        began = SYSTEM_CLOCK.monotonic()
        answer = HostAnswer(host.name, host.address)
        try:
            answer = _answer(answer, self._follow(ctx, host), ctx.command)
        except KubeonError as error:
            why = f": {first}" if (first := error.why.partition("\n")[0]) else ""
            answer = replace(answer, error=f"{error.what}{why}")
        finally:
            host.connection.close()
        answer = replace(answer, seconds=since(began))
        ctx.answers[host.name] = answer
        ctx.sink.ended(host.name, answer.how)
        if not answer.ok:  # for the journal; the others go on
            raise CommandError(answer.how, command_exit_code=answer.exit_code or 0)
        return ()

    def _follow(self, ctx: _Run, host: Reached) -> Ended:
        return host.connection.follow(
            ctx.script,
            on_output=lambda data, is_error: ctx.sink.output(host.name, data, is_error),
            stdin=ctx.command.given.blocks(),
            lifeline=True,
            own=True,
            timeout=ctx.command.timeout,
            stop=lambda: ctx.interrupt.requested,
        )


def _answer(answer: HostAnswer, ended: Ended, command: Command) -> HostAnswer:
    left = "" if ended.exit_code is not None else "; it may still run there"
    if ended.timed_out:
        return replace(answer, error=f"timed out after {command.timeout:g} s{left}")
    if ended.stopped:
        return replace(answer, error=f"interrupted{left}")
    return replace(answer, exit_code=ended.exit_code)
