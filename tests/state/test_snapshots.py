"""Snapshots on the control machine: whole or not at all, private, described, and not too many."""

import hashlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeon.errors import StateError, UsageError
from kubeon.state.snapshots import (
    Snapshot,
    Snapshots,
    check_place,
    checksum_of,
    read_checksum,
    read_description,
    write_snapshot,
)

CONTENT = [b"one", b"two"]
SHA256 = hashlib.sha256(b"onetwo").hexdigest()


def about(path: Path, sha256: str = SHA256) -> Snapshot:
    """A snapshot."""
    return Snapshot(
        cluster="demo",
        ca="c4",
        kubernetes="v1.34.2",
        etcd="3.6.5",
        revision=4711,
        hash=7,
        keys=12,
        size=6,
        sha256=sha256,
        member="cp1",
        members={"cp1": "https://10.0.0.1:2380"},
        taken="2026-01-31T12:00:00+00:00",
        path=path,
    )


def test_a_snapshot_is_kept_with_what_describes_it(tmp_path: Path) -> None:
    """All three readable by the owner alone; sha256sum -c takes the one."""
    path = tmp_path / "a.db"

    write_snapshot(path, CONTENT, about(path))

    assert path.read_bytes() == b"onetwo"
    assert (tmp_path / "a.db.sha256").read_text() == f"{SHA256}  a.db\n"
    assert read_checksum(path) == SHA256 == checksum_of(path)
    assert read_description(path) == about(path)
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.db", "a.db.json", "a.db.sha256"]


def test_one_that_came_damaged_is_not_kept(tmp_path: Path) -> None:
    """Nor anything beside it."""
    with pytest.raises(StateError, match="did not come whole"):
        write_snapshot(tmp_path / "a.db", CONTENT, about(tmp_path / "a.db", sha256="other"))

    assert list(tmp_path.iterdir()) == []


def test_one_that_was_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """An exception on the way; after a kill, the next one clears."""

    def cut() -> Iterator[bytes]:
        yield b"one"
        raise KeyboardInterrupt

    left = tmp_path / ".20260131T120000Z-1.db.part"
    left.write_text("of a run that was killed")
    path = tmp_path / "b.db"
    with pytest.raises(KeyboardInterrupt):
        write_snapshot(path, cut(), about(path))

    assert list(tmp_path.iterdir()) == []


def test_the_newest_are_kept(tmp_path: Path) -> None:
    """Others that somebody put there stay."""
    folder = Snapshots(tmp_path / "snapshots")
    paths = [folder.new_path(f"2026013{day}T120000Z", 100 - day) for day in range(4)]
    for path in [*paths, folder.folder / "mine.db"]:
        write_snapshot(path, CONTENT, about(path))

    removed = folder.prune(2)

    assert removed == paths[:2]
    assert [each.path for each in folder.all()] == [*paths[2:], folder.folder / "mine.db"]
    assert len(list(folder.folder.iterdir())) == 3 * 3


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """And folders are not made by the way."""
    (tmp_path / "a.db").touch()

    with pytest.raises(UsageError, match="is there already"):
        check_place(tmp_path / "a.db")
    with pytest.raises(UsageError, match="there is no folder"):
        check_place(tmp_path / "b" / "a.db")
    check_place(tmp_path / "b.db")


@pytest.mark.parametrize("text", ["", "{", "[1]", json.dumps({"cluster": "demo"})])
def test_a_description_that_cannot_be_read_is_none(text: str, tmp_path: Path) -> None:
    """Then nobody knows whose snapshot it is."""
    (tmp_path / "a.db.json").write_text(text)

    assert read_description(tmp_path / "a.db") is None
    assert read_checksum(tmp_path / "a.db") == ""
