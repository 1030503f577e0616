"""One cluster that is interrupted in every way, again and again; the same command continues. The tests go in order."""

import json
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.cluster import snapshot
from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, Outcome, Run, kubectl, nodes, sources
from tests.lab import faults, hosts, machine
from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab

NOTICED = 75  # seconds; a host that is gone is noticed 30 s after the first packet that it does not answer
WORKING = "[kubelet-start]"  # what kubeadm says when it has begun to change the host


def often(*values: Any) -> Any:
    """One more moment, for the soak."""
    return pytest.param(*values, marks=pytest.mark.soak)


@dataclass
class Kappa:
    """The cluster of this module."""

    kubeon: Kubeon
    hosts: list[LabHost]
    bare: dict[str, snapshot.Snapshot] = field(repr=False)
    name: str = "kappa"

    def start(self, *words: str) -> Run:
        """kubeon with these words; else the command that makes the cluster."""
        create = ["create", self.name, VERSION, *nodes(self.hosts[:1], self.hosts[1:]), *sources(), "--yes"]
        return self.kubeon.watched(self.name, *(words or create))

    def fingerprint(self) -> str:
        """Of the CA on record."""
        return (self.kubeon.home / "clusters" / self.name / "pki" / "ca.crt").read_text()

    def ready(self) -> dict[str, str]:
        """Every node's condition Ready."""
        items = json.loads(kubectl(self.hosts[0], "get nodes -o json"))["items"]
        return {
            item["metadata"]["name"]: next(c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready")
            for item in items
        }


@pytest.fixture(scope="module")
def kappa(up: Up, module_kubeon: Kubeon) -> Kappa:
    """Three bare hosts that are to become a cluster."""
    three = up("k1", "k2", "k3")
    return Kappa(module_kubeon, three, snapshot.settled(three))


def test_one_at_a_time(kappa: Kappa) -> None:
    """A second kubeon is refused while the first one works, and told who that is."""
    first = kappa.start()
    first.reach(r"\[prepare-host\]: started")

    second = kappa.start().end()

    first.kill()
    assert second.exit_code == 6, second.text
    assert f"process {first.process.pid}" in second.text
    assert "runs create" in second.text


@pytest.mark.parametrize(
    "moment",
    [
        often(r"\[prepare-host\]: (started|changed)"),
        r"\[install-packages\]: started",
        often(r"sending kubernetes|sending kubelet|sending containerd"),
        often(r"\[start-runtime\]: started"),
    ],
)
def test_killed_while_hosts_are_prepared(kappa: Kappa, moment: str) -> None:
    """Wherever it was: the next run comes further."""
    run = kappa.start()
    run.reach(moment)
    run.kill()


def test_ctrl_c_finishes_what_runs(kappa: Kappa) -> None:
    """What had begun is brought to its end, nothing more begins, and it says how to go on."""
    run = kappa.start()
    run.reach("sending .* images")
    run.process.send_signal(signal.SIGINT)

    outcome = run.end()

    log = run.logs()[0].read_text()
    assert outcome.exit_code == 130, outcome.text
    assert "kubeon create" in outcome.text
    for started in re.findall(r"(\S+: .* \[\S+\]): started", log):
        assert re.search(re.escape(started) + ": (ok|changed)", log), started
    assert "[init-control-plane]" not in log


@pytest.mark.parametrize(
    "moment",
    [
        often(r"sending .* images|\[import-images\]: ok"),
        often(r"\[place-certificates\]: started"),
        rf"k1: {re.escape(WORKING)}",
        often(r"k1: \[upload-config\]"),
        often(r"k1: \[addons\]"),
    ],
)
def test_killed_while_the_control_plane_is_made(kappa: Kappa, moment: str) -> None:
    """`kubeadm init` is taken up again wherever it was."""
    run = kappa.start()
    run.reach(moment)
    run.kill()


def test_a_worker_without_sshd(kappa: Kappa) -> None:
    """Its connections end in the middle of its join: exit code 5 and its name; the others become a cluster.

    It is what the next ones need.
    """
    run = kappa.start()
    run.reach(rf"k2: {re.escape(WORKING)}")
    faults.stop_sshd(kappa.hosts[1])
    _inside(kappa.hosts[1], "pkill -KILL sshd")

    outcome = run.end()

    faults.start_sshd(kappa.hosts[1])
    assert outcome.exit_code == 5, outcome.text
    assert "k2" in outcome.text
    assert {"k1": "True", "k3": "True"}.items() <= kappa.ready().items()


@pytest.mark.parametrize(
    ("fault", "undo"),
    [often(faults.cut, faults.restore), often(faults.power_off, faults.power_on)],
)
def test_a_worker_that_is_gone(kappa: Kappa, fault: Callable[[LabHost], None], undo: Callable[[LabHost], None]) -> None:
    """Cable or plug pulled in the middle of its join: noticed in time, and the others are as before."""
    _not_joined(kappa)
    run = kappa.start()
    run.reach(r"k2: .*\[join-workers\]: started")
    fault(kappa.hosts[1])

    outcome = run.end(NOTICED)

    undo(kappa.hosts[1])
    assert outcome.exit_code == 5, outcome.text
    assert "k2" in outcome.text
    assert {"k1": "True", "k3": "True"}.items() <= kappa.ready().items()


@pytest.mark.parametrize(
    "moment",
    [
        often(rf"k2: {re.escape(WORKING)}"),
        often(r"k2: .*\[register-node\]: started"),
        often(r"\[verify-cluster\]: started"),
    ],
)
def test_killed_while_nodes_join(kappa: Kappa, moment: str) -> None:
    """A join that was cut off is taken up again; so is everything after it."""
    if WORKING in moment.replace("\\", ""):
        _not_joined(kappa)
    run = kappa.start()
    run.reach(moment)
    run.kill()


def test_a_second_ctrl_c_stops_at_once(kappa: Kappa) -> None:
    """In the middle of a join, which is cut off, too."""
    _not_joined(kappa)
    run = kappa.start()
    run.reach(rf"k2: {re.escape(WORKING)}")

    outcome = _ctrl_c_twice(run)

    assert outcome.exit_code == 130, outcome.text
    assert "cut off" in outcome.text
    assert "kubeon create" in outcome.text


@pytest.mark.soak
def test_connections_that_are_lost_while_others_work(kappa: Kappa) -> None:
    """Those to the control plane are, while workers join: it is asked on new ones, and nothing fails."""
    _not_joined(kappa)
    run = kappa.start()
    run.reach(rf"k2: {re.escape(WORKING)}")
    _inside(kappa.hosts[0], "pkill -KILL -f '^sshd: root@'")

    outcome = run.end()

    assert outcome.exit_code == 0, outcome.text


def test_the_same_command_ends_with_a_ready_cluster(kappa: Kappa) -> None:
    """After all that: every node is Ready, it is the cluster that was begun, and there is nothing more to do."""
    began_with = kappa.fingerprint()

    last, again = kappa.start().end(), kappa.start().end()

    assert last.exit_code == 0, last.text
    assert kappa.ready() == {"k1": "True", "k2": "True", "k3": "True"}
    assert kappa.fingerprint() == began_with
    assert all(hosts.ssh(host, "cat /etc/kubernetes/pki/ca.crt").stdout == began_with for host in kappa.hosts)
    assert "nothing was changed" in again.text
    assert kubectl(kappa.hosts[0], "get secrets -n kube-system -o name | grep bootstrap-token", check=False) == ""


def test_a_destroy_that_is_cut_off_is_taken_up_again(kappa: Kappa) -> None:
    """By a second Ctrl-C, by SIGKILL; and then the hosts are as they were before everything."""
    words = ("destroy", kappa.name, "--yes", "--remove-packages")
    run = kappa.start(*words)
    run.reach(r"\[clean-host\]: started")
    stopped = _ctrl_c_twice(run)
    run = kappa.start(*words)
    run.reach(r"\[clean-host\]: started")
    time.sleep(0.5)  # so that some of it is done
    run.kill()

    outcome = kappa.start(*words).end()

    assert stopped.exit_code == 130, stopped.text

    assert outcome.exit_code == 0, outcome.text
    after = snapshot.settled(kappa.hosts)
    left = snapshot.differences(kappa.bare, after, look=snapshot.without_times, ignore=snapshot.PACKAGE_RECORDS)
    assert not left, "\n".join(left)


@pytest.mark.soak
def test_a_control_plane_that_is_gone(up: Up, module_kubeon: Kubeon) -> None:
    """Its cable is pulled in the middle of `kubeadm init`: exit code 5, and the same command ends well."""
    (only,) = up("k4")
    lone = Kappa(module_kubeon, [only], {}, name="lone")
    run = lone.start()
    run.reach(rf"k4: {re.escape(WORKING)}")
    faults.cut(only)

    outcome = run.end(NOTICED)

    faults.restore(only)
    assert outcome.exit_code == 5, outcome.text
    assert "k4" in outcome.text
    finished = lone.start().end()
    assert finished.exit_code == 0, finished.text
    assert lone.ready() == {"k4": "True"}


def _ctrl_c_twice(run: Run) -> Outcome:
    """How it ended, in seconds rather than when all that had begun was done."""
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # signals that come together are one
    return run.end(20)


def _inside(host: LabHost, command: str) -> None:
    machine.podman("exec", host.container, "sh", "-c", command, check=False)


def _not_joined(kappa: Kappa) -> None:
    """Make the worker one that has not joined yet: its Node is gone, and the kubelet's configuration."""
    kubectl(kappa.hosts[0], "delete node k2 --ignore-not-found")
    hosts.ssh(kappa.hosts[1], "systemctl stop kubelet; rm -f /var/lib/kubelet/config.yaml")
