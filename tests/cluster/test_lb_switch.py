"""Another way to the API for a cluster that is used: clients on the workers ask by its name all the while.

From haproxy to updater; for the soak back, to a load balancer outside, and to updater again. The tests go in order;
what was measured is in pytest's summary. Every pair of modes, cut off at every phase: tests/operations.
"""

import json
import time
from dataclasses import dataclass

import pytest

from tests.cluster.balancer import start_haproxy
from tests.cluster.conftest import Up
from tests.cluster.driver import kubectl
from tests.cluster.living import Living
from tests.cluster.probe import probing, show
from tests.lab import hosts
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = pytest.mark.lab

API, BALANCER = "apiserver.cluster.local", "10.77.9.40"
LEADS_TO = {"haproxy": "127.0.0.1", "updater": "10.96.0.2", "external": BALANCER}
PAIRS = [
    pytest.param("haproxy", "updater", id="haproxy-updater"),
    pytest.param("updater", "haproxy", id="updater-haproxy", marks=pytest.mark.soak),
    pytest.param("haproxy", "external", id="haproxy-external", marks=pytest.mark.soak),
    pytest.param("external", "updater", id="external-updater", marks=pytest.mark.soak),
]
TRACES = {"haproxy": "haproxy", "updater": "apiserver-"}  # in names of files and processes
# Connections that are open just when what carries them ends, on each worker: its client opens them again.
FEW = 2
# From updater: an API server that ends meanwhile refuses connections until kube-proxy has heard of
# it. haproxy asks another one. The switch itself restarts none any more, so the bound may become smaller.
REFUSED, SOME = "ConnectionRefusedError", 120
# Which a busy machine has at any time, and no switch makes.
ELECTION = "etcdserver: leader changed"
_OF_THE_PROXY = f"""
for pod in /var/lib/kubelet/pods/*/containers/kube-proxy; do
    awk '$2 == "{API}" {{ print $1 }}' "${{pod%/containers/*}}/etc-hosts"
done
"""


@dataclass
class Switched(Living):
    """The cluster, by whichever way."""

    def ready_since(self) -> dict[str, str]:
        """When each node has last become Ready; a node that was not, in between, has another moment."""
        items = json.loads(kubectl(self.control_planes[0], "get nodes -o json"))["items"]
        return {
            item["metadata"]["name"]: each["lastTransitionTime"]
            for item in items
            for each in item["status"]["conditions"]
            if each["type"] == "Ready" and each["status"] == "True"
        }

    def leads_to(self, host: LabHost) -> str:
        """The API's address in a host's /etc/hosts."""
        return hosts.ssh(host, f"awk '$2 == \"{API}\" {{ print $1 }}' /etc/hosts").stdout.strip()

    def proxy_leads_to(self, host: LabHost) -> str:
        """The same in the copy that kube-proxy has, whose pod is in the host's network."""
        return hosts.ssh(host, _OF_THE_PROXY).stdout.strip()


@pytest.fixture(scope="module")
def cluster(ha: Living, up: Up) -> Switched:
    """Handed on in mode haproxy, and a load balancer beside it."""
    (balancer,) = up(f"lb-balancer={BALANCER}")
    start_haproxy(balancer, [each.address for each in ha.control_planes])
    return Switched(**vars(ha))


@pytest.mark.parametrize(("old", "mode"), PAIRS)
def test_nobody_is_interrupted(cluster: Switched, old: str, mode: str) -> None:
    """Requests go on, nodes stay Ready, and nothing of the way of before is left."""
    assert cluster.leads_to(cluster.workers[0]) == LEADS_TO[old]
    before, kubeon = cluster.ready_since(), cluster.kubeon
    way = ["--mode", mode, *(["--lb-address", f"{BALANCER}:6443"] if mode == "external" else [])]
    admin = kubeon.home / "clusters" / cluster.name / "admin.conf"
    with probing(cluster.workers, admin, seconds=1200, by_name=True) as end:
        began = time.monotonic()
        kubeon.ok("lb", "switch", cluster.name, *way, "--yes", timeout=1200)
        measured(f"{old} to {mode}: {time.monotonic() - began:.0f} s")
        time.sleep(5)
        reports = end()

    for report in reports:
        show(report, began)
    assert cluster.ready_since() == before
    for worker in cluster.workers:
        assert cluster.leads_to(worker) == LEADS_TO[mode]
        assert cluster.proxy_leads_to(worker) == LEADS_TO[mode]
        assert left_of_others(worker, mode) == []
    service = kubectl(cluster.control_planes[0], "get service apiserver -n kube-system --ignore-not-found -o name")
    assert bool(service.strip()) is (mode == "updater")
    streams = [stream for report in reports for stream in (report.kept, report.new)]
    failed = [[why for _, _, why in stream.failed if ELECTION not in why] for stream in streams]
    assert all(len([why for why in whys if not why.startswith(REFUSED)]) <= FEW for whys in failed)
    assert all(len(whys) <= (SOME if old == "updater" else FEW) for whys in failed)
    assert all(stream.done > 100 for stream in streams)
    assert kubeon.data("lb", "switch", cluster.name, *way, "--yes")["changed"] is False
    assert kubeon.data("create", cluster.name, "--yes")["changed"] is False


@pytest.mark.soak
def test_cut_off_and_taken_back(cluster: Switched) -> None:
    """Killed when a node has taken the new way: `del` is refused, and the mode of before leads back."""
    before, kubeon = cluster.ready_since(), cluster.kubeon
    first = cluster.workers[0]
    process = kubeon.start("lb", "switch", cluster.name, "--mode", "haproxy", "--yes")

    assert kubeon.kill_when(process, lambda: cluster.leads_to(first) == LEADS_TO["haproxy"])

    refused = kubeon.run("del", cluster.name, f"@{first.name}", "--yes")
    assert refused.exit_code == 6
    assert f"kubeon lb switch {cluster.name} --mode updater" in " ".join(refused.text.split())
    kubeon.ok("lb", "switch", cluster.name, "--mode", "updater", "--yes", timeout=1200)
    assert [cluster.leads_to(worker) for worker in cluster.workers] == [LEADS_TO["updater"]] * 2
    assert cluster.ready_since() == before
    assert kubeon.data("create", cluster.name, "--yes")["changed"] is False


def left_of_others(worker: LabHost, mode: str) -> list[str]:
    """What other modes have left on a worker."""
    folders = "/etc/kubernetes /etc/kubernetes/manifests /usr/local/lib/kubeon /etc/systemd/system"
    script = f"for each in {folders} /etc/systemd/system/*.wants; do ls -d $each/* 2>/dev/null; done; ps -eo comm"
    found = hosts.ssh(worker, script).stdout.splitlines()
    return [line for line in found for other, trace in TRACES.items() if other != mode and trace in line]
