"""Control planes and workers come and go on one cluster, from one to three and back, dead and alive, cut off, repaired.

Names that substring matching would mix up (n1, n10, n100), a user with a sudo password, hosts with two interfaces. The
tests go in order; after each step etcd has exactly the members it should have, and the data written first is there.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from kubeon.spec.versions import Version, has_cluster_status
from tests.cluster.conftest import Up, control_machine
from tests.cluster.driver import VERSION, Kubeon, Outcome, Run, image, kubectl, sources
from tests.lab import base, faults, hosts
from tests.lab.hosts import LabHost, Snapshot
from tests.measured import measured

pytestmark = pytest.mark.lab

ETCDCTL = (
    "ctr -n k8s.io tasks exec --exec-id test-$$ $(crictl ps --name '^etcd$' -q) etcdctl"
    " --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt"
    " --cert /etc/kubernetes/pki/etcd/healthcheck-client.crt --key /etc/kubernetes/pki/etcd/healthcheck-client.key"
)
# node: the lab's host
INTO_ETCD = r"\[etcd\] Announced new etcd member|\[etcd\] Creating static"
BUDGET = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: kept}
spec:
  replicas: 1
  selector: {matchLabels: {app: kept}}
  template:
    metadata: {labels: {app: kept}}
    spec:
      nodeSelector: {kubernetes.io/hostname: n110}
      containers: [{name: pause, image: "PAUSE"}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: kept}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: kept}}
"""
CONTROL_PLANES = {"n1": "mu-1", "n10": "mu-2", "n100": "mu-3", "n1000": "mu-4", "n11": "mu-5"}
WORKERS = {"n110": "mu-6", "n111": "mu-7"}


@dataclass
class Mu:
    """The cluster of this module, and who should be in it."""

    kubeon: Kubeon
    machines: dict[str, LabHost]  # by node
    control_planes: list[str] = field(default_factory=list)
    name: str = "mu"

    def flags(self, flag: str, *names: str) -> list[str]:
        """-m n1=10.77.0.1 ..."""
        return [word for name in names for word in (flag, f"{name}={self.machines[name].address}")]

    def create(self, *words: str) -> list[str]:
        """The command that makes it, with the first control plane and a worker."""
        wanted = [*self.flags("-m", "n1"), *self.flags("-w", "n110")]
        return ["create", self.name, VERSION, *wanted, *sources(), "--user", "operator", "--yes", *words]

    def start(self, *words: str) -> Run:
        """kubeon in the background."""
        return self.kubeon.watched(self.name, *words)

    def add(self, flag: str, *names: str) -> list[str]:
        """The command."""
        return ["add", self.name, *self.flags(flag, *names), "--yes"]

    def remove(self, selector: str, *words: str) -> list[str]:
        """The command."""
        return ["del", self.name, selector, "--yes", *words]

    def etcd(self, words: str, at: str = "") -> Any:
        """What etcdctl says on a control plane."""
        host = self.machines[at or self.control_planes[0]]
        return json.loads(hosts.ssh(host, f"{ETCDCTL} {words} -w json").stdout)

    def check(self, *control_planes: str) -> None:
        """Just these are members, all of them healthy voters with a node, and nothing that was written is lost."""
        self.control_planes = list(control_planes)
        members = self.etcd("member list")["members"]
        expected = {name: [f"https://{self.machines[name].address}:2380"] for name in control_planes}
        assert {member.get("name"): member["peerURLs"] for member in members} == expected
        assert not any(member.get("isLearner") for member in members)
        health = self.etcd("endpoint health --cluster")
        assert len(health) == len(control_planes)
        assert all(each["health"] for each in health), health
        first = self.machines[control_planes[0]]
        items = json.loads(kubectl(first, "get nodes -l node-role.kubernetes.io/control-plane -o json"))["items"]
        assert {item["metadata"]["name"] for item in items} == set(control_planes)
        assert all(item["spec"].get("taints") for item in items), "a control plane lost its taint"
        assert kubectl(first, "get configmap precious -o jsonpath={.data.text}") == "written before"
        secrets = kubectl(first, "get secrets -n kube-system -o name")
        assert "kubeadm-certs" not in secrets
        assert "bootstrap-token-" not in secrets
        if has_cluster_status(Version.parse(VERSION)):
            status = kubectl(first, "get configmap kubeadm-config -n kube-system -o jsonpath={.data.ClusterStatus}")
            assert {line.strip(" :") for line in status.splitlines() if line.startswith("  n")} == set(control_planes)

    def check_lists(self, *workers: str) -> None:
        """Their haproxies know just these control planes."""
        expected = sorted(f"{self.machines[name].address}:6443" for name in self.control_planes)
        for name in workers:
            text = hosts.ssh(self.machines[name], "cat /etc/kubernetes/local-haproxy/hosts").stdout
            assert sorted(line for line in text.splitlines() if not line.startswith("#")) == expected
            own = f"kubectl --kubeconfig /etc/kubernetes/kubelet.conf get node {name} -o name"
            assert hosts.ssh(self.machines[name], own).stdout == f"node/{name}\n"


