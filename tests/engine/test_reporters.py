"""What is written down of an operation."""

import threading
from datetime import UTC, datetime
from pathlib import Path

from kubeon.engine.events import Event, Status
from kubeon.engine.reporters import JournalReporter, LogReporter, Tee
from kubeon.state.journal import Journal
from kubeon.transport.secrets import Secrets
from kubeon.waiting import Clock


class FixedClock(Clock):
    """It is always noon."""

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


FAILED = Event(
    "w1", "join-workers", "Join workers", Status.FAILED, 5.25, (), "w1: kubeadm join failed\nno hunter22 way"
)


def test_the_log_holds_everything(tmp_path: Path) -> None:
    """With the time of day, whole errors, and no password."""
    log = LogReporter(tmp_path / "log", hide=Secrets("hunter22").hide, clock=FixedClock())

    log.begin("create demo", {"w1": ["Join workers"]})
    log.event(Event("w1", "join-workers", "Join workers", Status.STARTED))
    log.note("pulling", host="w1")
    log.warn("slow")
    log.event(FAILED)
    log.end()

    stamp = "2026-01-31T12:00:00.000+00:00"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{stamp} create demo: 1 hosts",
        f"{stamp} w1: Join workers",
        f"{stamp} w1: Join workers [join-workers]: started",
        f"{stamp} w1: pulling",
        f"{stamp} WARNING: slow",
        f"{stamp} w1: Join workers [join-workers]: failed after 5.2s",
        "    w1: kubeadm join failed",
        "    no *** way",
        f"{stamp} end",
    ]


def test_no_reporter_gets_what_a_terminal_would_obey(tmp_path: Path) -> None:
    """What hosts say reaches the screen, the log and the journal by the same door."""
    journal = Journal(tmp_path / "journal.jsonl")
    tee = Tee(LogReporter(tmp_path / "log", clock=FixedClock()), JournalReporter(journal, "create", clock=FixedClock()))
    said = "\x1b[0;37mCGROUPS_CPU\x1b[0m\x07"

    tee.note(said)
    tee.warn(said)
    tee.event(Event("w1", "install", "Install", Status.CHANGED, 1.0, (said,)))
    tee.event(Event("w1", "install", "Install", Status.FAILED, 1.0, error=said))

    assert (tmp_path / "log").read_text().count("CGROUPS_CPU\\u0007\n") == 4
    assert [(entry.changes, entry.error) for entry in journal.entries()] == [
        (("CGROUPS_CPU\\u0007",), ""),
        ((), "CGROUPS_CPU\\u0007"),
    ]


def test_the_journal_holds_ends(tmp_path: Path) -> None:
    """A beginning says nothing that the end does not say."""
    journal = Journal(tmp_path / "journal.jsonl")
    reporter = JournalReporter(journal, "create", hide=Secrets("hunter22").hide, clock=FixedClock())

    reporter.event(Event("w1", "install", "Install", Status.STARTED))
    reporter.event(Event("w1", "install", "Install", Status.CHANGED, 1.0, ("socat",)))
    reporter.event(FAILED)

    assert [(entry.phase, entry.status, entry.changes) for entry in journal.entries()] == [
        ("install", "changed", ("socat",)),
        ("join-workers", "failed", ()),
    ]
    assert "hunter22" not in journal.path.read_text()


def test_a_tee_speaks_to_all_one_at_a_time(tmp_path: Path) -> None:
    """Phases on many hosts call at once; lines stay whole."""
    paths = [tmp_path / "a", tmp_path / "b"]
    tee = Tee(*(LogReporter(path, clock=FixedClock()) for path in paths))

    def speak() -> None:
        for _ in range(50):
            tee.note("x" * 500)

    threads = [threading.Thread(target=speak) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for path in paths:
        lines = path.read_text().splitlines()
        assert (len(lines), {line.split()[1] for line in lines}) == (400, {"x" * 500})
