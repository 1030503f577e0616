"""Captured answers of the facts script."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from kubeon.hosts.facts import Facts
from kubeon.hosts.gather import parse_facts

SAMPLES = Path(__file__).parent.parent / "samples" / "facts"
NOW = datetime.fromtimestamp(1_700_000_000, UTC)


@cache
def sample(name: str) -> str:
    """The text that a host of this kind answered."""
    return (SAMPLES / f"{name}.txt").read_text(encoding="utf-8")


def sample_facts(name: str) -> Facts:
    """The facts of a captured answer, as if it had come at NOW."""
    return parse_facts(sample(name), NOW)
