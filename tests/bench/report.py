"""What the benchmarks found: tables for people, JSON for comparing."""

import dataclasses
import json
import os
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.runs import Run, of


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Medians of two, and how far single rounds lie apart."""

    name: str
    mine: float
    other: float
    lowest: float
    highest: float

    @property
    def value(self) -> float:
        return self.mine / self.other

    def __str__(self) -> str:
        spread = f"rounds: {self.lowest:.2f} to {self.highest:.2f}"
        return f"{self.name}: {self.mine:.1f} s / {self.other:.1f} s = {self.value:.2f} ({spread})"


def ratio(
    name: str, runs: Sequence[Run], other: str, mine: Callable[[Run], float], its: Callable[[Run], float]
) -> Ratio:
    """kubeon over another, of one run."""
    ours, theirs = [mine(run) for run in of(runs, "kubeon")], [its(run) for run in of(runs, other)]
    rounds = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Ratio(name, statistics.median(ours), statistics.median(theirs), min(rounds), max(rounds))


class Report:
    """Filled by tests, shown at the end of the run."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._found: dict[str, object] = {}

    def add(self, title: str, runs: Sequence[Run], ratios: Sequence[Ratio]) -> None:
        """One comparison."""
        self.lines += ["", title, f"{'':16}{'whole':>8}{'Ready':>8}{'pods':>8}{'verified':>10}{'own CPU':>9}"]
        for run in runs:
            pods = f"{run.pods:8.1f}" if run.pods is not None else " " * 8
            verified = f"{run.verification:10.1f}{run.cpu:9.1f}" if run.verification else ""
            self.lines.append(f"{run.who:16}{run.total:8.1f}{run.ready:8.1f}{pods}{verified}")
        self.lines += [f"  {one}" for one in ratios]
        for run in runs:
            if not run.table and run is of(runs, run.who)[-1]:
                self.lines.append(f"{run.who}: " + "; ".join(f"{name} {each:.1f}" for name, each in run.steps.items()))
        last = of(runs, "kubeon")[-1]
        self.lines += ["kubeon, where the time went (last round):", *(f"  {line}" for line in last.table)]
        self._found[title] = {
            "runs": [dataclasses.asdict(run) for run in runs],
            "ratios": {one.name: {**dataclasses.asdict(one), "ratio": round(one.value, 3)} for one in ratios},
        }
        self._write()

    def _write(self) -> None:
        if path := os.environ.get("KUBEON_BENCH_JSON"):
            found = {"when": datetime.now(UTC).isoformat(timespec="seconds"), **self._found}
            Path(path).write_text(json.dumps(found, indent=1) + "\n")
