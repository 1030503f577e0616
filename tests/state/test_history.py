"""The journal read as operations."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubeon.state.cluster import ClusterState
from kubeon.state.history import history
from kubeon.state.home import Home

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
WORDS = ("kubeon", "create", "demo", "--yes")


def a_state(folder: Path) -> ClusterState:
    """A record without anything."""
    return Home(folder).cluster("demo")


def test_lines_of_one_run_are_one_operation(tmp_path: Path) -> None:
    """Who, what, the command line, how it ended, what each host did, and its log."""
    state = a_state(tmp_path)
    log = state.new_log("create", NOW)
    state.journal.append("create", "begun", NOW, run=log.stem, words=WORDS)
    state.journal.append("create", "changed", NOW, phase="join", host="w1", run=log.stem, changes=["kubeadm join"])
    state.journal.append("create", "ok", NOW + timedelta(seconds=9), seconds=9.0, run=log.stem)
    state.journal.append("add", "begun", NOW, run="another")
    state.journal.append("add", "failed", NOW, run="another", error="no way")

    first, second = history(state)

    assert (first.number, first.operation, first.words, first.result) == (1, "create", WORDS, "ok")
    assert (first.begun, first.seconds, first.log) == (NOW.isoformat(timespec="milliseconds"), 9.0, log)
    assert [(entry.host, entry.phase) for entry in first.phases] == [("w1", "join")]
    assert first.changed
    assert (second.result, second.error, second.log, second.changed) == ("failed", "no way", None, False)


def test_one_without_an_end_runs_or_was_cut_off_and_the_lock_knows(tmp_path: Path) -> None:
    """A killed kubeon writes no end; only the last one can be the one that holds the lock."""
    state = a_state(tmp_path)
    state.journal.append("add", "begun", NOW, run="one")
    state.journal.append("add", "begun", NOW, run="two")

    with state.lock("add", NOW):
        while_it_runs = [one.result for one in history(state)]

    assert while_it_runs == ["cut-off", "running"]
    assert [one.result for one in history(state)] == ["cut-off", "cut-off"]
    assert history(state)[0].seconds is None


def test_one_that_takes_no_lock_runs_beside_another(tmp_path: Path) -> None:
    """`exec` is seen to run as long as it does, and what holds the lock is seen too; nothing is left lying about."""
    state = a_state(tmp_path)
    state.journal.append("add", "begun", NOW, run="one")

    with state.lock("add", NOW), state.running("two", "exec", NOW):
        state.journal.append("exec", "begun", NOW, run="two")
        while_they_run = [one.result for one in history(state)]

    assert while_they_run == ["running", "running"]
    assert [one.result for one in history(state)] == ["cut-off", "cut-off"]
    assert list((state.path / "running").iterdir()) == []


def test_looking_who_holds_the_lock_takes_it_from_nobody(tmp_path: Path) -> None:
    """Whoever looks leaves no file, and says who it is."""
    state = a_state(tmp_path)

    assert state.holder is None
    assert not state.path.exists()
    with state.lock("add", NOW):
        busy = state.holder
        assert busy is not None
        assert busy.doing == "add"
    assert state.holder is None


def test_an_older_journal_is_read_too(tmp_path: Path) -> None:
    """It named no runs and wrote ends only."""
    state = a_state(tmp_path)
    lines = [
        {"when": "2026-01-30T12:00:00.000+00:00", "who": "a@b", "operation": "create", "status": "ok", "phase": "join"},
        {"when": "2026-01-30T12:00:09.000+00:00", "who": "a@b", "operation": "create", "status": "ok"},
        {"when": "2026-01-30T13:00:09.000+00:00", "who": "a@b", "operation": "del", "status": "failed"},
    ]
    state.ensure()
    state.journal.path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert [(one.operation, one.result, len(one.phases)) for one in history(state)] == [
        ("create", "ok", 1),
        ("del", "failed", 0),
    ]
