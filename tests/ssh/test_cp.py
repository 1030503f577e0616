"""`kubeon cp` against a real sshd that is many hosts, all with the same disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeon.hosts import copying
from tests.ssh.conftest import Ran, Sshd

pytestmark = pytest.mark.timed
Kubeon = Callable[..., Ran]
AWKWARD = ["-rf", "it's", 'a "name"', "two\nlines", "  blank ", "$HOME", "ü", os.fsdecode(b"\xff\xfe"), ".hidden"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a bit of everything."""
    top = tmp_path / "tree"
    (top / "sub" / "empty").mkdir(parents=True)
    (top / "a").write_text("hello")
    (top / "a").chmod(0o640)
    os.utime(top / "a", (1_000_000_000, 1_000_000_000))
    (top / "sub" / "big").write_bytes(os.urandom(2_000_000))
    (top / "sub" / "program").write_text("#!/bin/sh\n")
    (top / "sub" / "program").chmod(0o755)
    (top / "sub" / "link").symlink_to("../a")
    (top / "sub" / "dangling").symlink_to("/no such place")
    for name in AWKWARD:
        (top / name).write_text(name.encode(errors="replace").decode())
    (top / "sub").chmod(0o555)
    return top


def contents(top: Path) -> dict[str, tuple[str, object, object]]:
    """All that lies below a folder, with modes, and times of files."""
    found: dict[str, tuple[str, object, object]] = {}
    for path in sorted(top.rglob("*")):
        facts = path.lstat()
        what: object = str(path.readlink()) if path.is_symlink() else path.is_dir() or path.read_bytes()
        time_of = int(facts.st_mtime) if path.is_file() and not path.is_symlink() else 0
        found[str(path.relative_to(top))] = (oct(facts.st_mode) if not path.is_symlink() else "", what, time_of)
    return found


def test_a_folder_there_and_back_twice(kubeon: Kubeon, tree: Path, tmp_path: Path) -> None:
    """Contents, modes, times, links and awkward names; the second time nothing is copied."""
    there, back = tmp_path / "there", tmp_path / "back"

    runs = [kubeon("cp", tree, f"many@cp1:{there}/") for _ in range(2)]
    runs += [kubeon("cp", f"many@w*:{there}/tree", f"{back}/") for _ in range(2)]

    assert [ran.code for ran in runs] == [0] * 4, runs
    assert contents(there / "tree") == contents(tree)
    assert sorted(path.name for path in back.iterdir()) == ["w1", "w2"]
    assert contents(back / "w1" / "tree") == contents(tree) == contents(back / "w2" / "tree")
    count = 5 + len(AWKWARD)  # files and links
    assert [ran.out.decode().splitlines()[0] for ran in runs] == [
        f"cp1: {count} copied, 0 unchanged",
        f"cp1: 0 copied, {count} unchanged",
        f"w[1-2]: {count} copied, 0 unchanged",
        f"w[1-2]: 0 copied, {count} unchanged",
    ]


def test_only_what_differs_is_sent(kubeon: Kubeon, tree: Path, tmp_path: Path) -> None:
    """Another content of the same size, another mode, a file that is gone: and nothing else."""
    there = tmp_path / "there"
    kubeon("cp", tree, f"many@cp1:{there}/")
    (there / "tree" / "a").write_text("HELLO")
    (there / "tree" / "sub" / "program").chmod(0o700)
    (there / "tree" / "-rf").unlink()

    ran = kubeon("cp", tree, f"many@cp1:{there}/", "--output", "json")

    host = json.loads(ran.out)["hosts"][0]
    assert (host["copied"], host["bytes"]) == (3, 8)
    assert contents(there / "tree") == contents(tree)


def test_where_things_go(kubeon: Kubeon, tree: Path, tmp_path: Path) -> None:
    """A file becomes DEST, or goes into it; a folder goes into DEST, with a slash its content does."""
    there = tmp_path / "there"
    there.mkdir()
    for source, dest in (
        ("a", there / "renamed"),
        ("a", there),
        ("a", f"{there}/new/er/"),
        ("sub/", there / "content"),
        ("sub", there / "whole"),
    ):
        assert kubeon("cp", f"{tree}/{source}", f"many@cp1:{dest}").code == 0
    assert kubeon("cp", tree / "a", tree / ".hidden", f"many@cp1:{there}/both").code == 0

    files = {str(path.relative_to(there)) for path in there.rglob("*") if path.name in ("a", "renamed", "program")}
    assert files == {"renamed", "a", "new/er/a", "content/program", "whole/sub/program", "both/a"}


