"""A restore of etcd that has begun and is not finished: what the same command needs to know to continue."""

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
    text = read_file(attempt_path(state))
    if text is None:
        return None
    try:
        found = json.loads(text)
        return Attempt(**{**found, "nodes": tuple(found["nodes"])})
    except (ValueError, TypeError, KeyError) as error:
        hint = "remove it, and the restore begins anew; data that was set aside on the hosts stays there"
        raise StateError(f"{attempt_path(state)} is damaged", why=str(error), hint=hint) from error


def write_attempt(state: ClusterState, attempt: Attempt) -> None:
    """Before the first host is touched."""
    write_file(attempt_path(state), json.dumps(asdict(attempt), indent=2).encode() + b"\n")


def forget_attempt(state: ClusterState) -> None:
    """It came to its end."""
    with explained(attempt_path(state)):
        attempt_path(state).unlink(missing_ok=True)


def attempt_path(state: ClusterState) -> Path:
    """Where it is written down."""
    return state.path / "restore.json"
