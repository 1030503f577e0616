"""What was begun on a cluster and is not finished: what it is, what finishes it, and what may begin beside it.

Each kind has its own record (`kubeon/state`); whoever wants to know of any of them asks here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kubeon.errors import StateError
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import same_programs
from kubeon.state.cluster import ClusterState
from kubeon.state.history import RUNNING, PastOperation
from kubeon.state.restoring import attempt_path, read_attempt


class Kind(StrEnum):
    """What can be unfinished."""

    RENAME = "rename"  # some hosts bear the one name, some the other
    RESTORE = "restore"  # some members of etcd have old data, some have new
    ROTATION = "rotation"  # no certificate is issued beside that
    CREATION = "creation"  # nothing is committed yet
    UPGRADE = "upgrade"  # whatever installs files would put old ones over new ones
    SWITCH = "switch"  # nodes differ in how they reach the API
    NODES = "nodes"  # some are being added
    SETTINGS = "settings"  # the rest: what a description says anew


_BESIDE_MOST = {"preflight", "etcd-snapshot", "etcd-defrag", "etcd-restore", "rename", "adopt"}
_ENDS = {"destroy", "forget"}
MAY_BEGIN: Mapping[Kind, frozenset[str]] = {
    kind: frozenset(operations)
    for kind, operations in {
        Kind.RENAME: {"rename"},
        Kind.RESTORE: {"etcd-restore", "preflight", *_ENDS},
        # `certs renew` only in need, which it finds out itself: where no API answers, nothing else goes on
        Kind.ROTATION: {"certs-rotate-ca", "certs-renew", "del", *_BESIDE_MOST - {"preflight", "rename"}, *_ENDS},
        Kind.CREATION: {"create", *_BESIDE_MOST - {"rename"}, *_ENDS},
        # `create` with the same programs
        Kind.UPGRADE: {"upgrade", "create", "del", "certs-renew", *_BESIDE_MOST, *_ENDS},
        # `lb switch` there or back; `certs renew` as above
        Kind.SWITCH: {"lb-switch", "certs-renew", *_BESIDE_MOST, *_ENDS},
        Kind.NODES: {"create", "add", "del", "certs-renew", *_BESIDE_MOST, *_ENDS},
        Kind.SETTINGS: {"create", "add", "del", "upgrade", "certs-renew", *_BESIDE_MOST, *_ENDS},
    }.items()
}
"""The operations, in the journal's words, that may begin while something of this kind is unfinished; no other may."""

# Operations that leave hosts half-way when they are cut off, and that the same command ends, with no record but the
# journal's of what is left to do.
_ENDED_BY_THE_SAME = ("create", "add", "adopt", "del", "upgrade", "lb-switch", "certs-renew", "destroy")


@dataclass(frozen=True)
class Pending:
    """What is unfinished, and what to type."""

    kind: Kind
    what: str
    hint: str

    def refusal(self) -> StateError:
        """What is said to an operation that may not begin now."""
        return StateError(self.what, hint=self.hint)


def pending(state: ClusterState) -> list[Pending]:
    """All that is on record, the most pressing first. Raises StateError where the record is damaged."""
    return [found for read in _RECORDS.values() for found in read(state)]


def expect_may_begin(state: ClusterState, operation: str) -> None:
    """Raise StateError, with what finishes it, where something is unfinished that this operation may not be beside."""
    for kinds, read in _RECORDS.items():  # a damaged record is in the way only of what it is asked for
        if any(operation not in MAY_BEGIN[kind] for kind in kinds):
            for found in read(state):
                if operation not in MAY_BEGIN[found.kind]:
                    raise found.refusal()


def expect_none(state: ClusterState, *kinds: Kind) -> None:
    """Raise StateError where something of these kinds is unfinished."""
    for found in pending(state):
        if found.kind in kinds:
            raise found.refusal()


def committed(state: ClusterState) -> ClusterSpec:
    """The cluster's description. Raises StateError where what makes the cluster is not finished."""
    if stored := state.read_spec():
        return stored
    raise _creation(state).refusal()


