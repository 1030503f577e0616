"""The journal survives what happens to it."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from kubeon.state.journal import Journal
from kubeon.state.lock import whoami

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from kubeon.state.files import write_file
from kubeon.state.journal import Journal
folder, number = Path(sys.argv[1]), 0
while True:
    number += 1
    Journal(folder / "journal.jsonl").append("create", "changed", datetime.now(UTC), phase="p", seconds=number)
    write_file(folder / "state", (str(number) * 100_000).encode())
    print(number, flush=True)
"""


def test_a_line_says_who_when_and_what(tmp_path: Path) -> None:
    """What is empty is left out."""
    journal = Journal(tmp_path / "journal.jsonl")

    journal.append("create", "changed", NOW, phase="join", host="w1", seconds=1.23456, changes=["a", "b"])
    journal.append("create", "failed", NOW, phase="join", host="w2", error="no\nway")

    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert lines[0] == {
        "when": "2026-01-31T12:00:00.000+00:00",
        "who": whoami(),
        "operation": "create",
        "status": "changed",
        "phase": "join",
        "host": "w1",
        "seconds": 1.235,
        "changes": ["a", "b"],
    }
    assert [entry.host for entry in journal.entries()] == ["w1", "w2"]
    assert journal.entries()[1].error == "no\nway"


def test_half_a_line_spoils_itself_only(tmp_path: Path) -> None:
    """A kill in the middle of a write; the next line is whole."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("create", "begun", NOW)
    with journal.path.open("a") as file:
        file.write('{"when": "2026-01-3')

    assert len(journal.entries()) == 1
    journal.append("create", "ended", NOW)

    assert [entry.status for entry in journal.entries()] == ["begun", "ended"]


def test_a_journal_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Reading creates nothing."""
    assert Journal(tmp_path / "no" / "journal.jsonl").entries() == []


def test_a_killed_writer_leaves_whole_files(tmp_path: Path) -> None:
    """kill -9 in the middle, several times: every file is an old or a new one, never half of one."""
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout
        for _ in range(3):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()

        content = (tmp_path / "state").read_text()
        assert len(content) >= 100_000
        assert set(content) == set(content[: len(content) // 100_000])
        assert Journal(tmp_path / "journal.jsonl").entries()[-1].seconds >= 3
