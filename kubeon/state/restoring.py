"""A restore of etcd that has begun and not come to its end: what the same command needs to know to continue."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from kubeon.errors import StateError
from kubeon.state.cluster import ClusterState
from kubeon.state.files import explained, read_file, write_file


@dataclass(frozen=True)
class Attempt:
    """`id` is new with every restore, so that members of two restores never take each other for one cluster's."""

    id: str
    source: str  # SHA-256 of the snapshot that was given, or "member NAME"
    nodes: tuple[str, ...]  # addresses of the control planes that take part, in order
    file: str  # the snapshot; "" until the one of a member is saved
    begun: str  # 20260131T120000Z, also in the name of the folder with the old data


def read_attempt(state: ClusterState) -> Attempt | None:
    """The one that has begun. Raises StateError for a file that cannot be read."""
    text = read_file(_path(state))
    if text is None:
        return None
    try:
        found = json.loads(text)
        return Attempt(**{**found, "nodes": tuple(found["nodes"])})
    except (ValueError, TypeError, KeyError) as error:
        hint = "remove it, and the restore begins anew; data that was set aside on the hosts stays there"
        raise StateError(f"{_path(state)} is damaged", why=str(error), hint=hint) from error


def write_attempt(state: ClusterState, attempt: Attempt) -> None:
    """Before the first host is touched."""
    write_file(_path(state), json.dumps(asdict(attempt), indent=2).encode() + b"\n")


def forget_attempt(state: ClusterState) -> None:
    """It came to its end."""
    with explained(_path(state)):
        _path(state).unlink(missing_ok=True)


def check_not_restoring(state: ClusterState) -> None:
    """Raise StateError while a restore has not come to its end: some members of etcd have old data, some have new."""
    if attempt := read_attempt(state):
        what = attempt.source if attempt.source.startswith("member ") else "the same snapshot"
        raise StateError(
            f"a restore of etcd of cluster {state.name}, begun {attempt.begun}, has not come to its end",
            hint=f"kubeon etcd snapshot restore {state.name} goes on with it, out of {what}\n"
            f"or, if it is not wanted any more and no host has its data yet: remove {_path(state)}",
        )


def _path(state: ClusterState) -> Path:
    return state.path / "restore.json"
