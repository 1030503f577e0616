"""A cluster whose etcd is saved, put back, loses two of three machines, loses all its data, and is whole in the end.

The tests go in order. Pods that were there before run on through all of it.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.driver import image, kubectl
from tests.cluster.living import Living
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
class Eta(Living):
    """The cluster, and what is on it."""

    snapshot: str = ""
    running: str = ""  # containers of the Deployment, as they were first

    @property
    def first(self) -> LabHost:
        """The control plane that is never lost."""
        return self.control_planes[0]

    @property
    def others(self) -> str:
        """The selector of those that are."""
        return f"@{'+'.join(host.name for host in self.control_planes[1:])}"

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
        """Of the Deployment, on the workers, by the runtime's IDs."""
        return "".join(hosts.ssh(worker, "crictl ps --name '^pause$' -q | sort").stdout for worker in self.workers)

    def check(self) -> None:
        """What was written before is there, its pods ran on, new ones are made, and etcd has just these members."""
        found = self.status()
        assert found["healthy"], found
        voters = sorted(member["node"] for member in found["members"] if member["id"])
        assert voters == sorted(host.name for host in self.control_planes)
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
def eta(ha: Living) -> Iterator[Eta]:
    """Handed on, with something in it meanwhile."""
    found = Eta(**vars(ha))
    kubectl(found.first, "apply -f -", stdin=OBJECTS.replace("PAUSE", image("pause")))
    kubectl(found.first, "rollout status deployment kept -n kept --timeout 120s")
    found.running = found.containers()
    yield found
    kubectl(found.first, "delete namespace/kept clusterrole/kept", check=False)


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
    assert saved["sha256"] in [each["sha256"] for each in listed["snapshots"]]
    for host in eta.control_planes:
        assert "kubeon" not in hosts.ssh(host, "ls -A /var/lib/etcd").stdout
    eta.write("late")
    kubectl(eta.first, "delete configmap precious -n kept")


def test_all_three_go_back_to_the_snapshot(eta: Eta) -> None:
    """Killed while data is exchanged, it goes on. What was written later is gone, what was deleted is back."""
    eta.restore(eta.snapshot, killed_at=r"\[restore-data\]: started")

    eta.check()
    assert not eta.has("late")
    for host in eta.control_planes:
        assert "member" in hosts.ssh(host, "ls /var/lib/etcd.before-*").stdout


@pytest.mark.soak
def test_two_of_three_are_lost_and_nothing_else(eta: Eta) -> None:
    """It is said in time what is wrong; the member that is left has it all."""
    eta.write("last")
    for host in eta.control_planes[1:]:
        faults.power_off(host)
    _wait(lambda: eta.status()["quorum"]["lost"])
    began = time.monotonic()
    said = eta.kubeon.run(*eta.etcd("status", eta.name))
    measured(f"status of a lost quorum took {time.monotonic() - began:.0f} s")
    assert said.exit_code == 1
    assert "quorum is lost" in said.stdout

    left = ["--from-member", eta.first.name]
    refused = eta.kubeon.run(*eta.etcd("snapshot", "restore", eta.name, *left, "--yes"))
    eta.restore(*left, "--dead", eta.others, killed_at=r"\[rescue-data\]: started")

    assert refused.exit_code == 4, refused.text
    assert f"--dead {eta.others}" in refused.text
    assert eta.has("last")
    assert eta.containers() == eta.running, "pods of before were started anew"


@pytest.mark.soak
def test_the_data_is_destroyed_too(eta: Eta) -> None:
    """Nothing is left but the snapshot: etcd begins anew with nothing, and the API shows an empty cluster."""
    stop = "ctr -n k8s.io tasks kill -s SIGKILL $(crictl ps --name '^etcd$' -q)"
    hosts.ssh(eta.first, f"rm -rf /var/lib/etcd/member; {stop}")

    eta.kubeon.ok(*eta.etcd("snapshot", "restore", eta.name, eta.snapshot, "--dead", eta.others, "--yes"))

    assert not eta.has("last")
    kubectl(eta.first, "rollout status deployment kept -n kept --timeout 120s")
    _wait(lambda: eta.containers().count("\n") == 2)  # the Deployment's status is that of the snapshot
    eta.running = eta.containers()


@pytest.mark.soak
def test_the_dead_leave_and_it_is_three_again(eta: Eta, prepared: Snapshot) -> None:
    """By `del` and `add`, as ever."""
    eta.kubeon.ok("del", eta.name, eta.others, "--dead", "--yes")
    dead = eta.control_planes[1:]
    del eta.control_planes[1:]
    hosts.down([host.name for host in dead])
    eta.control_planes += hosts.up([f"{host.name}={host.address}" for host in dead], like=prepared)
    flags = [word for host in eta.control_planes[1:] for word in ("-m", f"{host.name}={host.address}")]
    eta.kubeon.ok("add", eta.name, *flags, "--yes")

    eta.check()
    assert eta.kubeon.data("create", eta.name, "--yes")["changed"] is False


def _wait(ready: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(1)
