"""The script of cluster-info, run for real in several shells, and its parser."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubeon.hosts.health import Answer, HostHealth, health_script, parse_health
from kubeon.hosts.looking import Container, Disk, Unit
from kubeon.hosts.marks import Mark

SHELLS = pytest.mark.parametrize(
    "shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]], ids=lambda shell: shell[0]
)
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n"
ANSWER = f"""
@@kubeon clock-first
{NOW.timestamp() + 2.25:.2f}
@@kubeon hostname
W1
@@kubeon os-release
ID=debian
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
@@kubeon uptime
3600.51 7000.02
@@kubeon cluster-marker
demo 0123

@@kubeon units
Id=kubelet.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
Result=exit-code
ExecMainStatus=255
NRestarts=7

Id=containerd.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
ExecMainStatus=0
NRestarts=0

@@kubeon kubelet-says
one
failed to run Kubelet: cgroup driver differs

@@kubeon disks
space / /dev/vda1 1000 600 400 60% /
inodes / /dev/vda1 100 90 10 90% /
space /var/lib/kubelet /dev/vda1 1000 600 400 60% /
inodes /var/lib/kubelet /dev/vda1 0 0 0 - /

@@kubeon static-pods
etcd.yaml
kube-apiserver.yaml

@@kubeon containers
{{"containers": [
 {{"metadata": {{"name": "etcd", "attempt": 3}}, "state": "CONTAINER_RUNNING", "createdAt": "1700000000000000002",
   "labels": {{"io.kubernetes.pod.name": "etcd-cp1"}}}},
 {{"metadata": {{"name": "etcd", "attempt": 2}}, "state": "CONTAINER_EXITED", "createdAt": "1700000000000000001",
   "labels": {{"io.kubernetes.pod.name": "etcd-cp1"}}}}]}}

@@kubeon certificates
file /etc/kubernetes/pki/ca.crt
{PEM}file /etc/kubernetes/kubelet.conf
file /etc/kubernetes/pki/apiserver.crt
-----BEGIN CERTIFICATE-----
AA

@@kubeon ask way
first
haproxy does not answer

@@exit 1

@@kubeon said way

@@kubeon ask api
ok
@@exit 0

@@kubeon said api
W0131 a warning
a last one

@@kubeon ask etcd-health
still under way
@@kubeon clock-last
{NOW.timestamp() + 2.75:.2f}

@@kubeon end
"""


def test_an_answer_becomes_values() -> None:
    """Every section."""
    health = parse_health(ANSWER, NOW, NOW + SECOND)

    assert health == HostHealth(
        hostname="W1",
        os_name="Debian GNU/Linux 12 (bookworm)",
        uptime=3600.51,
        mark=Mark("demo", "0123"),
        units={
            "kubelet": Unit("kubelet", "loaded", "activating", "auto-restart", "exit-code", 255, 7),
            "containerd": Unit("containerd", "loaded", "active", "running", "success"),
        },
        kubelet_says="failed to run Kubelet: cgroup driver differs",
        disks=(Disk("/", "/", 1000, 400, 90, "inodes"), Disk("/var/lib/kubelet", "/", 1000, 400, 60)),
        static_pods=("etcd", "kube-apiserver"),
        containers=(Container("etcd", "etcd-cp1", "running", 3),),
        certificates={"/etc/kubernetes/pki/ca.crt": PEM.encode()},
        clock=(1.75, 2.25),
        answers={
            "way": Answer("first\nhaproxy does not answer", 1),
            "api": Answer("ok", 0, "W0131 a warning\na last one"),
            "etcd-health": Answer("still under way", None),
        },
        complete=True,
    )
    assert [answer.why for answer in health.answers.values()] == [
        "haproxy does not answer",
        "a last one",
        "it does not answer in time",
    ]


def test_no_cut_or_garbled_answer_raises() -> None:
    """Wherever it is cut off or garbled, the parser gives what it can. What was not said is not known."""
    for end in range(0, len(ANSWER), 7):
        parse_health(ANSWER[:end], NOW, NOW)
    parse_health(ANSWER.replace("1", "x"), NOW, NOW)
    parse_health(ANSWER.replace("=", " "), NOW, NOW)

    assert parse_health("", NOW, NOW) == HostHealth()


def test_a_clock_is_judged_by_what_is_sure() -> None:
    """A slow way there or back makes it less sure, never wrong; a date without %N gives whole seconds."""
    first, last = (f"@@kubeon clock-{which}\n{NOW.timestamp() + 1:.0f}.000\n" for which in ("first", "last"))

    assert parse_health(first + last, NOW, NOW + 5 * SECOND).clock == (-4.0, 1.0)
    assert parse_health(first, NOW, NOW + 5 * SECOND).clock == (-4.0, 1.0)
    assert parse_health(first.replace(".000", ".%N"), NOW, NOW + SECOND).clock == (0.0, 2.0)
    assert parse_health("@@kubeon clock-first\nnever\n", NOW, NOW).clock is None


@SHELLS
def test_script_answers_in_every_shell(shell: list[str], tmp_path: Path) -> None:
    """It tells what is true here; scripts that are asked cannot eat the rest, nor hold it up; keys stay."""
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    pki = tmp_path / "var/lib/kubelet/pki"
    pki.mkdir(parents=True)
    (pki / "kubelet-client-current.pem").write_text(PEM + KEY)
    (tmp_path / "etc/kubernetes/manifests").mkdir(parents=True)
    (tmp_path / "etc/kubernetes/manifests/etcd.yaml").touch()
    (tmp_path / "etc/kubernetes/admin.conf").write_text(f"    client-certificate-data: {'LS0tLS0='}\n{KEY}")
    asked = {
        "eater": (5, "cat\necho 'what it prints'; echo and says >&2\nexit 3\n"),
        "quoted": (5, "timeout 10 bash -s <<'INNER'\necho \"$((1 + 1))\"\nINNER\n"),
        "sleeper": (1, "echo before; exec sleep 60\n"),
    }

    sent = datetime.now(UTC)
    done = subprocess.run(
        shell, input=health_script(asked, root=str(tmp_path)), capture_output=True, text=True, check=False, timeout=30
    )
    health = parse_health(done.stdout, sent, datetime.now(UTC))

    assert (done.returncode, done.stderr) == (0, "")
    assert health.complete
    assert health.kernel
    assert health.static_pods == ("etcd",)
    assert health.certificates == {"/var/lib/kubelet/pki/kubelet-client-current.pem": PEM.encode()}
    assert "SECRET" not in done.stdout
    assert {disk.folder for disk in health.disks} == {"/", "/var/lib/kubelet"}
    assert health.clock is not None
    assert health.clock[0] <= 0 <= health.clock[1]
    assert health.answers["eater"] == Answer("what it prints", 3, "and says")
    assert health.answers["quoted"] == Answer("2", 0)
    assert health.answers["sleeper"].text.startswith("before")  # busybox adds a word of its own
    assert health.answers["sleeper"].why == "it does not answer in time"
