"""What an upgrade knows of its nodes before it begins, and what its phases hand on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeon.cluster.context import Step
from kubeon.spec.versions import Version


@dataclass
class Upgrade:
    """One upgrade. Only `snapshot` changes while phases run."""

    kubelets: Mapping[str, Version] = field(default_factory=dict)  # what nodes run
    upgraded: frozenset[str] = frozenset()  # nodes that it has behind it
    not_ready: frozenset[str] = frozenset()  # nodes that are not Ready when it begins
    half_way: bool = False  # it has begun before: an API server has its version
    at_once: int = 1  # workers
    drain_timeout: float = 300  # seconds that pods get to leave a node; 0: no drain
    pause_after: str = ""  # the node after which it stops for a while
    snapshot: Path | None = None  # of etcd, from before


class UpgradeStep(Step):
    """One of its phases."""

    def __init__(self, work: Upgrade) -> None:
        self.work = work
