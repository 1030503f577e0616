"""etcd as all of its members are."""

import contextlib

from kubeon.cluster.context import Cluster
from kubeon.errors import OperationError
from kubeon.etcd.members import Member
from kubeon.waiting import wait_until

HEALTHY_WITHIN = 30  # seconds etcd may take to be whole again


def wait_for_health(ctx: Cluster) -> list[Member]:
    """Give etcd's members a while to answer, all of them; how they are then."""
    members: list[Member] = []

    def all_answer() -> bool:
        with contextlib.suppress(OperationError):  # in the middle of an election
            members[:] = ctx.etcd.members()
        return bool(members) and all(member.healthy for member in members)

    wait_until(all_answer, seconds=HEALTHY_WITHIN, pause=0.5, longest=2.0)
    return members or ctx.etcd.members()
