"""What a member of etcd says of itself: `etcdctl endpoint status`, which it answers without asking the others."""

import json
import re
from dataclasses import dataclass
from typing import Any

_ALARM = re.compile(r"^memberID:(\d+) alarm:(\w+)")


@dataclass(frozen=True)
class MemberStatus:
    """Sizes are in bytes; `leader` is 0 while there is none; `errors` are etcd's own words, without the alarms."""

    id: int
    version: str
    db_size: int
    in_use: int  # of db_size; the rest is what defragmenting gives back
    leader: int
    term: int
    index: int  # the last entry of the raft log that it has
    applied: int  # the last one that is in its data
    revision: int
    learner: bool = False
    errors: tuple[str, ...] = ()
    alarms: tuple[tuple[int, str], ...] = ()  # (member ID, NOSPACE or CORRUPT): all that this member knows of


def parse_statuses(output: str) -> list[MemberStatus]:
    """Of `endpoint status -w json`; warnings of etcdctl's client may stand before it."""
    lines = [line for line in output.splitlines() if line.startswith("[{")]
    return [_status(each["Status"]) for line in lines for each in json.loads(line) if each.get("Status")]


def _status(found: dict[str, Any]) -> MemberStatus:
    errors = [str(error) for error in found.get("errors") or ()]
    alarms = [match for error in errors if (match := _ALARM.match(error))]
    return MemberStatus(
        id=int(found["header"]["member_id"]),
        version=str(found.get("version", "")),
        db_size=int(found.get("dbSize", 0)),
        in_use=int(found.get("dbSizeInUse", 0)),
        leader=int(found.get("leader", 0)),
        term=int(found.get("raftTerm", 0)),
        index=int(found.get("raftIndex", 0)),
        applied=int(found.get("raftAppliedIndex", 0)),
        revision=int(found["header"].get("revision", 0)),
        learner=bool(found.get("isLearner", False)),
        errors=tuple(error for error in errors if not _ALARM.match(error)),
        alarms=tuple((int(match[1]), match[2]) for match in alarms),
    )
