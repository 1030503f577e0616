"""What `del` knows of the nodes that leave, and what its phases hand on."""

from dataclasses import dataclass, field


@dataclass
class Deletion:
    """One `del`. Only `left` changes while phases run."""

    gone: frozenset[str] = frozenset()  # nodes whose machine is gone for good: nobody tries to reach it
    drain_timeout: float = 300  # seconds that pods get to leave a node; 0: no drain
    remove_packages: bool = False  # those of the OS, too, that kubeon installed
    left: set[str] = field(default_factory=set)  # nodes that have left the cluster, to the end
