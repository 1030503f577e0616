"""One cluster whose etcd is saved, put back, loses two of three machines, loses all its data, and is whole in the end.

The tests go in order. Pods that were there before run on through all of it.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, image, kubectl, nodes, sources
from tests.lab import faults, hosts
from tests.lab.hosts import LabHost, Snapshot
from tests.measured import measured

pytestmark = pytest.mark.lab

OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: kept}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: precious, namespace: kept}
data: {text: written before}
---
apiVersion: v1
kind: Secret
metadata: {name: secret, namespace: kept}
stringData: {password: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kept}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kept, namespace: kept}
spec:
  replicas: 2
  selector: {matchLabels: {app: kept}}
  template:
    metadata: {labels: {app: kept}}
    spec: {containers: [{name: pause, image: "PAUSE"}]}
"""


@dataclass
class Eta:
    """The cluster of this module."""

    kubeon: Kubeon
    planes: list[LabHost]
    worker: LabHost
    spare: list[LabHost]
    name: str = "eta"
    snapshot: str = ""
    running: str = ""  # containers of the Deployment, as they were first

    @property
    def first(self) -> LabHost:
        """The control plane that is never lost."""
        return self.planes[0]

    def etcd(self, *words: str) -> list[str]:
        """`kubeon etcd ...`."""
        return ["etcd", *words]

    def restore(self, *words: str, killed_at: str) -> None:
        """Restore, killed in the middle, and once more."""
        command = self.etcd("snapshot", "restore", self.name, *words, "--yes")
        run = self.kubeon.watched(self.name, *command)
        run.reach(killed_at)
        run.kill()
        began = time.monotonic()
        outcome = self.kubeon.ok(*command)
        measured(f"the restore that went on took {time.monotonic() - began:.0f} s")
        assert "continues the restore" in outcome.text, outcome.text

    def status(self) -> Any:
        """How etcd is, which may be bad."""
        outcome = self.kubeon.run(*self.etcd("status", self.name, "--output", "json"))
        found = json.loads(outcome.stdout)
        assert outcome.exit_code == (0 if found["healthy"] else 1), outcome.text
        return found

    def write(self, name: str) -> None:
        """A ConfigMap more."""
        kubectl(self.first, f"create configmap {name} -n kept --from-literal=text=x")

    def has(self, name: str) -> bool:
        """Is it there?"""
        return name in kubectl(self.first, "get configmaps -n kept -o name")

    def containers(self) -> str:
        """Of the Deployment, on the worker, by the runtime's IDs."""
        return hosts.ssh(self.worker, "crictl ps --name '^pause$' -q | sort").stdout

    def check(self, *voters: LabHost) -> None:
        """What was written before is there, its pods ran on, new ones are made, and etcd has just these members."""
        found = self.status()
        assert found["healthy"], found
        assert sorted(member["node"] for member in found["members"] if member["id"]) == sorted(h.name for h in voters)
        assert kubectl(self.first, "get configmap precious -n kept -o jsonpath={.data.text}") == "written before"
        assert kubectl(self.first, "get secret secret -n kept -o jsonpath={.data.password}") == "aHVudGVyMg=="
        assert "kept" in kubectl(self.first, "get clusterrole kept -o name")
        assert self.containers() == self.running, "pods of before were started anew"
        kubectl(self.first, "scale deployment kept -n kept --replicas 3")
        kubectl(self.first, "rollout status deployment kept -n kept --timeout 120s")
        kubectl(self.first, "scale deployment kept -n kept --replicas 2")
        _wait(lambda: self.containers().count("\n") == 2)
        self.running = self.containers()


@pytest.fixture(scope="module")
def eta(up: Up, prepared: Snapshot, module_kubeon: Kubeon) -> Eta:
    """Three control planes and a worker, with something in it; and two more hosts."""
    one, two, three, worker, four, five = up("et-1", "et-2", "et-3", "et-w", "et-4", "et-5", like=prepared)
    module_kubeon.ok("create", "eta", VERSION, *nodes([one, two, three], [worker]), *sources(), "--yes")
    kubectl(one, "apply -f -", stdin=OBJECTS.replace("PAUSE", image("pause")))
    kubectl(one, "rollout status deployment kept -n kept --timeout 120s")
    found = Eta(module_kubeon, [one, two, three], worker, [four, five])
    found.running = found.containers()
    return found


