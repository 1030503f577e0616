"""The transport against a real sshd."""

import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import fabric
import pytest

from kubeon.errors import ClosedError, ConnectError, LoginError, LostError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.spec.model import NodeSpec
from kubeon.transport.base import Result
from kubeon.transport.ssh import SSH
from tests.ssh.conftest import Sshd, keygen

pytestmark = pytest.mark.timed


@pytest.fixture
def host(ssh: SSH) -> Host:
    """The machine behind the throw-away sshd."""
    return Host(NodeSpec.model_validate({"role": "worker", "address": "127.0.0.1"}), "one", ssh)


def test_a_script_gives_output_and_exit_code(ssh: SSH) -> None:
    """Standard output, standard error and the exit code arrive apart."""
    result = ssh.run("echo out; echo err >&2; exit 3\n", timeout=10)

    assert (result.stdout, result.stderr.strip(), result.exit_code) == ("out\n", "err", 3)


def test_awkward_characters_arrive_as_they_are(ssh: SSH) -> None:
    """Quotes, dollars, newlines and umlauts in a script need no care."""
    text = """it's "so" $HOME `x` \\ ü 中文"""

    result = ssh.run(f"cat <<'END'\n{text}\nEND\n", timeout=10)

    assert result.stdout == text + "\n"


def test_standard_input_follows_the_script(ssh: SSH) -> None:
    """What a script reads is exactly what was sent after it, byte for byte."""
    data = os.urandom(3_000_000)

    result = ssh.run("sha256sum\n", stdin=[data[:1_000_001], data[1_000_001:]], timeout=30)

    assert result.stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_much_output_does_not_block(ssh: SSH) -> None:
    """More output than a window holds, on both streams, comes whole."""
    result = ssh.run("head -c 5000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2\n", timeout=30)

    assert (len(result.stdout), len(result.stderr)) == (5_000_000, 3_000_000)


def test_a_script_shows_in_no_process_list(ssh: SSH) -> None:
    """A secret inside a script cannot be read by other users of the machine."""
    result = ssh.run("secret=hunter2-not-visible; ps -eo args; echo done\n", timeout=10)

    assert "hunter2" not in result.stdout
    assert "done" in result.stdout


