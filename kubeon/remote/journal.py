"""The journal of operations that hold no lock and keep no log: `exec` and `cp`, which may run beside all others."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kubeon.cluster.options import Options
from kubeon.engine.events import Reporter
from kubeon.engine.reporters import JournalReporter, Tee
from kubeon.errors import Interrupted
from kubeon.state.cluster import ClusterState
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass
class Noted:
    """One such operation under way; `status` and `error` are how it ends, unless an exception tells."""

    reporter: Reporter  # also writes down what becomes of each host
    status: str = "ok"
    error: str = ""


@contextmanager
def noted(state: ClusterState, operation: str, options: Options, reporter: Reporter) -> Iterator[Noted]:
    """Write into the journal that it begins, what each host comes to, and how it ends."""
    hide, now, began = options.secrets.hide, SYSTEM_CLOCK.now(), SYSTEM_CLOCK.monotonic()
    run = f"{now:%Y%m%dT%H%M%SZ}-{operation}-{secrets.token_hex(3)}"
    found = Noted(Tee(reporter, JournalReporter(state.journal, operation, run=run, hide=hide)))
    try:
        with state.running(run, operation, now):
            state.journal.append(operation, "begun", now, run=run, words=map(hide, options.words))
            yield found
    except BaseException as error:
        found.status = "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"
        found.error = found.error or str(error)
        raise
    finally:
        now = SYSTEM_CLOCK.now()
        if state.path.exists():  # it may have been destroyed or renamed meanwhile
            error_text = hide(found.error)
            state.journal.append(operation, found.status, now, seconds=since(began), error=error_text, run=run)
