"""The script that looks why kubeadm has failed, run for real in several shells, and its parser."""

import json
import os
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon.hosts.failure import Exit, Trouble, failure_script, parse_failure
from kubeon.hosts.health import health_script
from kubeon.hosts.looking import Container, Unit
from tests.hosts.test_health import SHELLS

POD = "kube-system_kube-apiserver-cp1_0ee072e9"
LOG = f"/var/log/pods/{POD}/kube-apiserver/3.log"
UNITS = "Id=kubelet.service\nLoadState=loaded\nActiveState=active\nSubState=running\nResult=success\n"
LISTED = {
    "metadata": {"name": "kube-apiserver", "attempt": 3},
    "state": "CONTAINER_EXITED",
    "createdAt": "1700000000000000002",
    "labels": {"io.kubernetes.pod.name": "kube-apiserver-cp1"},
}
# what crictl, the kubelet and containerd print
PROGRAMS = {
    "systemctl": f"cat <<'END'\n{UNITS}END\n",
    "journalctl": """\
case $2 in
kubelet.service)
    printf '%s\\n' 'I1129 10:00:00.1 7 a.go:1] "Well"' 'E1129 10:00:00.2 7 a.go:2] "Failed" err="no"' '@@kubeon end' ;;
containerd.service) echo 'time="x" level=info msg=well'; echo 'time="x" level=error msg=ill error="E @@kubeon end"' ;;
esac
[ "$4" = -90s ]
""",
    "crictl": """\
case "$1 $3" in
"ps --quiet") printf 'new\\nold\\n' ;;
"ps --label") cat "$STATE/listed" ;;
"inspect json") cat "$STATE/$4" ;;
esac
""",
}


def inspected(name: str, ended: float, code: int) -> str:
    """What crictl says of a container that has ended at this moment."""
    status = {
        "metadata": {"name": name, "attempt": 3},
        "exitCode": code,
        "reason": "Error",
        "finishedAt": datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
        "logPath": LOG,
    }
    return json.dumps({"status": status, "info": {"pid": 0}}, indent=2)


@pytest.fixture
def ill(tmp_path: Path) -> Path:
    """A folder that stands for a host whose API server ends."""
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "listed").write_text(json.dumps({"containers": [LISTED]}))
    (tmp_path / "new").write_text(inspected("kube-apiserver", time.time() - 5, 1))
    (tmp_path / "old").write_text(inspected("etcd", time.time() - 500, 2))
    for path, text in {
        "/etc/kubernetes/manifests/kube-apiserver.yaml": "",
        "/proc/meminfo": "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:   1000 kB\n",
        LOG: "2026-11-29T10:00:00.1Z stderr F @@kubeon end\n2026-11-29T10:00:00.1Z stderr F Error: no such flag\n",
        LOG.replace("3.log", "1.log"): "old\n",
    }.items():
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@SHELLS
def test_script_tells_what_the_host_says(shell: list[str], ill: Path) -> None:
    """Errors only, what ended in the time that counts with its last lines; nobody's words are taken for a section."""
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    environment = {"PATH": f"{ill}/bin:{os.environ['PATH']}", "STATE": str(ill)}

    done = subprocess.run(
        shell,
        input=failure_script(89.5, root=str(ill)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    seen = parse_failure(done.stdout, 89.5)

    assert (done.returncode, done.stderr) == (0, "")
    assert seen.units == {"kubelet": Unit("kubelet", "loaded", "active", "running", "success")}
    assert seen.static_pods == ("kube-apiserver",)
    assert seen.containers == (Container("kube-apiserver", "kube-apiserver-cp1", "exited", 3),)
    assert seen.kubelet == ('E1129 10:00:00.2 7 a.go:2] "Failed" err="no"',)
    assert seen.runtime == ('time="x" level=error msg=ill error="E @@kubeon end"',)
    assert seen.exits == (Exit("kube-apiserver", 3, 1, "Error", ("@@kubeon end", "Error: no such flag")),)
    assert [disk.folder for disk in seen.disks] == ["/"]
    assert seen.memory == (1000, 2000)


def test_a_host_that_says_nothing(tmp_path: Path) -> None:
    """No program is there, and nothing hangs."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cat", "cut", "date", "df", "grep", "head", "ls", "sed", "tail", "timeout"):
        (tools / name).symlink_to(shutil.which(name) or "")
    script = failure_script(1, root=str(tmp_path)).replace("PATH=$PATH:", "PATH=$PATH # ")

    done = subprocess.run(
        [shutil.which("sh") or "sh"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": str(tools)},
    )

    assert (done.returncode, done.stderr) == (0, "")
    seen = parse_failure(done.stdout, 1)
    assert (seen.units, seen.containers, seen.exits, seen.kubelet) == ({}, None, (), ())


def test_no_cut_or_garbled_answer_raises(ill: Path) -> None:
    """What kubeadm has said must not be hidden by what the host says then."""
    environment = {"PATH": f"{ill}/bin:{os.environ['PATH']}", "STATE": str(ill)}
    script = failure_script(90, root=str(ill))
    text = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False, env=environment).stdout
    for end in range(0, len(text), 7):
        parse_failure(text[:end], 90)
    for old, new in (("1", "x"), ("{", "["), (":", " "), ('"', ""), ("3", "99999999999999999999"), ("Z", "")):
        parse_failure(text.replace(old, new), 90)
    parse_failure(text.replace('"exitCode"', '"exitCode": ' + "[" * 100000 + '"'), 90)

    assert parse_failure("", 90) == Trouble()


def test_shellcheck(tmp_path: Path) -> None:
    """Of the whole scripts."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    for name, script in (("failure", failure_script(90)), ("health", health_script({"way": (1, "true\n")}))):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}")

    done = subprocess.run(
        ["shellcheck", str(tmp_path / "failure"), str(tmp_path / "health")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