def test_half_a_script_is_never_run(sshd: Sshd) -> None:
    """A connection that is cut while the script travels leaves nothing behind."""
    marker = sshd.folder / "ran"
    ssh = SSH(sshd.target())
    ssh.open()

    original = ssh._execute

    def cut(connection: fabric.Connection, command: str, stdin: Iterable[bytes], *rest: object) -> object:
        payload = b"".join(stdin)
        return original(connection, command, [payload[: len(payload) // 2]], *rest)  # type: ignore[arg-type]

    ssh._execute = cut  # type: ignore[method-assign, assignment]
    result = ssh.run(f"touch {marker}\n" + "true\n" * 1000, timeout=10)

    assert result.exit_code == 74
    assert not marker.exists()


@pytest.mark.parametrize("opened", [True, False], ids=["later", "at once"])
def test_where_something_else_runs_nothing_is_no_answer(
    ssh: SSH, monkeypatch: pytest.MonkeyPatch, opened: bool
) -> None:
    """Exit code 0 and no sign of the script: a forced command, or a shell that ends in its own start-up file."""
    if opened:
        ssh.open()
    monkeypatch.setattr(ssh, "_execute", lambda *_: Result("Please log in as somebody else\n", "", 0))

    with pytest.raises(LoginError, match="root logs in by SSH, but no command is run") as caught:
        ssh.run("cat /etc/kubernetes/kubeon-cluster\n", timeout=10)

    assert caught.value.why == "Please log in as somebody else"
    assert "authorized_keys" in caught.value.hint


def test_lines_come_while_the_script_runs(ssh: SSH) -> None:
    """Progress can be shown before the end."""
    lines: list[tuple[str, float]] = []

    ssh.run("echo one; sleep 0.6; echo two\n", timeout=10, on_line=lambda line: lines.append((line, time.monotonic())))

    assert [line for line, _ in lines] == ["one", "two"]
    assert lines[1][1] - lines[0][1] > 0.3


def test_a_timeout_is_an_error(ssh: SSH) -> None:
    """A script that does not end is given up."""
    with pytest.raises(ConnectError, match="no answer within 1 s"):
        ssh.run("sleep 20\n", timeout=1)


def test_a_host_key_is_learnt_once(sshd: Sshd) -> None:
    """The first contact writes known_hosts, the second does not write again."""
    for _ in range(2):
        ssh = SSH(sshd.target())
        ssh.open()
        ssh.close()

    lines = (sshd.folder / "known_hosts").read_text().splitlines()
    assert len(lines) == 1
    assert (sshd.folder / "known_hosts").stat().st_mode & 0o777 == 0o600


def test_a_changed_host_key_is_refused(sshd: Sshd) -> None:
    """A machine that shows another key than before is not talked to."""
    SSH(sshd.target()).open()
    sshd.stop()
    keygen(sshd.folder / "host_key")
    sshd.start()

    with pytest.raises(ConnectError, match="its host key has changed") as caught:
        SSH(sshd.target()).open()

    assert "known_hosts" in caught.value.hint


def test_strict_mode_refuses_an_unknown_key(sshd: Sshd) -> None:
    """With strict host keys nothing is learnt."""
    with pytest.raises(ConnectError, match="its host key is not known"):
        SSH(sshd.target(strict_host_keys=True)).open()

    assert not (sshd.folder / "known_hosts").exists()


def test_a_wrong_key_is_refused_with_a_hint(sshd: Sshd) -> None:
    """The error says what can be given instead."""
    keygen(sshd.folder / "other")

    with pytest.raises(ConnectError, match="was refused") as caught:
        SSH(sshd.target(key=sshd.folder / "other")).open()

    assert "--ask-password" in caught.value.hint


def test_nobody_listening_is_said_at_once(tmp_path: Path) -> None:
    """A closed port is an error in well under the time-out."""
    target = Sshd(1, tmp_path, None).target()  # type: ignore[arg-type]

    with pytest.raises(ConnectError, match="cannot be reached"):
        SSH(target).open()


def test_a_lost_connection_is_opened_again(sshd: Sshd, ssh: SSH) -> None:
    """A connection that died between two phases is renewed."""
    ssh.run("true\n", timeout=10)
    assert ssh._connection is not None
    ssh._connection.transport.close()

    assert ssh.run("echo back\n", timeout=10).stdout == "back\n"


def test_a_connection_cut_in_the_middle_is_an_error(ssh: SSH) -> None:
    """A server that dies while a script runs is noticed."""
    with pytest.raises(LostError, match="lost"):
        ssh.run("kill -9 $PPID\nsleep 5\n", timeout=20)


def test_a_script_that_a_signal_ends_has_lost_no_connection(ssh: SSH) -> None:
    """It has an exit code like any other, and the connection goes on."""
    ssh.open()
    connection = ssh._connection

    result = ssh.run("kill -9 $$\n", timeout=20)

    assert result.exit_code == 255
    assert "signal" in result.stderr
    assert ssh._connection is connection


def test_what_is_asked_is_asked_again_when_the_connection_is_lost(sshd: Sshd, host: Host) -> None:
    """Once, over a new connection; a script that changes the host is not, for nobody knows how far it came."""
    once = sshd.folder / "asked"

    answer = host.ask(f"[ -e {once} ] || {{ touch {once}; kill -9 $PPID; sleep 5; }}; echo yes\n", wait=False)

    assert answer == "yes\n"
    with pytest.raises(LostError):
        host.ask("kill -9 $PPID; sleep 5\n", wait=False)
    changes = sshd.folder / "changes"
    with pytest.raises(LostError):
        host.change(f"echo one >>{changes}; kill -9 $PPID; sleep 5\n")
    assert changes.read_text() == "one\n"


def test_all_lanes_go_on_over_one_new_connection(sshd: Sshd, host: Host) -> None:
    """The last one to notice that the old one was lost leaves the new one alone."""
    folder = sshd.folder
    script = f"touch {folder}/$1; until [ -e {folder}/go ]; do sleep 0.05; done; echo $PPID"

    def lane(number: int) -> str:
        return host.ask(f"set -- {number}\n{script}\n", wait=False)

    def cut(_: int) -> str:
        while len(list(folder.glob("[0-5]"))) < 6:
            time.sleep(0.02)
        host.ask(f"[ -e {folder}/go ] || {{ touch {folder}/go; kill -9 $PPID; sleep 5; }}\n", wait=False)
        return ""

    answers = on_all(list(range(7)), lambda number: cut(number) if number == 6 else lane(number), parallel=7)

    assert all(isinstance(answer, str) for answer in answers.values()), answers
    assert len(set(answers.values()) - {""}) <= 2


def test_a_connection_that_is_closed_on_purpose_is_not_opened_again(host: Host) -> None:
    """Whoever cuts what runs wants its end."""
    threading.Timer(0.5, host.transport.close).start()

    with pytest.raises(ClosedError):
        host.ask("sleep 20\n", wait=False)
    with pytest.raises(ClosedError):
        host.ask("echo back\n", wait=False)


def test_a_login_that_is_refused_is_not_tried_by_all_lanes(sshd: Sshd, host: Host) -> None:
    """Those who waited for it get the same error."""
    host.ask("true\n", wait=False)
    sshd.stop()
    connects = []

    def open_session(self: fabric.Connection) -> None:
        connects.append(self)
        time.sleep(0.5)
        raise OSError("nobody there")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fabric.Connection, "open", open_session)
        host.transport._connection.transport.close()  # type: ignore[attr-defined]
        answers = on_all(range(8), lambda _: host.ask("true\n", wait=False), parallel=8)

    assert {str(answer) for answer in answers.values()} == {"one: cannot be reached by SSH: nobody there"}
    assert len(connects) == 1


def test_a_timeout_is_no_end_for_other_lanes(host: Host) -> None:
    """One script is given up, and the connection with it; what was asked beside it is asked again."""
    answers = on_all([1, 30], lambda seconds: host.ask("sleep 2; echo end\n", timeout=seconds, wait=False))

    assert isinstance(answers[1], ConnectError)
    assert answers[30] == "end\n"


def test_a_jump_host_leads_there(sshd: Sshd) -> None:
    """A host is reached through another one."""
    ssh = SSH(sshd.target(jump=f"{sshd.target().user}@127.0.0.1:{sshd.port}"))

    assert ssh.run("echo through\n", timeout=10).stdout == "through\n"
    ssh.close()


def test_a_login_that_sshd_drops_is_tried_again(sshd: Sshd) -> None:
    """As it does when too many come at once (MaxStartups)."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            door.accept()[0].close()
            guest, house = door.accept()[0], socket.create_connection(("127.0.0.1", sshd.port))
            for one, other in ((guest, house), (house, guest)):
                threading.Thread(target=pour, args=(one, other), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        ssh = SSH(sshd.target(port=door.getsockname()[1]))

        assert ssh.run("echo in\n", timeout=20).stdout == "in\n"
        ssh.close()


def pour(one: socket.socket, other: socket.socket) -> None:
    """All that comes from one socket into the other."""
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)


def test_many_connections_at_once(sshd: Sshd) -> None:
    """Forty logins in thirty threads all answer."""
    connections = [SSH(sshd.target()) for _ in range(40)]

    answers = on_all(connections, lambda one: one.run("echo $$\n", timeout=60).stdout, parallel=30)

    assert len(set(answers.values())) == 40
    for one in connections:
        one.close()


def test_who_is_up_and_lets_nobody_in_is_told_from_who_is_down(sshd: Sshd) -> None:
    """A refused login and a changed host key say that the machine is there."""
    (sshd.folder / "authorized_keys").write_text("")
    with pytest.raises(LoginError):
        SSH(sshd.target()).open()
    sshd.stop()

    with pytest.raises(ConnectError) as caught:
        SSH(sshd.target()).open()
    assert not isinstance(caught.value, LoginError)


def test_a_login_that_hangs_can_be_cut(tmp_path: Path, sshd: Sshd, capfd: pytest.CaptureFixture[str]) -> None:
    """Somebody listens and never says a word: whoever closes the connection ends the wait. Nothing is printed."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        ssh = SSH(sshd.target(port=mute.getsockname()[1], known_hosts=tmp_path / "none", connect_timeout=20.0))

        def log_in() -> None:
            with pytest.raises(ConnectError):
                ssh.open()
            ended.set()

        thread = threading.Thread(target=log_in)
        thread.start()
        began = time.monotonic()
        while not ended.wait(0.1) and time.monotonic() < began + 20:
            ssh.close()
        thread.join()

    assert time.monotonic() - began < 10
    assert capfd.readouterr().err == ""