@pytest.fixture(scope="module")
def mu(up: Up, prepared: Snapshot, module_kubeon: Kubeon) -> Mu:
    """Seven hosts with a second interface, and an operator whose password is also sudo's."""
    machines = {**CONTROL_PLANES, **WORKERS}
    started = up(*machines.values(), like=prepared)
    module_kubeon.password = base.OPERATOR_PASSWORD
    for number, host in enumerate(started, 1):
        second = f"ip link add second0 type bridge && ip addr add 172.31.7.{number}/24 dev second0"
        hosts.ssh(host, f"{second} && ip link set second0 up")
    return Mu(module_kubeon, dict(zip(machines, started, strict=True)))


def test_one_control_plane(mu: Mu) -> None:
    """And something in it that must never be lost."""
    mu.kubeon.ok(*mu.create())
    kubectl(mu.machines["n1"], "create configmap precious --from-literal=text='written before'")
    mu.check("n1")
    mu.check_lists("n110")


def test_one_to_three(mu: Mu) -> None:
    """The endpoint was a name from the start; a worker comes along."""
    mu.kubeon.ok(*mu.add("-m", "n10", "n100"), *mu.flags("-w", "n111"))
    mu.check("n1", "n10", "n100")
    mu.check_lists("n110", "n111")


def test_again_changes_nothing(mu: Mu) -> None:
    """The same `add`."""
    assert mu.kubeon.data(*mu.add("-m", "n10", "n100"))["changed"] is False


def test_the_first_one_leaves(mu: Mu) -> None:
    """It is a member as any other, and another one comes in its place."""
    shown = mu.kubeon.ok(*mu.remove("@n1")).text
    assert "etcd now: 3 voters, all answer, 2 needed: 1 may fail" in shown
    assert "etcd then: 2 voters, all answer, 2 needed: none may fail" in shown
    mu.check("n10", "n100")
    left = hosts.ssh(mu.machines["n1"], "ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet", check=False)
    assert left.stdout == ""

    mu.kubeon.ok(*mu.add("-m", "n1000"))
    mu.check("n10", "n100", "n1000")
    mu.check_lists("n110", "n111")


def test_a_removal_that_would_break_the_quorum_is_refused(mu: Mu) -> None:
    """In a degraded cluster with the numbers, and so is a member more; of all control planes with the right word."""
    faults.power_off(mu.machines["n10"])
    before = mu.etcd("member list", "n100")["members"]

    refused = mu.kubeon.run(*mu.remove("@n1000"))
    grown = mu.kubeon.run(*mu.add("-m", "n11"))
    whole = mu.kubeon.run(*mu.remove("@cp*"))

    assert refused.exit_code == 4, refused.text
    assert "without n1000 etcd would have 2 voters of which 1 answers, and 2 are needed" in refused.text
    assert "now: 3 voters, 2 answer, 2 needed: none may fail" in refused.text
    assert grown.exit_code == 4, grown.text
    assert hosts.ssh(mu.machines["n11"], "ls -d /etc/kubernetes", check=False).stdout == ""
    assert "4 voters and needs 3, but n10 does not answer" in grown.text
    assert whole.exit_code == 2, whole.text
    assert "kubeon destroy mu" in whole.text
    assert mu.etcd("member list", "n100")["members"] == before


def test_a_dead_one_leaves(mu: Mu) -> None:
    """Nobody waits for it, and without the word nothing is done."""
    refused = mu.kubeon.run(*mu.remove("@n10"))
    began = time.monotonic()
    mu.kubeon.ok(*mu.remove("@n10", "--dead"))

    measured(f"del --dead took {time.monotonic() - began:.0f} s")
    assert refused.exit_code == 4, refused.text
    assert "--dead" in refused.text
    mu.check("n100", "n1000")
    mu.check_lists("n110", "n111")


@pytest.mark.soak
def test_two_to_one_and_what_an_add_began_is_taken_back(mu: Mu) -> None:
    """It never became a member, but its host was being prepared when kubeon was killed."""
    run = mu.start(*mu.add("-m", "n11"))
    run.reach(r"n11: .*\[start-runtime\]: started")
    run.kill()
    mu.kubeon.ok(*mu.remove("@n100+n11"))
    mu.check("n1000")
    mu.check_lists("n110", "n111")
    assert hosts.ssh(mu.machines["n11"], "ls -d /etc/kubernetes /var/lib/kubelet", check=False).stdout == ""


@pytest.mark.soak
def test_a_new_machine_under_an_old_name(mu: Mu, up: Up) -> None:
    """The dead one's replacement: same name, same address, new host key."""
    (mu.machines["n10"],) = up(f"mu-2={mu.machines['n10'].address}")
    mu.kubeon.ok(*mu.add("-m", "n10"))
    mu.check("n1000", "n10")
    mu.check_lists("n110", "n111")


