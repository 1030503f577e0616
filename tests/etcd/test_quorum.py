"""etcd's arithmetic, in healthy and in degraded clusters."""

from collections.abc import Sequence

import pytest

from kubeon.etcd.members import Member, member_at
from kubeon.etcd.quorum import Quorum, addition_problem, quorum_of, removal_order, removal_problem


def members(health: str) -> list[Member]:
    """One for each letter: h answers, d does not, l is a learner."""
    return [
        Member(
            number,
            f"cp{number}",
            (f"https://10.0.0.{number}:2380",),
            (f"https://10.0.0.{number}:2379",),
            learner=letter == "l",
            healthy=letter != "d",
        )
        for number, letter in enumerate(health, 1)
    ]


@pytest.mark.parametrize(
    ("voters", "healthy", "needed", "tolerates"),
    [(1, 1, 1, 0), (2, 2, 2, 0), (3, 3, 2, 1), (3, 2, 2, 0), (3, 1, 2, -1), (4, 4, 3, 1), (5, 5, 3, 2), (5, 3, 3, 0)],
)
def test_quorum(voters: int, healthy: int, needed: int, tolerates: int) -> None:
    """Of etcd's own table of fault tolerance."""
    quorum = Quorum(voters, healthy)
    assert (quorum.needed, quorum.tolerates) == (needed, tolerates)


@pytest.mark.parametrize(
    ("health", "leaving", "words"),
    [
        ("hhh", [1], ""),
        ("hhh", [1, 2], ""),  # one after the other: 3 -> 2 -> 1
        ("hhh", [1, 2, 3], "cp3 is the last member"),
        ("h", [1], "cp1 is the last member"),
        ("hh", [1], ""),
        ("hd", [2], "lost its quorum"),  # two voters, one answers: nothing can be decided any more
        ("hhd", [3], ""),  # the dead one
        ("hhd", [1], "without cp1 etcd would have 2 voters of which 1 answers, and 2 are needed"),
        ("hhd", [1, 3], ""),  # the dead one goes first, then the living
        ("hdd", [2], "lost its quorum"),
        ("hhhhd", [1], ""),
        ("hhhdd", [1], "without cp1 etcd would have 4 voters of which 2 answer, and 3 are needed"),
        ("hhhdd", [4, 5, 1, 2], ""),
        ("hl", [2], ""),  # a learner is no voter
        ("hhh", [], ""),
    ],
)
def test_removal(health: str, leaving: Sequence[int], words: str) -> None:
    """Refused with the numbers, or not at all."""
    problem = removal_problem(members(health), leaving)
    assert words in problem
    assert bool(problem) == bool(words)


def test_the_dead_go_first() -> None:
    """Each of them that goes brings the rest nearer to health."""
    assert [member.id for member in removal_order(members("hdhd"), {1, 2, 3, 4})] == [2, 4, 1, 3]


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ("h", ""),
        ("hh", ""),
        ("hhh", ""),
        ("hhhh", ""),
        ("hhd", "needed"),
        ("hd", "needed"),
        ("hhhhd", ""),
        ("hhhdd", "cp4, cp5"),
    ],
)
def test_addition(health: str, words: str) -> None:
    """From one to two needs no third who answers: it could not be had otherwise."""
    problem = addition_problem(members(health))
    assert words in problem
    assert bool(problem) == bool(words)


def test_members_are_told_by_their_whole_address() -> None:
    """10.0.0.1 is not 10.0.0.10, whatever the order."""
    some = members("h" * 10)[::-1]
    found = member_at(some, "10.0.0.1")
    assert found is not None
    assert found.id == 1
    assert member_at(some, "10.0.0.11") is None


def test_words() -> None:
    """What a person reads before a removal."""
    assert str(quorum_of(members("hhh"))) == "3 voters, all answer, 2 needed: 1 may fail"
    assert str(quorum_of(members("hhdl"))) == "3 voters, 2 answer, 2 needed: none may fail"
    assert str(quorum_of(members("hdd"))) == "3 voters, 1 answer, 2 needed: quorum is lost"
