"""`cluster-info`: ask everybody at once, then judge. It changes nothing, and takes no lock."""

from dataclasses import dataclass

from kubeon.operations.information.asking import Lookout, Options
from kubeon.operations.information.gathered import Gathered
from kubeon.operations.information.reasons import Reason, Severity
from kubeon.operations.information.verdict import Verdict, judge

__all__ = ["Gathered", "Information", "Lookout", "Options", "Reason", "Severity", "Verdict", "information", "judge"]


@dataclass(frozen=True)
class Information:
    """How a cluster is: the verdict, why, and all that was found."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    found: Gathered


def information(lookout: Lookout) -> Information:
    """Look once."""
    found = lookout.look()
    verdict, reasons = judge(found)
    return Information(verdict, reasons, found)
