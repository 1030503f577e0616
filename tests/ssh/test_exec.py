"""`kubeon exec` against a real sshd that is many hosts."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kubeon.hosts import command
from tests.ssh.conftest import Ran, Sshd

pytestmark = pytest.mark.timed
Kubeon = Callable[..., Ran]
NUMBER = "n=$(echo $SSH_CONNECTION | cut -d' ' -f3 | cut -d. -f3,4)"  # of a host: "1.2" is w1


def test_output_comes_by_line_under_its_hosts_name(kubeon: Kubeon) -> None:
    """Streams stay apart, a last line without a newline gets one, and the end says how it went."""
    ran = kubeon("exec", "many@w*", "--", "sh", "-c", "echo one; echo bad >&2; printf two")

    assert ran.code == 0
    assert sorted(ran.out.splitlines()) == [b"w1: one", b"w1: two", b"w2: one", b"w2: two"]
    assert sorted(ran.err.splitlines())[1:] == ["w1: bad", "w2: bad"]
    assert ran.err.splitlines()[-1].startswith("2 hosts: ok (")


def test_words_are_quoted_once(kubeon: Kubeon) -> None:
    """What is a word here is one there; one word alone is a line for the shell."""
    words = ["a  b", "it's", '"$HOME"', "*", "-n", "", "x\ny"]

    ran = kubeon("exec", "many@cp1", "--no-prefix", "--", "printf", "<%s>", *words)
    line = kubeon("exec", "many@cp1", "--no-prefix", "echo one | tr a-z A-Z; exit 3")

    assert ran.out.decode() == "".join(f"<{word}>" for word in words)
    assert (line.code, line.out) == (1, b"ONE\n")
    assert "cp1: exit code 3" in line.err


def test_input_and_output_may_be_any_bytes(kubeon: Kubeon) -> None:
    """All of standard input goes to every host; from one host every byte comes back as it is."""
    data = os.urandom(300_000)

    ran = kubeon("exec", "many@cp1", "--stdin", "--no-prefix", "--", "cat", stdin=data)
    each = kubeon("exec", "many@all", "--stdin", "--fold", "--", "wc", "-c", stdin=data)
    none = kubeon("exec", "many@cp1", "--", "cat", stdin=b"not for it")

    assert ran.out == data
    assert each.out == b"==> cp1,w[1-2] (3 hosts) <==\n300000\n"
    assert none.out == b""


def test_a_long_line_is_one_line(kubeon: Kubeon) -> None:
    """As long as a document of kubectl's."""
    ran = kubeon("exec", "many@cp1", "--", "head -c 700000 /dev/zero | tr '\\0' x; echo; echo end")

    assert ran.out == b"cp1: " + b"x" * 700_000 + b"\ncp1: end\n"


def test_outputs_host_by_host_and_folded(kubeon: Kubeon) -> None:
    """--group keeps a host's output together; --fold shows what is the same once, what differs apart."""
    line = f"{NUMBER}; echo same; [ $n != 1.2 ] || {{ echo other; exit 4; }}"

    grouped = kubeon("exec", "many@all", "--group", line)
    folded = kubeon("exec", "many@all", "--fold", line)

    assert set(grouped.out.decode().split("==> ")[1:]) == {
        "cp1 <==\nsame\n",
        "w2 <==\nsame\n",
        "w1: exit code 4 <==\nsame\nother\n",
    }
    assert folded.out.decode() == "==> cp1,w2 (2 hosts) <==\nsame\n==> w1: exit code 4 <==\nsame\nother\n"
    assert folded.code == 1


def test_json_has_every_host(kubeon: Kubeon) -> None:
    """In the order of the cluster. --output after -- is the command's own."""
    script = "echo $2; echo bad >&2; exit 5"

    ran = kubeon("exec", "many@all", "--output", "json", "--", "sh", "-c", script, "-", "--output", "x")

    found = json.loads(ran.out)
    assert ran.code == 1
    assert found["command"][-2:] == ["--output", "x"]
    assert found["summary"] == {"hosts": 3, "ok": 0, "failed": 3}
    first = found["hosts"][0]
    assert first.pop("seconds") >= 0
    assert first == {"name": "cp1", "address": "10.0.1.1", "exitCode": 5, "stdout": "x\n", "stderr": "bad\n"}
    assert [host["name"] for host in found["hosts"]] == ["cp1", "w1", "w2"]


def test_a_command_that_is_not_there(kubeon: Kubeon) -> None:
    """The shell's words and its exit code."""
    ran = kubeon("exec", "many@w1", "--", "no-such-program", "x")

    assert ran.code == 1
    assert "w1: exit code 127" in ran.err
    assert "no-such-program: not found" in ran.err


