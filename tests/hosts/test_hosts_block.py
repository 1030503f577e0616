"""The marked block in /etc/hosts: pure, and by the shell that does it on hosts."""

from pathlib import Path

import pytest

from kubeon.hosts.hosts_block import parse_block, render_block, replace_block
from kubeon.hosts.preparation import hosts_script
from tests.hosts.sandbox import Sandbox

USERS = "127.0.0.1 localhost\n10.0.0.1 node1-db node1.example.com\n"
OLD = "# BEGIN kubeon a\n10.0.0.9 node1\n# END kubeon a\n"
ENTRIES = [("10.0.0.1", ["node1", "apiserver.cluster.local"]), ("10.0.0.10", ["node10"])]
BLOCK = "# BEGIN kubeon a\n10.0.0.1 node1 apiserver.cluster.local\n10.0.0.10 node10\n# END kubeon a\n"
CASES = {
    "new": (USERS, USERS + BLOCK),
    "empty file": ("", BLOCK),
    "replaced where it was": (f"first\n{OLD}last\n", f"first\n{BLOCK}last\n"),
    "same": (f"first\n{BLOCK}last\n", f"first\n{BLOCK}last\n"),
    "twice": (f"{OLD}between\n{OLD}", f"{BLOCK}between\n"),
    "no end": (f"# BEGIN kubeon a\n{USERS}", f"{BLOCK}{USERS}"),
    "no end, then a whole one": (f"# BEGIN kubeon a\n{USERS}{OLD}", f"{BLOCK}{USERS}"),
    "end only": (f"{USERS}# END kubeon a\n", f"{USERS}{BLOCK}"),
    "another cluster's": (OLD.replace("kubeon a", "kubeon ab"), OLD.replace("kubeon a", "kubeon ab") + BLOCK),
    "no last newline": ("127.0.0.1 localhost", f"127.0.0.1 localhost\n{BLOCK}"),
    "empty lines at the end": (f"{USERS}\n\n", f"{USERS}\n\n{BLOCK}"),
    "back slashes and percent signs": ("# a\\nb %s $x `y`\n", "# a\\nb %s $x `y`\n" + BLOCK),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_block_is_replaced_and_nothing_else(before: str, after: str) -> None:
    """Only the block changes; the second time nothing does."""
    assert replace_block(before, "a", ENTRIES) == after
    assert replace_block(after, "a", ENTRIES) == after


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_shell_does_the_same(shell: tuple[str, ...], before: str, after: str, tmp_path: Path) -> None:
    """The script gives what the function gives, says so, and is silent the second time."""
    host = Sandbox(tmp_path, shell)
    host.write("etc/hosts", before)
    script = hosts_script("a", ENTRIES, root=host.root)

    said = host.run(script)

    assert host.read("etc/hosts") == after
    assert said == ("/etc/hosts: entries of kubeon a\n" if before != after else "")
    assert host.run(script) == ""


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES.keys())
def test_removing_leaves_no_trace(before: str, after: str, tmp_path: Path) -> None:
    """Without entries the block goes, and the file is what it would have been without it."""
    host = Sandbox(tmp_path)
    host.write("etc/hosts", before)

    host.run(hosts_script("a", [], root=host.root))

    without = replace_block(after, "a", [])
    assert "kubeon a\n" not in without
    assert host.read("etc/hosts") in (without, without.removesuffix("\n"))


def test_mode_stays_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    """The file keeps its mode; beside it nothing new remains."""
    host = Sandbox(tmp_path)
    hosts = Path(host.root) / "etc/hosts"
    hosts.chmod(0o640)

    host.run(hosts_script("a", ENTRIES, root=host.root))

    assert hosts.stat().st_mode & 0o777 == 0o640
    assert not list(hosts.parent.glob("*kubeon-new"))


def test_a_mount_is_written_in_place(tmp_path: Path) -> None:
    """Where renaming over the file is refused (a bind mount), its content is replaced."""
    host = Sandbox(tmp_path)
    host.program("mv", 'case $* in *etc/hosts) exit 1 ;; esac\nexec /bin/mv "$@"\n')
    inode = (Path(host.root) / "etc/hosts").stat().st_ino

    host.run(hosts_script("a", ENTRIES, root=host.root))

    assert host.read("etc/hosts").endswith(BLOCK)
    assert (Path(host.root) / "etc/hosts").stat().st_ino == inode
    assert not list((Path(host.root) / "etc").glob("*kubeon-new"))


def test_hundreds_of_nodes_fit(tmp_path: Path) -> None:
    """A thousand entries are nothing special."""
    host = Sandbox(tmp_path)
    entries = [(f"10.0.{i // 250}.{i % 250}", [f"node{i}"]) for i in range(1000)]

    host.run(hosts_script("a", entries, root=host.root))

    assert host.read("etc/hosts") == replace_block("127.0.0.1 localhost\n127.0.1.1 old-name\n", "a", entries)


def test_a_block_is_read_as_it_was_written() -> None:
    """And no other cluster's; one without its end is none."""
    text = USERS + render_block("ab", [("10.9.9.9", ("other",))]) + BLOCK

    assert parse_block(text, "a") == tuple((address, tuple(names)) for address, names in ENTRIES)
    assert parse_block(text, "b") == ()
    assert parse_block(f"{USERS}# BEGIN kubeon a\n10.0.0.1 x\n", "a") == ()
