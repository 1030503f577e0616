"""What was begun on a cluster and has not come to its end; what goes on with it. For people: it decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from kubeon.errors import StateError
from kubeon.phases.resolve import expect_settled
from kubeon.state.cluster import ClusterState
from kubeon.state.history import RUNNING, PastOperation
from kubeon.state.restoring import check_not_restoring, read_attempt

# Operations that leave hosts half-way when they are cut off, and that the same command ends. Of the others the record
# says what is left of them (another rotation or restore would begin anew), or nothing is.
_ENDED_BY_THE_SAME = ("create", "add", "adopt", "del", "upgrade", "lb-switch", "certs-renew", "destroy")


@dataclass(frozen=True)
class Unfinished:
    """What it is, and what to type."""

    what: str
    hint: str


def unfinished(state: ClusterState, past: Sequence[PastOperation] = ()) -> Unfinished | None:
    """By the record, in the words in which other operations are refused meanwhile; else by what was done, oldest first.

    Raises StateError where the record is damaged.
    """
    state.read_known()
    state.rotation.read()
    read_attempt(state)
    try:
        state.check_not_renaming()
        check_not_restoring(state)
        state.check_not_rotating()
        expect_settled(state)
    except StateError as error:
        return Unfinished(error.what, error.hint.partition("\n")[0])
    last = next((each for each in reversed(past) if each.operation in _ENDED_BY_THE_SAME), None)
    if last is None or not last.changed or last.result in ("ok", RUNNING):
        return None
    what = f"an operation has not come to its end: {last.operation} by {last.who}, {last.result}"
    return Unfinished(what, f"the same command again finishes it; kubeon history {state.name} shows it")
