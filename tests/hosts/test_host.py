"""Scripts on a host, one after the other: who waits says for what."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from kubeon.errors import CommandError
from kubeon.hosts import host as hosts
from kubeon.hosts.host import Host
from kubeon.spec.model import NodeSpec
from kubeon.transport.base import Result


class Here:
    """This machine, with another folder for /run."""

    def __init__(self, run: Path) -> None:
        self.folder = run

    def run(
        self,
        script: str,
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """See transport.base.Transport."""
        del stdin
        script = script.replace("/run", str(self.folder)).replace("-w 2 ", "-w 0.1 ")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=timeout)
        for line in done.stdout.splitlines() if on_line else ():
            on_line(line)  # type: ignore[misc]
        return Result(done.stdout, done.stderr, done.returncode)

    def close(self) -> None:
        """See transport.base.Transport."""


def a_host(folder: Path) -> tuple[Host, list[str]]:
    """And what it tells of waiting."""
    host = Host(NodeSpec.model_validate({"address": "10.0.0.1", "role": "worker"}), "w1", Here(folder))
    told: list[str] = []
    host.on_wait = told.append
    return host, told


def test_who_waits_says_for_what_and_since_when(tmp_path: Path) -> None:
    """The script's own output is as if it had not waited."""
    host, told = a_host(tmp_path)
    lines: list[str] = []
    note = f'echo "$(($(date +%s) - 85))" kubeadm upgrade >{tmp_path}/kubeon-busy'
    # it goes on until somebody who waits for it has looked what it is
    until = f'while [ "$(stat -c %X {tmp_path}/kubeon-busy)" = 1 ]; do :; done'
    script = f"exec 9<{tmp_path}; flock -x 9; {note}; touch -a -d @1 {tmp_path}/kubeon-busy; echo held; {until}"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert host.ask("echo mine\n", on_line=lines.append) == "mine\n"

    assert lines == ["mine"]
    [text] = told
    assert text.startswith("waits for a command of an earlier run to end: kubeadm upgrade, which began 8")


def test_what_waits_for_nobody_says_nothing(tmp_path: Path) -> None:
    """And notes what it is."""
    host, told = a_host(tmp_path)

    assert host.change("echo done\n", what="bring kubeadm") == "done\n"

    assert told == []
    assert (tmp_path / "kubeon-busy").read_text().split(" ", 1)[1] == "bring kubeadm\n"


def test_who_waits_in_vain_says_for_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of running beside it."""
    host, _ = a_host(tmp_path)
    monkeypatch.setattr(hosts, "LOCK_WAIT", 0.1)
    script = f'exec 9<{tmp_path}; flock -x 9; echo "1 kubeadm upgrade" >{tmp_path}/kubeon-busy; echo held; read line'
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(CommandError, match="still busy on this host: kubeadm upgrade"):
            host.change("echo mine\n")
        holder.kill()
