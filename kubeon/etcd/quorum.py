"""etcd's arithmetic: how many voters there are, how many must answer, and what removing some of them would leave.

A cluster of n voters decides while n // 2 + 1 of them answer (https://etcd.io/docs/latest/faq/, "failure tolerance").
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kubeon.etcd.members import Member


@dataclass(frozen=True)
class Quorum:
    """Voters, and those of them that answer. Learners do not count."""

    voters: int
    healthy: int

    @property
    def needed(self) -> int:
        """How many have to answer."""
        return self.voters // 2 + 1

    @property
    def tolerates(self) -> int:
        """How many more may fail; negative when too many have failed already."""
        return self.healthy - self.needed

    def __str__(self) -> str:
        answering = "all answer" if self.healthy == self.voters else f"{self.healthy} answer"
        spare = f"{self.tolerates} may fail" if self.tolerates > 0 else "none may fail"
        if self.tolerates < 0:
            spare = "quorum is lost"
        return f"{self.voters} voter{'' if self.voters == 1 else 's'}, {answering}, {self.needed} needed: {spare}"


def quorum_of(members: Sequence[Member]) -> Quorum:
    """As it is now."""
    voters = [member for member in members if not member.learner]
    return Quorum(len(voters), sum(member.healthy for member in voters))


def without(members: Sequence[Member], leaving: Collection[int]) -> list[Member]:
    """The members that stay; `leaving` are member IDs."""
    return [member for member in members if member.id not in leaving]


def removal_order(members: Sequence[Member], leaving: Collection[int]) -> list[Member]:
    """Those that leave, dead ones first: each of them that goes brings the rest nearer to health."""
    return sorted((member for member in members if member.id in leaving), key=lambda member: member.healthy)


def removal_problem(members: Sequence[Member], leaving: Collection[int]) -> str:
    """Why these members cannot be removed one after the other; "" when they can.

    Each removal is a decision of the voters there are, and must leave enough that answer to go on.
    """
    left = list(members)
    now = quorum_of(left)
    if now.tolerates < 0:
        return f"etcd has lost its quorum ({now}) and cannot change its members"
    for member in removal_order(members, leaving):
        left = without(left, {member.id})
        after = quorum_of(left)
        if not after.voters:
            return f"{member.title} is the last member of etcd"
        if after.tolerates < 0:
            return (
                f"without {member.title} etcd would have {after.voters} voters of which {after.healthy} "
                f"answer{'s' if after.healthy == 1 else ''}, and {after.needed} are needed (now: {now})"
            )
    return ""


def addition_problem(members: Sequence[Member]) -> str:
    """Why no voter may be added now; "" when one may.

    A new voter counts from the moment it is added and answers only seconds later. Growing from one to two cannot be had
    otherwise; with more, those that are there must be enough without it.
    """
    now = quorum_of(members)
    then = Quorum(now.voters + 1, now.healthy)
    if now.voters > 1 and then.tolerates < 0:
        silent = ", ".join(member.title for member in members if not member.healthy)
        return (
            f"with one more etcd has {then.voters} voters and needs {then.needed}, but {silent} does not answer ({now})"
        )
    return ""
