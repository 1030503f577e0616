"""`cp`: files and folders to hosts and from hosts, on many at once. Like `exec` it only logs in and takes no lock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubeon.cluster.look import target_of
from kubeon.cluster.options import AGAIN, UPLOADS, Options
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.engine.runner import Runner
from kubeon.errors import Interrupted
from kubeon.remote.download import download
from kubeon.remote.execute import Reached, connect
from kubeon.remote.journal import noted
from kubeon.remote.transfer import CopyAnswer, Copying, Place
from kubeon.remote.upload import upload
from kubeon.spec.selectors import select
from kubeon.state.home import Home
from kubeon.transport.base import Followed
from kubeon.transport.login import Target
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class CopyResult:
    """What `cp` came to, host by host."""

    cluster: str
    answers: tuple[CopyAnswer, ...]
    seconds: float


def copy(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    *,
    sources: Sequence[Place],
    dest: Place,
    sudo: bool = False,
    interrupt: Interrupt | None = None,
    make: Callable[[Target, bool], Followed] = connect,
) -> CopyResult:
    """Copy to the hosts that `dest` selects, or from those that `sources` select. A host that fails stops no other."""
    began = SYSTEM_CLOCK.monotonic()
    spec, state = home.known(name), home.cluster(name)
    state.check_known_hosts()
    interrupt = interrupt or Interrupt()
    selector = dest.selector or sources[0].selector
    hosts = [
        Reached(node.name or str(node.address), node, make(target_of(spec, node, state, options.secrets), sudo))
        for node in select(spec, [selector])
    ]
    paths = [source.path for source in sources]
    phases = upload(paths, dest.path) if dest.selector else download(paths, dest.path, [host.name for host in hosts])
    with noted(state, "cp", options, reporter) as note:
        ctx = Copying(note.reporter, interrupt, answers={h.name: CopyAnswer(h.name, h.address) for h in hosts})
        try:
            outcome = Runner(
                phases,
                hosts,
                ctx,
                reporter=ctx.reporter,
                interrupt=interrupt,
                parallel=options.parallel,
                limits={UPLOADS: options.uploads},
            ).run(f"Copying {'to' if dest.selector else 'from'} {name}")
        finally:
            for host in hosts:
                host.connection.close()
        if outcome.interrupted:
            raise Interrupted("interrupted; each file is there whole, or as it was", hint=AGAIN)
        outcome.raise_if_failed(AGAIN)
    return CopyResult(name, tuple(ctx.answers.values()), since(began))