def test_a_time_out_ends_the_command_and_its_children(
    kubeon: Kubeon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that ignore SIGTERM or have made process groups of their own, and it is said."""
    monkeypatch.setattr(command, "GRACE", 1)
    script = f"trap '' TERM; timeout 600 sleep 597 & sleep 598 & echo $$ >{tmp_path}/pid; sleep 599"

    ran = kubeon("exec", "many@w1", "--timeout", "1", "--", "sh", "-c", script)

    assert ran.code == 1
    assert "w1: timed out after 1 s" in ran.err
    assert not alive(r"sleep 59[789]$")
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_what_is_left_in_the_background_is_not_waited_for(kubeon: Kubeon) -> None:
    """It lives on, as with nohup; kubeon ends with the command."""
    began = time.monotonic()

    ran = kubeon("exec", "many@w1", "sleep 596 & echo $!")

    os.kill(int(ran.out.split()[1]), signal.SIGTERM)
    assert time.monotonic() - began < 60
    assert ran.code == 0


@pytest.mark.parametrize("presses", [1, 2], ids=["once", "twice"])
def test_ctrl_c_leaves_no_process(kubeon: Kubeon, tmp_path: Path, presses: int) -> None:
    """Once waits until they are gone; after twice they go by themselves."""
    del kubeon  # for its environment
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ssh.loopback", "exec", "many@all", "--", "sh", "-c", "echo $$; sleep 595 | cat"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    pids = [int(process.stdout.readline().split()[1]) for _ in range(3)]

    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130
    if presses == 1:
        assert b"cp1,w[1-2]: interrupted" in err
        assert gone(pids, patience=0)
    assert gone(pids, patience=30)
    assert not alive("sleep 595$")


def test_a_flood_does_not_fill_the_memory(kubeon: Kubeon) -> None:
    """Output that nobody takes is not read; the reader that goes away ends the command."""
    del kubeon
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ssh.loopback", "exec", "many@w1", "--", "yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    process.stdout.read(1000)
    time.sleep(2)

    status = Path(f"/proc/{process.pid}/status").read_text()
    process.stdout.close()

    assert int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) < 200_000  # KiB
    assert process.wait(timeout=60) == 130


def test_history_shows_it(kubeon: Kubeon) -> None:
    """Who, what and how it ended, host by host; never what went in by standard input."""
    kubeon("exec", "many@w*", "--stdin", "--", "sh", "-c", f"cat >/dev/null; {NUMBER}; test $n = 1.2", stdin=b"hunter2")

    found = json.loads(kubeon("history", "many", "--last", "--output", "json").out)

    text = json.dumps(found)
    assert "many@w*" in text
    assert "exit code 1" in text
    assert "hunter2" not in text
    assert '"result": "failed"' in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["many", "--", "ls"], "does not say which hosts"),
        (["@w1", "--", "ls"], "no cluster is named"),
        (["none@w1", "--", "ls"], "there is no cluster none"),
        (["many@w7", "--", "ls"], "no node 'w7'"),
        (["many@w1"], "Missing argument"),
        (["many@w1", "--group", "--fold", "--", "ls"], "exclude each other"),
        (["many@w1", "--timeout", "0", "--", "ls"], "--timeout"),
    ],
)
def test_what_cannot_be_meant_is_refused(kubeon: Kubeon, words: list[str], says: str) -> None:
    """Before anybody logs in."""
    ran = kubeon("exec", *words)

    assert ran.code in (2, 6)
    assert says in ran.err


def test_the_current_cluster_is_named(kubeon: Kubeon) -> None:
    """@SELECTOR is about it, and it is said which that is."""
    kubeon("use", "many")

    ran = kubeon("exec", "@w1", "--", "echo", "here")

    assert ran.out == b"w1: here\n"
    assert "Cluster many, the current one." in ran.err


def test_forty_hosts_one_slow_one_dead(kubeon: Kubeon, module_sshd: Sshd, tmp_path: Path) -> None:
    """Every answer is its host's own; a host that is dead or slow holds up nobody else."""
    many_hosts(kubeon, module_sshd, tmp_path, 40)


@pytest.mark.lab  # for its length; it needs no lab
@pytest.mark.alone
def test_three_hundred_hosts_one_slow_one_dead(kubeon: Kubeon, module_sshd: Sshd, tmp_path: Path) -> None:
    """The same at full size."""
    many_hosts(kubeon, module_sshd, tmp_path, 300)


def many_hosts(kubeon: Kubeon, sshd: Sshd, folder: Path, count: int) -> None:
    """w5 is slow, w6 is dead."""
    sshd.cluster(folder, hosts=count, dead="w6")

    ran = kubeon("exec", "many@all", f"{NUMBER}; [ $n != 1.6 ] || sleep 2; echo $n")

    hosts = [f"w{number}" if number else "cp1" for number in range(count)]
    wanted = {f"{host}: {1 + number // 250}.{1 + number % 250}" for number, host in enumerate(hosts) if host != "w6"}
    assert ran.code == 1
    assert set(ran.out.decode().splitlines()) == wanted
    assert f"1 of {count} hosts failed" in ran.err
    assert "w6: cannot be reached by SSH" in ran.err


def alive(pattern: str) -> list[str]:
    """Processes whose command line is like this."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in found if re.search(pattern, line)]


def gone(pids: list[int], patience: float) -> bool:
    """Have they ended?"""
    deadline = time.monotonic() + patience
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