def test_health_and_defragmentation(eta: Eta) -> None:
    """Numbers of every member; one leader; after it the files are no larger than before."""
    found = eta.status()
    sizes = eta.kubeon.data(*eta.etcd("defrag", eta.name, "--yes"))["members"]

    assert found["healthy"], found
    assert [member["role"] for member in found["members"]].count("leader") == 1
    assert {member["status"]["version"] for member in found["members"]} == {
        image("etcd").rpartition(":")[2].partition("-")[0]
    }
    assert found["quorum"] == {"voters": 3, "healthy": 3, "needed": 2, "mayFail": 1, "lost": False}
    assert len(sizes) == 3
    assert all(0 < each["after"] <= each["before"] for each in sizes)
    assert eta.status()["healthy"]


def test_a_snapshot_is_saved(eta: Eta) -> None:
    """Whole, private, and nothing of it left on the host."""
    saved = eta.kubeon.data(*eta.etcd("snapshot", "save", eta.name))
    eta.snapshot = saved["path"]
    listed = eta.kubeon.data(*eta.etcd("snapshot", "list", eta.name))

    assert saved["keys"] > 100
    assert [each["sha256"] for each in listed["snapshots"]] == [saved["sha256"]]
    for host in eta.planes:
        assert "kubeon" not in hosts.ssh(host, "ls -A /var/lib/etcd").stdout
    eta.write("late")
    kubectl(eta.first, "delete configmap precious -n kept")


def test_all_three_go_back_to_the_snapshot(eta: Eta) -> None:
    """Killed while data is exchanged, it goes on. What was written later is gone, what was deleted is back."""
    eta.restore(eta.snapshot, killed_at=r"\[restore-data\]: started")

    eta.check(*eta.planes)
    assert not eta.has("late")
    for host in eta.planes:
        assert "member" in hosts.ssh(host, "ls /var/lib/etcd.before-*").stdout


@pytest.mark.soak
def test_two_of_three_are_lost_and_nothing_else(eta: Eta) -> None:
    """It is said in time what is wrong; the member that is left has it all."""
    eta.write("last")
    for host in eta.planes[1:]:
        faults.power_off(host)
    _wait(lambda: eta.status()["quorum"]["lost"])
    began = time.monotonic()
    said = eta.kubeon.run(*eta.etcd("status", eta.name))
    measured(f"status of a lost quorum took {time.monotonic() - began:.0f} s")
    assert said.exit_code == 1
    assert "quorum is lost" in said.stdout

    refused = eta.kubeon.run(*eta.etcd("snapshot", "restore", eta.name, "--from-member", "et-1", "--yes"))
    eta.restore("--from-member", "et-1", "--dead", "@et-2+et-3", killed_at=r"\[rescue-data\]: started")

    assert refused.exit_code == 4, refused.text
    assert "--dead @et-2+et-3" in refused.text
    assert eta.has("last")
    assert eta.containers() == eta.running, "pods of before were started anew"


@pytest.mark.soak
def test_the_data_is_destroyed_too(eta: Eta) -> None:
    """Nothing is left but the snapshot: etcd begins anew with nothing, and the API shows an empty cluster."""
    stop = "ctr -n k8s.io tasks kill -s SIGKILL $(crictl ps --name '^etcd$' -q)"
    hosts.ssh(eta.first, f"rm -rf /var/lib/etcd/member; {stop}")

    eta.kubeon.ok(*eta.etcd("snapshot", "restore", eta.name, eta.snapshot, "--dead", "@et-2+et-3", "--yes"))

    assert not eta.has("last")
    kubectl(eta.first, "rollout status deployment kept -n kept --timeout 120s")
    eta.running = eta.containers()


@pytest.mark.soak
def test_the_dead_leave_and_it_is_three_again(eta: Eta) -> None:
    """By `del` and `add`, as ever."""
    eta.kubeon.ok("del", eta.name, "@et-2+et-3", "--dead", "--yes")
    flags = [word for host in eta.spare for word in ("-m", f"{host.name}={host.address}")]
    eta.kubeon.ok("add", eta.name, *flags, "--yes")

    eta.check(eta.first, *eta.spare)
    assert eta.kubeon.data("create", eta.name, "--yes")["changed"] is False


def _wait(ready: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(1)