def unfinished(state: ClusterState, past: Sequence[PastOperation] = ()) -> Pending | None:
    """What people are told of, in a line each: by the record, else by what was done, oldest first. It decides nothing.

    Raises StateError where the record is damaged.
    """
    if found := pending(state):
        return replace(found[0], hint=found[0].hint.partition("\n")[0])
    last = next((each for each in reversed(past) if each.operation in _ENDED_BY_THE_SAME), None)
    if last is None or not last.changed or last.result in ("ok", RUNNING):
        return None
    what = f"an operation is not finished: {last.operation} by {last.who}, {last.result}"
    return Pending(Kind.SETTINGS, what, f"finish it: the same command again; kubeon history {state.name} shows it")


def switch_command(name: str, spec: ClusterSpec) -> str:
    """The command that leads a cluster's nodes to the API as this description says."""
    address = spec.load_balancer.address
    return f"kubeon lb switch {name} --mode {spec.load_balancer.mode}{f' --lb-address {address}' if address else ''}"


def _rename(state: ClusterState) -> list[Pending]:
    if not state.renaming:
        return []
    old, new = state.renaming
    return [Pending(Kind.RENAME, f"renaming {old} to {new} is not finished", f"finish it: kubeon rename {old} {new}")]


def _restore(state: ClusterState) -> list[Pending]:
    attempt, name = read_attempt(state), state.name
    if attempt is None:
        return []
    what = f"a restore of etcd of cluster {name}, begun {attempt.begun}, is not finished"
    hint = (
        f"resume it: the same kubeon etcd snapshot restore again; kubeon history {name} shows it\n"
        f"or, if it is not wanted any more and no host has its data yet: remove {attempt_path(state)}"
    )
    return [Pending(Kind.RESTORE, what, hint)]


def _rotation(state: ClusterState) -> list[Pending]:
    if not state.rotation.read():
        return []
    what = f"the CAs of cluster {state.name} are being rotated"
    return [Pending(Kind.ROTATION, what, f"resume it: kubeon certs rotate-ca {state.name}")]


def _creation(state: ClusterState) -> Pending:
    makers = [entry.operation for entry in state.journal.entries() if entry.operation in ("create", "adopt")]
    again = "the same kubeon adopt again" if makers[-1:] == ["adopt"] else f"kubeon create {state.name}"
    return Pending(Kind.CREATION, f"cluster {state.name} is not finished", f"finish it: {again}")


def _described(state: ClusterState) -> list[Pending]:
    """What has proposed a description, by how it differs from the one that is committed: it may be several things."""
    stored, proposed, name = state.read_spec(), state.read_proposed(), state.name
    if stored is None:
        return [_creation(state)]
    if proposed is None:
        return []
    found: list[Pending] = []
    again = f"finish it: kubeon create {name}"
    if proposed != stored.with_nodes_of(proposed):  # settings, which `create` would not take over
        again = f"finish it: the same command again; kubeon history {name} shows it"
    adds = {node.address for node in proposed.nodes} != {node.address for node in stored.nodes}
    if adds:
        again += "; or take a node out: kubeon del"
    if not same_programs(stored, proposed):
        what = f"the upgrade of cluster {name} to {proposed.version} is not finished"
        resume = f"resume it: kubeon upgrade {name} {proposed.version}"
        found.append(Pending(Kind.UPGRADE, what, again if adds else resume))  # beside new nodes it is refused
    if stored.load_balancer != proposed.load_balancer:
        there, back = (switch_command(name, each) for each in (proposed, stored))
        what = f"the switch of cluster {name} to mode {proposed.load_balancer.mode} is not finished"
        found.append(Pending(Kind.SWITCH, what, f"resume it: {there}; or go back: {back}"))
    if adds:
        found.append(Pending(Kind.NODES, f"nodes are being added to cluster {name}, and that is not finished", again))
    told = ("version", "components", "load_balancer", *(("nodes",) if adds else ()))
    rest = proposed.model_copy(update={field: getattr(stored, field) for field in told})
    if rest != stored or not found:
        found.append(Pending(Kind.SETTINGS, f"the last operation on cluster {name} is not finished", again))
    return found


_RECORDS: Mapping[tuple[Kind, ...], Callable[[ClusterState], list[Pending]]] = {
    (Kind.RENAME,): _rename,
    (Kind.RESTORE,): _restore,
    (Kind.ROTATION,): _rotation,
    (Kind.CREATION, Kind.UPGRADE, Kind.SWITCH, Kind.NODES, Kind.SETTINGS): _described,
}
"""By what a record may hold: who reads it."""