def test_a_download_from_one_host(kubeon: Kubeon, tree: Path, tmp_path: Path) -> None:
    """A file becomes DEST, or goes into it where that is a folder; a folder's content with a slash."""
    back = tmp_path / "back"

    first = kubeon("cp", f"many@w1:{tree}/a", back)
    other = kubeon("cp", f"many@w1:{tree}/a", f"many@w1:{tree}/sub/", f"{tmp_path}/folder/")

    assert (first.code, other.code) == (0, 0)
    assert back.read_text() == "hello"
    assert (tmp_path / "folder" / "a").read_text() == "hello"
    assert (tmp_path / "folder" / "link").readlink() == Path("../a")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["{tree}/none", "many@cp1:{tmp}/x"], 1, "No such file or directory"),
        (["{tree}/a", "many@cp1:{tmp}/no/such/x"], 5, "a slash at its end"),
        (["{tree}/a", "many@cp1:{tmp}/x/"], 5, "is there and is no directory"),
        (["{tree}/sub/", "many@cp1:{tmp}/clash"], 5, "is a directory there, and a file here"),
        (["{tree}/sub", "many@cp1:{tmp}/x"], 5, "is there and is no directory"),
        (["{tree}/a", "many@cp1:{tmp}/fifo"], 5, "neither a file nor a link"),
        (["{tmp}/fifo", "many@cp1:{tmp}/y"], 2, "neither a file, a folder nor a link"),
        (["{tree}/a/", "many@cp1:{tmp}/y"], 2, "is no folder"),
        (["{tree}/a", "{tree}/a", "many@cp1:{tmp}/y"], 2, "would both become a"),
        (["many@cp1:{tmp}/none", "{tmp}/y"], 5, "No such file or directory"),
        (["many@all:{tree}/a", "{tmp}/x"], 2, "no folder"),
        (["many@cp1:{tree}", "{tmp}/clash2"], 1, "is a folder there and none here"),
        (["{tree}/a", "{tmp}/y"], 2, "one end of cp is on hosts"),
        (["many@cp1:/a", "many@cp1:/b"], 2, "one end of cp is on hosts"),
        (["many@cp1:/a", "many@w1:/a", "{tmp}/y"], 2, "one end of cp is on hosts"),
        (["many@cp1:{tree}/a"], 2, "a destination"),
        (["{tree}/a", "many@cp1:"], 2, "names no path"),
        (["{tree}/a", "many@cp1:/dev/full/x"], 5, "cannot create /dev/full/"),
    ],
)
def test_what_cannot_be_is_said(
    kubeon: Kubeon, tree: Path, tmp_path: Path, *, words: list[str], code: int, says: str
) -> None:
    """And nothing is overwritten by something of another kind."""
    (tmp_path / "x").write_text("mine")
    (tmp_path / "clash" / "big").mkdir(parents=True)
    (tmp_path / "clash2").mkdir()
    (tmp_path / "clash2" / "tree").write_text("mine")
    os.mkfifo(tmp_path / "fifo")

    ran = kubeon("cp", *(word.format(tree=tree, tmp=tmp_path) for word in words))

    assert says in ran.err, ran.err
    assert ran.code == code
    assert (tmp_path / "x").read_text() == "mine"
    assert (tmp_path / "clash2" / "tree").read_text() == "mine"
    assert not list(tmp_path.rglob(".kubeon-new-*"))


def test_a_link_in_the_way_is_replaced_never_followed(kubeon: Kubeon, tree: Path, tmp_path: Path) -> None:
    """Neither there nor here can a link lead a copy out of where it goes."""
    outside, there = tmp_path / "outside", tmp_path / "there"
    outside.mkdir()
    (outside / "a").write_text("untouched")
    there.mkdir()
    (there / "a").symlink_to(outside / "a")

    up = kubeon("cp", tree / "a", f"many@cp1:{there}/a")
    (tmp_path / "back" / "there").mkdir(parents=True)
    (tmp_path / "back" / "there" / "sub").symlink_to(outside)
    (there / "sub").mkdir()
    (there / "sub" / "a").write_text("evil")
    down = kubeon("cp", f"many@cp1:{there}", tmp_path / "back")

    assert up.code == 0
    assert (there / "a").is_file()
    assert not (there / "a").is_symlink()
    assert down.code != 0
    assert (outside / "a").read_text() == "untouched"


