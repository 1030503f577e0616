"""What small clusters show: a second control plane, and a load balancer outside that is down at first.

What was measured is in pytest's summary.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from kubeon.spec.versions import Version, kubelets_stay_local
from tests.cluster.balancer import start_haproxy
from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, Outcome, haproxy_servers, kubectl, nodes, sources, wait_for
from tests.cluster.probe import probing, show
from tests.lab import hosts
from tests.lab.hosts import LabHost, Snapshot
from tests.measured import measured

pytestmark = [pytest.mark.lab, pytest.mark.soak]

PLACE = "10.77.2.140:8443"


@dataclass
class Small:
    """A cluster."""

    kubeon: Kubeon
    name: str
    control_plane: LabHost
    worker: LabHost
    way: tuple[str, ...] = ("--lb-mode", "haproxy")

    def command(self) -> list[str]:
        """What makes it."""
        return [
            "create",
            self.name,
            VERSION,
            *nodes([self.control_plane], [self.worker]),
            *self.way,
            *sources(),
            "--yes",
        ]


@pytest.fixture(scope="module")
def waiting(
    up: Up, prepared: Snapshot, module_kubeon: Kubeon
) -> "Iterator[tuple[Small, LabHost, subprocess.Popen[str]]]":
    """A cluster that is to become one, its load balancer, which is down, and the `create` that waits for it.

    It waits for minutes, so it does while the other test runs.
    """
    (balancer,) = up(f"sm-lb={PLACE.partition(':')[0]}")
    first, worker = up("sm-x1", "sm-x2", like=prepared)
    start_haproxy(balancer, [first.address], port=int(PLACE.partition(":")[2]))
    hosts.ssh(balancer, "systemctl stop haproxy")
    cluster = Small(module_kubeon, "sm-ext", first, worker, ("--lb-mode", "external", "--lb-address", PLACE))
    process = module_kubeon.start(*cluster.command())
    wait_for(lambda: hosts.ssh(first, "ls /etc/kubernetes/manifests/etcd.yaml", check=False).stdout != "")
    yield cluster, balancer, process
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_a_second_control_plane_and_what_is_new_then(
    up: Up, prepared: Snapshot, module_kubeon: Kubeon, waiting: object
) -> None:
    """kubernetes/kubernetes#97294: every API server hears of a Service that is made after etcd has grown from one."""
    first, worker, second = up("sm-g1", "sm-g2", "sm-g3", like=prepared)
    grown = Small(module_kubeon, "sm-grown", first, worker)
    module_kubeon.ok(*grown.command())

    with probing([worker], module_kubeon.home / "clusters" / grown.name / "admin.conf") as end:
        began = time.monotonic()
        module_kubeon.ok("add", grown.name, "-m", f"{second.name}={second.address}", "--yes")
        measured(f"add to a cluster of one: {time.monotonic() - began:.0f} s")
        kubectl(second, "create -f -", stdin=_SERVICE)
        made = time.monotonic()
        seconds = {}
        for control_plane in (first, second):
            wait_for(lambda at=control_plane: endpoints(at) > 0)  # type: ignore[misc]
            seconds[control_plane.name] = round(time.monotonic() - made, 1)
        reports = end()

    measured(f"endpoints of a new Service after {seconds} s")
    for report in reports:
        show(report, began)
    assert max(seconds.values()) < 30
    assert set(haproxy_servers(worker)) == {f"{first.address}:6443", f"{second.address}:6443"}


def test_a_load_balancer_of_somebody_elses(waiting: "tuple[Small, LabHost, subprocess.Popen[str]]") -> None:
    """On a port of its own. While it is down `create` fails and says why; then the same command makes the cluster."""
    cluster, balancer, process = waiting
    first, worker = cluster.control_plane, cluster.worker
    without = Outcome(0, *process.communicate(timeout=600))
    joined = hosts.ssh(worker, "ls /var/lib/kubelet/config.yaml", check=False).stdout
    print(*re.findall(r"FAILED.*|Creating sm-ext: .*|.*does not lead.*", without.text), sep="\n")
    hosts.ssh(balancer, "systemctl start haproxy")
    began = time.monotonic()
    cluster.kubeon.ok(*cluster.command())
    measured(f"with it: {time.monotonic() - began:.0f} s")

    assert process.returncode in (1, 5)
    said = " ".join(without.text.split())
    # kubeadm init fails of older releases, which ask by way of the balancer; of newer ones kubeon's next phase does
    assert "(apiserver.cluster.local:8443) does not lead to it" in said or (
        "the API endpoint (apiserver.cluster.local:8443) did not work within" in said and "was refused" in said
    )
    assert joined == ""
    assert kubectl(first, "get nodes -o name").split() == [f"node/{first.name}", f"node/{worker.name}"]
    endpoint = "https://apiserver.cluster.local:8443"
    beside = f"https://{first.address}:6443" if kubelets_stay_local(Version.parse(VERSION)) else endpoint
    for host, file, server in (
        (first, "admin.conf", endpoint),
        (first, "kubelet.conf", beside),
        (worker, "kubelet.conf", endpoint),
    ):
        text = hosts.ssh(host, f"cat /etc/kubernetes/{file}").stdout
        assert re.findall(r"server: (\S+)", text) == [server], f"{host.name} {file}"
    for name in ("kube-proxy -n kube-system", "cluster-info -n kube-public"):
        assert "server: https://apiserver.cluster.local:8443" in kubectl(first, f"get configmap {name} -o yaml")


_SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: fresh, namespace: kube-system}
spec:
  selector: {k8s-app: kube-dns}
  ports: [{port: 53, protocol: UDP}]
"""


def endpoints(at: LabHost) -> int:
    """Addresses behind the Service, as this API server has heard by its watch of etcd."""
    path = "/api/v1/namespaces/kube-system/endpoints/fresh?resourceVersion=0"
    answer = kubectl(at, f"--server https://{at.address}:6443 get --raw '{path}'", check=False)
    return sum(len(subset.get("addresses", [])) for subset in json.loads(answer or "{}").get("subsets", []))
