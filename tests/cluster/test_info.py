"""`kubeon cluster-info` on a real cluster: when all is well, when one of everything is down, when no API answers.

One cluster; the tests go in order. Measured times are in pytest's summary.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.driver import VERSION, wait_for
from tests.cluster.living import Living
from tests.lab import faults, hosts
from tests.measured import measured

pytestmark = pytest.mark.lab

_MANIFEST = "/etc/kubernetes/manifests/local-haproxy.yaml"
_GONE = "for i in $(seq 120); do crictl ps -q --name haproxy | grep -q . || exit 0; sleep 0.5; done; exit 1"
TOLD_WITHIN = 10  # seconds, with the start of Python and all; of several looks one, for machines are shared
PATIENCE = 180  # seconds


@dataclass
class Looked(Living):
    """The cluster, looked at."""

    def look(self) -> tuple[int, Any, float]:
        """The exit code, the answer, and how many seconds it took with the start of Python and all."""
        began = time.monotonic()
        outcome = self.kubeon.run("cluster-info", self.name, "--timeout", "30", "--output", "json")
        taken = time.monotonic() - began
        value = json.loads(outcome.stdout)
        assert "error" not in value, outcome.text
        print(f"{value['verdict']}: {taken:.1f} s, {value['seconds']:.1f} s of them asking")
        print("".join(f"    {each['severity']} {each['nodes']} {each['what']}\n" for each in value["reasons"]))
        return outcome.exit_code, value, taken

    def says(self, verdict: str) -> bool:
        """Does the screen for people say so? It has the exit code that goes with it."""
        outcome = self.kubeon.run("info", self.name, "--timeout", "30")
        print(outcome.text)
        assert (outcome.exit_code == 0) == ("is healthy" in outcome.stdout.splitlines()[0])
        return outcome.stdout.startswith(f"Cluster {self.name} {verdict}")

    def shows(self, pods: dict[str, int]) -> None:
        """Look until so many system pods are listed: kubelets tell the API of static pods a while after they run."""
        deadline = time.monotonic() + PATIENCE
        while (
            not pods.items() <= (seen := {each["component"]: each["total"] for each in self.look()[1]["pods"]}).items()
        ):
            assert time.monotonic() < deadline, seen
            time.sleep(2)

    def becomes(self, verdict: str) -> tuple[Any, float]:
        """Look until the cluster is so, and that is told in time; the answer, and the seconds that the look took."""
        deadline = time.monotonic() + PATIENCE
        while True:
            code, value, taken = self.look()
            assert code == {"healthy": 0, "degraded": 8, "down": 9}[value["verdict"]]
            if value["verdict"] == verdict and taken < TOLD_WITHIN:
                return value, taken
            assert time.monotonic() < deadline, (taken, value["reasons"])
            time.sleep(2)


def said(value: Any, check: str, node: str = "") -> str:
    """The one reason of this check, about this node."""
    (what,) = [
        reason["what"]
        for reason in value["reasons"]
        if reason["check"] == check and (node in reason["nodes"] if node else not reason["nodes"])
    ]
    return str(what)


@pytest.fixture(scope="module")
def cluster(ha: Living) -> Looked:
    """Handed on: three control planes and two workers, each with a haproxy."""
    return Looked(**vars(ha))


def test_all_is_well(cluster: Looked) -> None:
    """Every host is asked, nothing is changed, and the screen has it all."""
    began = len(cluster.kubeon.logs(cluster.name))
    cluster.shows({"etcd": 3, "kube-apiserver": 3, "kube-proxy": 5, "local-haproxy": 2, "coredns": 2})
    value, _ = cluster.becomes("healthy")
    wait_for(lambda: cluster.says("is healthy"), PATIENCE)
    assert len(cluster.kubeon.logs(cluster.name)) == began
    # Warnings: the disks are this machine's, which may be busy; and the modules before have restarted a lot.
    assert {reason["check"] for reason in value["reasons"]} <= {"Disk", "Pods", "Slow"}
    for node in value["nodes"]:
        assert (node["answers"], node["marked"], node["ready"], node["kubelet"]) == (True, True, True, VERSION)
        assert node["units"] == {"kubelet": "active", "containerd": "active"}
        assert node["runtime"].startswith("containerd://")
        assert node["os"].startswith("Debian")
        assert node["disks"]
        assert abs(node["clockOffsetSeconds"]) < 5
    assert value["clocks"]["skewSeconds"] < 1
    assert [server["ready"] for server in value["api"]["servers"]] == [True] * 3
    assert [each["works"] for each in value["api"]["workers"]] == [True] * 2
    assert all(each["text"].count(":6443 UP") == 3 for each in value["api"]["workers"])
    etcd = value["etcd"]
    assert (etcd["voters"], etcd["answering"], etcd["mayFail"], etcd["alarms"]) == (3, 3, 1, [])
    assert sum(member["leader"] for member in etcd["members"]) == 1
    assert all(member["dbSizeBytes"] > 0 and member["version"].startswith("3.") for member in etcd["members"])
    assert value["certificates"]["first"]["daysLeft"] > 36000
    assert value["certificates"]["count"] >= 3 * 10 + 2 * 2
    assert value["operation"]["last"]["result"] == "ok"
    assert value["operation"]["running"] is None


def test_one_of_everything_is_down(cluster: Looked) -> None:
    """A control plane without power, a worker's kubelet stopped, another one's haproxy gone: all in one look."""
    dead, (stopped, cut) = cluster.control_planes[0], cluster.workers
    hosts.ssh(stopped, "systemctl stop kubelet")
    hosts.ssh(cut, f"mv {_MANIFEST} /root/; " + _GONE)
    faults.power_off(dead)

    value, taken = cluster.becomes("degraded")  # it may have led etcd, which has no leader then for a second

    assert "cannot be reached by SSH" in said(value, "Unreachable", dead.name)
    assert said(value, "Etcd") == f"etcd: {dead.name} does not answer: 3 voters, 2 answer, 2 needed: none may fail"
    assert said(value, "Kubelet", stopped.name).startswith("kubelet is inactive")
    assert "haproxy does not answer" in said(value, "ApiLoadBalancer", cut.name)
    assert not [reason for reason in value["reasons"] if reason["severity"] == "down"]
    measured(f"one of everything down: told within {taken:.1f} s")


def test_no_api_answers(cluster: Looked) -> None:
    """Two more control planes without their API server: what the hosts know is the answer."""
    for host in cluster.control_planes[1:]:
        hosts.ssh(host, "systemctl stop kubelet; crictl stop $(crictl ps -q --name 'kube-apiserver|^etcd$')")

    value, taken = cluster.becomes("down")

    assert said(value, "Api").startswith("no API server is ready")
    assert said(value, "Etcd").startswith("no member of etcd answers; of 3 voters 2 are needed")
    for host in cluster.control_planes[1:]:
        assert said(value, "Kubelet", host.name).startswith("kubelet is inactive")
        static = [r["what"] for r in value["reasons"] if r["check"] == "StaticPod" and host.name in r["nodes"]]
        assert {what.partition(" (")[0] for what in static} >= {
            "etcd: its container exited",
            "kube-apiserver: its container exited",
        }
    assert [node["ready"] for node in value["nodes"]] == [None] * 5
    measured(f"down: told within {taken:.1f} s")


def test_all_comes_back(cluster: Looked) -> None:
    """Once every host does again what it did."""
    hosts.ssh(cluster.workers[1], f"mv /root/{_MANIFEST.rpartition('/')[2]} {_MANIFEST}")
    for host in (*cluster.control_planes[1:], cluster.workers[0]):
        hosts.ssh(host, "systemctl start kubelet")
    faults.power_on(cluster.control_planes[0])

    began = time.monotonic()
    cluster.becomes("healthy")
    measured(f"healthy again after {time.monotonic() - began:.0f} s")
