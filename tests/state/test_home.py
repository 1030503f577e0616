"""~/.kubeon: private, whole, and its errors say what to do."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon.errors import StateError
from kubeon.spec.loading import build_spec
from kubeon.spec.model import ClusterSpec
from kubeon.state.files import write_file
from kubeon.state.home import Home
from kubeon.state.known_hosts import forget_host

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def a_spec(name: str = "demo", **fields: object) -> ClusterSpec:
    """One control plane."""
    one = [{"address": "10.0.0.1", "role": "control-plane"}]
    return build_spec({"name": name, "version": "v1.34.2", "nodes": one, **fields})


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_environment_moves_it(tmp_path: Path) -> None:
    """KUBEON_HOME wins over ~/.kubeon."""
    assert Home.find({"KUBEON_HOME": str(tmp_path / "k")}).path == tmp_path / "k"
    assert Home.find({}).path == Path.home() / ".kubeon"


def test_looking_creates_nothing(tmp_path: Path) -> None:
    """A read-only command on a new machine leaves no folder behind."""
    home = Home(tmp_path / "k")

    assert (home.clusters(), home.current) == ([], None)
    assert home.cluster("demo").read_spec() is None
    assert home.cluster("demo").read_pki() == {}
    assert home.cluster("demo").logs() == []
    assert not home.path.exists()


def test_everything_is_private(tmp_path: Path) -> None:
    """Folders 0700 and files 0600, whatever the umask says; keys lie here."""
    before = os.umask(0)
    try:
        state = Home(tmp_path / "k").cluster("demo")
        state.write_spec(a_spec())
        state.write_pki({"etcd/ca.key": b"key"})
        state.write_admin_conf("kind: Config\n")
        state.new_log("create", NOW)
        state.journal.append("create", "begun", NOW)
        with state.lock("create", NOW):
            pass
    finally:
        os.umask(before)

    modes = {path.relative_to(tmp_path).as_posix(): mode(path) for path in [tmp_path / "k", *tmp_path.rglob("k/**/*")]}
    assert {name: oct(found) for name, found in modes.items() if found not in (0o700, 0o600)} == {}
    assert modes["k/clusters/demo/pki/etcd"] == 0o700
    assert modes["k/clusters/demo/pki/etcd/ca.key"] == 0o600


def test_an_open_folder_is_closed(tmp_path: Path) -> None:
    """A home that others may enter, as some copy tools leave it, is closed before a key goes in."""
    (tmp_path / "k").mkdir(mode=0o755)

    Home(tmp_path / "k").ensure()

    assert mode(tmp_path / "k") == 0o700


def test_a_spec_is_proposed_and_committed(tmp_path: Path) -> None:
    """A failed operation leaves the old description; a proposal alone makes a cluster known, not existing."""
    home = Home(tmp_path)
    state = home.cluster("demo")

    state.write_proposed(a_spec())
    assert (home.clusters(), state.exists, state.read_spec(), state.read_proposed()) == (
        ["demo"],
        False,
        None,
        a_spec(),
    )

    state.write_spec(a_spec())
    assert (state.exists, state.read_spec(), state.read_proposed()) == (True, a_spec(), None)


def nodes(spec: ClusterSpec) -> list[str]:
    """Addresses."""
    return [str(node.address) for node in spec.nodes]


def test_what_is_known_is_more_than_what_is_committed(tmp_path: Path) -> None:
    """Nodes of an operation that did not end well may be members already; all else is as it was last brought to."""
    home = Home(tmp_path)
    state = home.cluster("demo")
    worker = {"address": "10.0.1.1", "role": "worker"}
    control_plane = {"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}
    more = a_spec(nodes=[worker, {**control_plane, "name": None}], networking={"plugin": "none"})
    assert state.read_known() is None
    with pytest.raises(StateError, match="there is no cluster demo") as caught:
        home.known("demo")
    assert caught.value.hint == "clusters known here: none"

    state.write_proposed(more)
    assert home.known("demo") == state.read_known() == more

    state.write_spec(a_spec(nodes=[control_plane]))
    assert state.read_known() == a_spec(nodes=[control_plane])
    state.write_proposed(more)
    known = home.known("demo")
    assert nodes(known) == ["10.0.0.1", "10.0.1.1"]
    assert (known.nodes[0].name, known.networking.plugin) == ("cp1", "bridge")

    with pytest.raises(StateError, match="there is no cluster dmeo") as caught:
        home.known("dmeo")
    assert caught.value.hint == "clusters known here: demo"


def test_a_host_key_is_forgotten_on_every_port(tmp_path: Path) -> None:
    """Of this address alone, of which others are a part; what cannot be read stays."""
    path = tmp_path / "known_hosts"
    others = "# a note\n10.0.0.10 ssh-ed25519 AA\n\n[10.0.0.11]:22 ssh-ed25519 AA\n110.0.0.1 ssh-rsa AA\n"
    path.write_text(f"10.0.0.1 ssh-ed25519 AA\n{others}[10.0.0.1]:2222 ssh-rsa AA\n10.0.0.1 ssh-rsa BB\n")

    forget_host(path, "10.0.0.1")

    assert path.read_text() == others
    before = path.stat().st_ino
    forget_host(path, "10.0.0.1")
    assert path.stat().st_ino == before
    forget_host(tmp_path / "none", "10.0.0.1")
    assert [each.name for each in tmp_path.iterdir()] == ["known_hosts"]


def test_pki_comes_back_as_it_was(tmp_path: Path) -> None:
    """By relative name; what is not named stays."""
    state = Home(tmp_path).cluster("demo")

    state.write_pki({"ca.crt": b"1", "etcd/ca.crt": b"2"})
    state.write_pki({"ca.crt": b"3"})

    assert state.read_pki() == {"ca.crt": b"3", "etcd/ca.crt": b"2"}


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", ".hidden", "a/../../b"])
def test_pki_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    """A name from elsewhere does not write elsewhere."""
    with pytest.raises(ValueError, match="relative name"):
        Home(tmp_path).cluster("demo").write_pki({name: b""})


def test_one_log_per_operation(tmp_path: Path) -> None:
    """Also for two within one second."""
    state = Home(tmp_path).cluster("demo")

    names = [state.new_log("create", NOW).name, state.new_log("create", NOW).name]

    assert names == ["20260131T120000Z-create.log", "20260131T120000Z-create-2.log"]
    assert [path.name for path in state.logs()] == sorted(names)


def test_the_current_cluster(tmp_path: Path) -> None:
    """It can be chosen, and goes with its cluster."""
    home = Home(tmp_path)
    home.cluster("a").write_spec(a_spec("a"))
    home.cluster("b").write_spec(a_spec("b"))

    home.use("b")
    chosen = home.current
    home.cluster("b").remove()

    assert (chosen, home.current, home.clusters()) == ("b", None, ["a"])
    home.cluster("b").remove()  # again
    home.cluster("b").write_spec(a_spec("b"))
    assert home.current is None  # another one of that name has not been chosen
    home.cluster("b").remove()

    with pytest.raises(StateError, match="there is no cluster b"):
        home.use("b")


def test_a_damaged_description_is_explained(tmp_path: Path) -> None:
    """With the file and what is wrong in it."""
    state = Home(tmp_path).cluster("demo")
    state.write_spec(a_spec())
    (state.path / "cluster.yaml").write_text("name: demo\nversion: [\n")

    with pytest.raises(StateError, match="damaged") as caught:
        state.read_spec()

    assert "cluster.yaml:" in caught.value.why
    assert caught.value.hint


def test_another_clusters_description_is_refused(tmp_path: Path) -> None:
    """A copied folder must not make kubeon work on the wrong hosts."""
    home = Home(tmp_path)
    home.cluster("a").write_spec(a_spec("a"))
    (home.path / "clusters/b").mkdir()
    (home.path / "clusters/b/cluster.yaml").write_bytes((home.path / "clusters/a/cluster.yaml").read_bytes())

    with pytest.raises(StateError, match="describes another cluster"):
        home.cluster("b").read_spec()


def test_a_name_that_is_no_name(tmp_path: Path) -> None:
    """It would be a path."""
    with pytest.raises(StateError, match="cannot be the name"):
        Home(tmp_path).cluster("../x")


def test_another_layout_is_refused(tmp_path: Path) -> None:
    """A newer kubeon's folder is left alone."""
    home = Home(tmp_path / "k")
    home.ensure()
    (home.path / "version").write_text("2\n")

    with pytest.raises(StateError, match="another kubeon"):
        home.cluster("demo").write_proposed(a_spec())


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    """The error names the way out."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError, match="cannot use") as caught:
        Home(tmp_path / "file").ensure()

    assert "KUBEON_HOME" in caught.value.hint


def test_anothers_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with sudo and the user's HOME: files of root in a user's folder lock the user out."""
    (tmp_path / "k").mkdir()
    owner = (tmp_path / "k").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(StateError, match=f"belongs to user id {owner}"):
        Home(tmp_path / "k").ensure()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no temporary one."""
    path = tmp_path / "file"
    write_file(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left") as caught:
        write_file(path, b"new")

    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
    assert caught.value.hint == "make room on that disk"
