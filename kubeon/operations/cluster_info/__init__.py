"""`cluster-info`: ask everybody at once, then judge. It changes nothing, and takes no lock."""

from dataclasses import dataclass

from kubeon.operations.cluster_info.asking import Lookout, Options
from kubeon.operations.cluster_info.gathered import Gathered
from kubeon.operations.cluster_info.reasons import Reason, Severity
from kubeon.operations.cluster_info.verdict import Verdict, judge

__all__ = ["ClusterInfo", "Gathered", "Lookout", "Options", "Reason", "Severity", "Verdict", "cluster_info", "judge"]


@dataclass(frozen=True)
class ClusterInfo:
    """How a cluster is: the verdict, why, and all that was found."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    found: Gathered


def cluster_info(lookout: Lookout) -> ClusterInfo:
    """Look once."""
    found = lookout.look()
    verdict, reasons = judge(found)
    return ClusterInfo(verdict, reasons, found)
