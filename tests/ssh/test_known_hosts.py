"""known_hosts: what paramiko finds in it, found without reading all of it for each connection."""

from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest
from paramiko.hostkeys import HostKeys

from kubeon.transport import known_hosts
from kubeon.transport.host_keys import HostKeys as Policy
from kubeon.transport.known_hosts import KnownHosts

KEYS: list[paramiko.PKey] = [*(paramiko.ECDSAKey.generate() for _ in range(3)), paramiko.RSAKey.generate(1024)]


def line(names: str, key: paramiko.PKey) -> str:
    """As OpenSSH writes it."""
    return f"{names} {key.get_name()} {key.get_base64()}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with everything that may stand there."""
    text = "# by hand\n\n" + line("10.0.0.1,one.example.org", KEYS[0]) + line("10.0.0.1", KEYS[3])
    text += line("10.0.0.1", KEYS[1])  # a second of its type: the first counts
    text += line("[10.0.0.1]:2222", KEYS[1]) + line(HostKeys.hash_host("10.0.0.2"), KEYS[2])
    text += line(HostKeys.hash_host("[10.0.0.2]:2222"), KEYS[0]) + line("@revoked 10.0.0.3", KEYS[0])
    text += line("@cert-authority *.example.org", KEYS[0]) + "10.0.0.4 ssh-unheard-of AAAA\n" + line("*", KEYS[0])
    text += line("10.0.0.5", KEYS[1]).rstrip("\n")
    path = tmp_path / "known_hosts"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("10.0.0.1", "one.example.org", "[10.0.0.1]:2222", "10.0.0.2", "[10.0.0.2]:2222", "10.0.0.3", "10.0.0.4"),
        *("10.0.0.5", "10.0.0.6", "x.example.org", "*"),
    ],
)
def test_what_paramiko_finds(path: Path, name: str) -> None:
    """The same keys, as its own reader is the measure; but at lines with a marker it stumbles."""
    measure = path.with_name("measure")
    measure.write_text("".join(each for each in path.read_text().splitlines(True) if not each.startswith("@")))
    theirs = HostKeys(str(measure)).lookup(name)

    wanted = {each: theirs[each] for each in theirs.keys()} if theirs else {}  # noqa: SIM118 - no dict
    assert {key.get_name(): key for key in KnownHosts(path).keys_of(name)} == wanted


def test_what_others_write_meanwhile_is_seen(path: Path) -> None:
    """Lines that are added, a file that is written anew, one that is gone."""
    known = KnownHosts(path)
    assert [known.keys_of(name) for name in ("10.0.0.5", "10.0.0.9")] == [[KEYS[1]], []]

    Policy(path, strict=False).missing_host_key(paramiko.SSHClient(), "10.0.0.9", KEYS[2])
    assert [known.keys_of(name) for name in ("10.0.0.5", "10.0.0.9")] == [[KEYS[1]], [KEYS[2]]]
    with path.open("a") as file:
        file.write(line("10.0.0.10", KEYS[0]))
    assert known.keys_of("10.0.0.10") == [KEYS[0]]
    path.write_text(path.read_text().replace(line("10.0.0.10", KEYS[0]), line("10.0.0.11", KEYS[0]) * 2))
    assert [known.keys_of(name) for name in ("10.0.0.10", "10.0.0.11")] == [[], [KEYS[0]]]
    path.unlink()
    assert known.keys_of("10.0.0.11") == []


def test_a_connection_costs_the_same_whatever_the_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are looked at once each, also while every connection adds one: not those of before again."""
    known, seen = KnownHosts(path), []
    add: Callable[[KnownHosts, str], None] = KnownHosts._add

    def counted(self: KnownHosts, text: str) -> None:
        seen.append(text)
        add(self, text)

    monkeypatch.setattr(known_hosts.KnownHosts, "_add", counted)
    path.write_text(line("10.0.0.1", KEYS[0]))
    for number in range(500):
        name = f"10.1.{number // 250}.{number % 250}"
        assert known.keys_of(name) == []
        Policy(path, strict=False).missing_host_key(paramiko.SSHClient(), name, KEYS[1])
    assert known.keys_of("10.1.1.249") == [KEYS[1]]

    assert len(seen) == 501