def test_no_room_is_said_and_leaves_nothing(kubeon: Kubeon, tmp_path: Path) -> None:
    """A full disk ends in an error, not in half a file."""
    there = tmp_path / "small"
    there.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(there)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small disk takes root")
    try:
        (there / "file").write_text("old")
        (tmp_path / "new").write_bytes(bytes(1_000_000))

        ran = kubeon("cp", tmp_path / "new", f"many@cp1:{there}/file")

        assert "No space left on device" in ran.err
        assert "make room" in ran.err
        assert (there / "file").read_text() == "old"
        assert [path.name for path in there.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", there], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_cut_off_leaves_whole_files_only(kubeon: Kubeon, tmp_path: Path, number: signal.Signals) -> None:
    """Interrupted or killed, there is the old file or the new one; no temporary file stays, and again completes it."""
    (tmp_path / "big").write_bytes(bytes(300_000_000))
    there = tmp_path / "there"
    there.mkdir()
    (there / "big").write_text("old")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ssh.loopback", "cp", tmp_path / "big", f"many@cp1:{there}/big"],
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    wait_for(lambda: any(path.stat().st_size for path in there.glob(".kubeon-new-*")))

    process.send_signal(number)
    process.communicate(timeout=60)

    wait_for(lambda: not list(there.glob(".kubeon-new-*")))
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert (there / "big").read_text() == "old"
    (tmp_path / "big").write_bytes(bytes(1_000_000))
    (there / ".kubeon-new-left-over").write_text("")
    os.utime(there / ".kubeon-new-left-over", (1_000_000_000, 1_000_000_000))
    assert kubeon("cp", tmp_path / "big", f"many@cp1:{there}/big").code == 0
    assert [path.name for path in there.iterdir()] == ["big"]
    shutil.rmtree(there)


def test_who_sweeps_leaves_those_alone_who_write(tmp_path: Path) -> None:
    """Two hosts that share a disk: files that get their old times and then their names are no leftovers."""
    library = (Path(copying.__file__).parent / "copy.sh").read_text()
    sweeper = subprocess.Popen(["sh", "-c", f"{library}\nwhile [ ! -e stop ]; do sweep .; done"], cwd=tmp_path)
    put = f"{library}\ntoken=mine\nfor name in 1 2 3 4 5; do echo hello | put_file 0 ./$name 6 644 1000000000; done"
    try:
        for _ in range(60):
            done = subprocess.run(["sh", "-c", put], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
    finally:
        (tmp_path / "stop").touch()
        sweeper.wait(timeout=30)


LONG = pytest.param(300, marks=[pytest.mark.lab, pytest.mark.alone, pytest.mark.soak])  # the length; it needs no lab


@pytest.mark.parametrize("count", [20, LONG])
def test_a_folder_to_many_hosts(kubeon: Kubeon, module_sshd: Sshd, tree: Path, tmp_path: Path, count: int) -> None:
    """On a disk that all of them share, too, as here; one that is dead stops no other, and is named."""
    module_sshd.cluster(tmp_path, hosts=count, dead="w6")
    (tmp_path / "there").mkdir()

    ran = kubeon("cp", tree, f"many@all:{tmp_path}/there/", "--output", "json")
    again = kubeon("cp", tree, f"many@all^w6:{tmp_path}/there/", "--output", "json")

    assert ran.code == 5
    assert json.loads(ran.out)["error"].get("host") == "w6", ran.out.decode()
    assert "cannot be reached by SSH" in ran.out.decode()
    assert {host["copied"] for host in json.loads(again.out)["hosts"]} == {0}
    assert contents(tmp_path / "there" / "tree") == contents(tree)


def wait_for(ready: Callable[[], bool], patience: float = 60) -> None:
    """Until it is so."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)
