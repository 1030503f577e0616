"""The record of a rotation of CAs: no key is lost, and it says how far it has come."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon.errors import StateError
from kubeon.state.home import Home
from kubeon.state.rotation import Rotation, Stage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OLD = {"ca.crt": b"old", "etcd/ca.key": b"old key"}
NEW = {"ca.crt": b"new", "etcd/ca.key": b"new key"}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Readable by its owner alone; before there is one, and after, there is none."""
    record = Home(tmp_path / "k").cluster("demo").rotation
    assert record.read() is None
    for stage in Stage:
        rotation = Rotation(("ca", "etcd-ca"), stage, OLD, NEW)
        record.write(rotation)
        assert record.read() == rotation
    assert [path for path in record.path.rglob("*") if path.is_file() and path.stat().st_mode & 0o777 != 0o600] == []

    kept = record.end(NOW)

    assert record.read() is None
    assert kept.name == "pki-until-20260102T030405Z"
    assert (kept / "etcd/ca.key").read_bytes() == b"old key"


def test_what_is_over_is_known_by_its_day(tmp_path: Path) -> None:
    """Oldest first; other folders are not among them."""
    record = Home(tmp_path / "k").cluster("demo").rotation
    assert record.past() == []
    for now, files in ((NOW.replace(month=5), NEW), (NOW, OLD)):
        record.write(Rotation(("ca",), Stage.DROP, files, NEW))
        record.end(now)
    (record.path.parent / "pki-until-then").mkdir()

    assert record.past() == [("2026-01-02", OLD["ca.crt"]), ("2026-05-02", NEW["ca.crt"])]


def test_stages_follow_each_other() -> None:
    """A run goes on with what is left."""
    assert Stage.TRUST.rest == (Stage.TRUST, Stage.ISSUE, Stage.DROP)
    assert Stage.DROP.rest == (Stage.DROP,)


def test_a_damaged_stage_is_told(tmp_path: Path) -> None:
    """With what may stand there."""
    record = Home(tmp_path / "k").cluster("demo").rotation
    record.write(Rotation(("ca",), Stage.TRUST, OLD, NEW))
    (record.path / "stage").write_text("nonsense ca\n")
    with pytest.raises(StateError, match="is damaged") as caught:
        record.read()
    assert "trust, issue, drop" in caught.value.hint


def test_another_pki_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """All of it at once; what a run that was cut has left is no obstacle."""
    state = Home(tmp_path / "k").cluster("demo")
    state.write_pki({**OLD, "sa.pub": b"more"})
    (state.path / ".pki-old").mkdir()
    state.replace_pki(NEW)
    assert state.read_pki() == NEW
    assert sorted(path.name for path in state.path.iterdir()) == ["pki"]