@pytest.mark.soak
def test_five_and_back_to_two(mu: Mu) -> None:
    """By one command each."""
    mu.kubeon.ok(*mu.add("-m", "n1", "n100", "n11"))
    mu.check("n1000", "n10", "n1", "n100", "n11")
    mu.check_lists("n110", "n111")
    mu.kubeon.ok(*mu.remove("@n1+n100+n11"))
    mu.check("n1000", "n10")
    mu.check_lists("n110", "n111")


@pytest.mark.soak
def test_a_join_that_is_cut_off_again_and_again(mu: Mu) -> None:
    """SIGKILL, while what the host has begun goes on by itself; then its power, in the middle of its way into etcd."""
    command = mu.add("-m", "n100")
    for moment in (r"\[kubelet-start\]", INTO_ETCD):
        run = mu.start(*command)
        run.reach(moment)
        run.kill()
    mu.kubeon.ok(*command)
    mu.check("n1000", "n10", "n100")
    mu.kubeon.ok(*mu.remove("@n100"))

    run = mu.start(*command)
    run.reach(INTO_ETCD)
    faults.power_off(mu.machines["n100"])
    assert run.end().exit_code != 0
    faults.power_on(mu.machines["n100"])
    mu.kubeon.ok(*command)

    mu.check("n1000", "n10", "n100")
    mu.check_lists("n110", "n111")


@pytest.mark.soak
def test_a_removal_that_is_cut_off_again_and_again(mu: Mu) -> None:
    """SIGKILL twice, then the power of the one that leaves; it is cleaned when it is back."""
    command = mu.remove("@n100")
    for moment in (r"\[drain-node\]: started", r"\[leave-etcd\]: started"):
        run = mu.start(*command)
        run.reach(moment)
        run.kill()
    run = mu.start(*command)
    run.reach(r"\[clean-host\]: started")
    faults.power_off(mu.machines["n100"])
    assert run.end().exit_code != 0
    faults.power_on(mu.machines["n100"])

    mu.kubeon.ok(*command)

    mu.check("n1000", "n10")
    mu.check_lists("n110", "n111")
    assert hosts.ssh(mu.machines["n100"], "ls -d /etc/kubernetes /var/lib/etcd", check=False).stdout == ""


@pytest.mark.soak
def test_a_budget_holds_up_a_drain(mu: Mu) -> None:
    """With the words of the API, and nothing is lost; without the budget it goes."""
    kubectl(mu.machines["n1000"], "apply -f -", stdin=BUDGET.replace("PAUSE", image("pause")))
    kubectl(mu.machines["n1000"], "rollout status deployment/kept --timeout 120s")

    refused = mu.kubeon.run(*mu.remove("@n110", "--drain-timeout", "10"))

    assert refused.exit_code == 1, refused.text
    assert "disruption budget" in refused.text
    assert "--drain-timeout" in refused.text
    assert "kubectl uncordon n110" in refused.text
    assert "node/n110" in kubectl(mu.machines["n1000"], "get nodes -o name")
    kubectl(mu.machines["n1000"], "delete poddisruptionbudget kept")


@pytest.mark.soak
def test_two_clusters_from_one_machine_at_once(mu: Mu, up: Up) -> None:
    """Neither command touches the other's cluster; the second logs in through a jump host."""
    (other,) = up("mu-8")
    jump = ["--jump", f"operator@{mu.machines['n111'].address}"]
    words = ["create", "nu", VERSION, "-m", f"n1={other.address}", *sources(), "--user", "operator", *jump, "--yes"]

    both = [mu.start(*mu.remove("@n110")), mu.kubeon.watched("nu", *words)]
    both[0].reach(r"\[drain-node\]: started")
    busy = mu.kubeon.run(*mu.remove("@n111"))
    ends: list[Outcome] = [run.end() for run in both]

    assert [end.exit_code for end in ends] == [0, 0], "\n".join(end.text for end in ends)
    assert busy.exit_code == 6, busy.text
    assert "runs del since" in busy.text
    mu.check("n1000", "n10")
    names = kubectl(mu.machines["n1000"], "get nodes -o name").split()
    assert sorted(names) == ["node/n10", "node/n1000", "node/n111"]
    assert kubectl(other, "get nodes -o name").split() == ["node/n1"]
    assert "precious" not in kubectl(other, "get configmaps -o name")


def test_a_lost_record_is_rebuilt(mu: Mu, tmp_path: Any, store: Any) -> None:
    """Another control machine, with the cluster's description alone, changes nothing there and knows it then."""
    description = (mu.kubeon.home / "clusters" / mu.name / "cluster.yaml").read_text()
    other = control_machine(tmp_path, store)
    other.password = base.OPERATOR_PASSWORD
    path = other.folder / "cluster.yaml"
    other.folder.mkdir(exist_ok=True)
    path.write_text(description)
    before = mu.etcd("member list", "n1000")["members"]

    other.ok("create", "-f", str(path), "--yes")

    assert mu.etcd("member list", "n1000")["members"] == before
    mu.check(*mu.control_planes)
