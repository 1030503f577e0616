"""A run over some of a release's conformance tests, and the table that it fills."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.conformance import report, table, upstream
from tests.conformance.table import FAILED, Outcome
from tests.lab import cache
from tests.lab.mirror.store import Log, write

ROOT = Path(__file__).parents[2]
REPORT, LOG = "report.json", "log"
ENDED = "\N{BULLET}"  # Ginkgo's, in its log, of each test
EVERY = 60  # seconds


@dataclass(frozen=True)
class Tools:
    """What a run needs: the folder with upstream's programs, kubectl, and the way to the cluster."""

    built: Path
    kubectl: Path
    kubeconfig: Path


@dataclass
class Run:
    """The release's tests, what was known of them, and what is found now."""

    release: str
    names: Sequence[str]
    known: Mapping[str, Outcome]
    why: table.Reasons
    log: Log = print
    new: dict[str, Outcome] = field(default_factory=dict)
    interrupted: bool = False

    @classmethod
    def begin(cls, release: str, names: Sequence[str], log: Log = print) -> "Run":
        """With the table as it is in the repository."""
        path = table.table_of(release)
        known = table.load(path.read_text(encoding="utf-8")) if path.exists() else {}
        return cls(release, names, known, table.reasons(table.REASONS.read_text(encoding="utf-8")), log)

    def table(self) -> dict[str, Outcome]:
        """As it is by now."""
        return table.merged(self.names, self.known, self.new, self.why)

    def chosen(self, focus: str, skip: str, result: str | None, limit: int | None) -> list[str]:
        """The tests that are meant and can be run here."""
        now = self.table()
        found = [name for name in self.names if re.search(focus, name) and not (skip and re.search(skip, name))]
        found = [name for name in found if not result or now[name].result == result]
        return [name for name in found if not table.reason_for(name, self.why.not_here)][:limit]

    def carry_out(self, chosen: Sequence[str], tools: Tools, parallel: int) -> int:
        """Run them; 0 when all of them passed or said that they cannot run here."""
        problems: list[str] = []
        for part, at_once in {"parallel": parallel, "serial": 1}.items():
            tests = [name for name in chosen if upstream.is_serial(name) == (part == "serial")]
            if tests and not self.interrupted:
                problems += self.part(part, tests, tools, at_once)
        ended = {name: self.new[name] for name in chosen if name in self.new}
        for name, outcome in ended.items():
            if outcome.result == FAILED:
                self.log(f"failed: {name}\n    {outcome.reason}")
        for problem in problems:
            self.log(problem)
        self.log(f"this run: {in_words(table.counts(ended))}, of {len(chosen)}")
        self.log(f"the table: {in_words(table.counts(self.table()))}")
        return 1 if problems or len(ended) < len(chosen) or FAILED in table.counts(ended) else 0

    def part(self, part: str, tests: Sequence[str], tools: Tools, at_once: int) -> list[str]:
        """Run these, so many at once; what went wrong beside the tests."""
        folder = cache.root() / "conformance" / part
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.log(f"{len(tests)} tests, {at_once} at a time; what they say goes to {folder / LOG}")
        with (folder / LOG).open("w") as out:
            words = command(tools, tests, at_once, folder)
            child = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            code = self.wait(child, folder / LOG, len(tests))
        if not (folder / REPORT).exists():
            return [f"Ginkgo wrote no report and ended with {code}; see {folder / LOG}"]
        found = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        self.learn(report.outcomes(found))
        return report.problems(found)

    def wait(self, child: "subprocess.Popen[bytes]", log: Path, count: int) -> int:
        """Until it has ended, saying how far it is. It got a Ctrl-C, too, and writes its report."""
        ended = 0
        while True:
            try:
                return child.wait(EVERY)
            except subprocess.TimeoutExpired:
                before, ended = ended, log.read_text(encoding="utf-8", errors="replace").count(ENDED)
                if ended > before:
                    self.log(f"{ended} of {count} have ended")
            except KeyboardInterrupt:
                self.interrupted = True
                self.log("it ends when the tests that run have tidied up")

    def learn(self, outcomes: Mapping[str, Outcome]) -> None:
        """Put them into the table, in its file."""
        self.new |= outcomes
        facts = {"release": self.release, "when": datetime.now(UTC).date(), "commit": _commit()}
        write(table.table_of(self.release), table.dump(self.table(), facts))


def command(tools: Tools, tests: Iterable[str], at_once: int, folder: Path) -> list[str]:
    """The command line that runs just these tests."""
    names = "|".join(re.escape(name) for name in tests)
    ginkgo = (
        *(f"--procs={at_once}", "--timeout=24h", "--no-color", "--silence-skips"),
        *(f"--json-report={REPORT}", f"--output-dir={folder}"),
        f"--focus= (?:{names})$",  # Ginkgo has the suite's name and a space before a test's
    )
    e2e = (
        *("--provider=skeleton", f"--kubeconfig={tools.kubeconfig}", f"--kubectl-path={tools.kubectl}"),
        *(f"--report-dir={folder}", f"--e2e-output-dir={folder}", "--disable-log-dump"),
    )
    return [str(tools.built / "ginkgo"), *ginkgo, str(tools.built / "e2e.test"), "--", *e2e]


def in_words(counts: Mapping[str, int]) -> str:
    """Such as: 3 passed, 1 failed."""
    return ", ".join(f"{count} {result}" for result, count in counts.items()) or "nothing"


def _commit() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
