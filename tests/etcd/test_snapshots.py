"""Snapshots on a host, and whether a file on this machine is a whole one."""

import hashlib
from pathlib import Path

import pytest

from kubeon.errors import OperationError
from kubeon.etcd import snapshots
from kubeon.etcd.snapshots import Content, file_problem, parse_content

PAGES = b"x" * 512 * 4


def test_a_whole_snapshot(tmp_path: Path) -> None:
    """Pages, and the SHA-256 of them."""
    path = tmp_path / "a.db"
    path.write_bytes(PAGES + hashlib.sha256(PAGES).digest())

    assert file_problem(path) == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PAGES, "cut off, or is a copy"),
        (PAGES[:-100], "cut off"),
        (b"", "cut off"),
        (b"y" + PAGES[1:] + hashlib.sha256(PAGES).digest(), "does not fit"),
        (PAGES[512:] + hashlib.sha256(PAGES).digest(), "does not fit"),
    ],
)
def test_a_damaged_snapshot(content: bytes, said: str, tmp_path: Path) -> None:
    """Whatever happened to it on its way."""
    path = tmp_path / "a.db"
    path.write_bytes(content)

    assert said in file_problem(path)


def test_what_a_snapshot_holds() -> None:
    """As etcdctl 3.4 says it, and the host about the file."""
    output = '{"hash":2626931530,"revision":2,"totalKey":5,"totalSize":20480}\n\nab12 20512\n'

    assert parse_content(output) == Content(revision=2, hash=2626931530, keys=5, sha256="ab12", size=20512)


def test_no_snapshot() -> None:
    """etcdctl 3.6 without the command prints its help and ends well."""
    with pytest.raises(OperationError, match="does not say what the snapshot holds"):
        parse_content("NAME:\n\tsnapshot - Manages etcd node snapshots\n\nab12 20512\n")


def test_a_snapshot_leaves_room_on_the_disk() -> None:
    """What is compared is in MiB, of the disk of etcd's data."""
    script = snapshots.save_script("true\n")

    assert f"df -Pk {snapshots.DATA} " in script
    assert f"/ 1048576 + {snapshots.RESERVE}" in script
