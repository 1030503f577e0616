"""Mode updater on a real cluster of three control planes and two workers: who writes, who finds the API, after what.

The tests go in order; what was measured is in pytest's summary.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from kubeon.lb.updater import FOLDER, SCRIPT, SLICE, UPDATER
from tests.cluster.driver import SLOW, kubectl, wait_for
from tests.cluster.living import Living
from tests.cluster.probe import probing, show
from tests.lab import faults, hosts
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = pytest.mark.lab

API, CLUSTER_IP = "apiserver.cluster.local", "10.96.0.2"
LEASE = 15  # seconds
# Seconds until every worker's kube-proxy has the list without a dead control plane. One whose connection led there
# gives it up after 10, and may be led there again when it connects anew: by one chance in three, for half a minute.
HEARD_WITHIN = 105
WRITER = "apiserver-updater\\.kubeon/writer"


@dataclass
class Updated(Living):
    """The cluster."""

    off: set[str] = field(default_factory=set)  # hosts without power or cable

    def ask(self, words: str) -> str:
        """kubectl on a control plane that has power, until one answers."""
        deadline = time.monotonic() + SLOW
        while True:
            for host in (each for each in self.control_planes if each.name not in self.off):
                server = f"--server https://{host.address}:6443 --request-timeout 5s"
                if answer := kubectl(host, f"{server} {words}", check=False):
                    return answer
            assert time.monotonic() < deadline, words
            time.sleep(0.5)

    def endpoints(self) -> list[str]:
        """Where the Service leads."""
        found = json.loads(self.ask(f"get endpointslice {SLICE} -n kube-system -o json"))
        return sorted(address for endpoint in found["endpoints"] or [] for address in endpoint["addresses"])

    def leader(self) -> tuple[str, str]:
        """The identity in the Lease, and the node of its pod."""
        spec = json.loads(self.ask(f"get lease {UPDATER} -n kube-system -o json"))["spec"]
        holder = str(spec.get("holderIdentity") or "")
        name = holder.rpartition("_")[0]
        pods = json.loads(self.ask(f"get pods -n kube-system -l app.kubernetes.io/name={UPDATER} -o json"))["items"]
        return holder, next((pod["spec"]["nodeName"] for pod in pods if pod["metadata"]["name"] == name), "")

    def host(self, name: str) -> LabHost:
        """By its name."""
        return next(host for host in self.hosts if host.name == name)

    def living(self) -> list[str]:
        """Addresses of control planes that have power and cable."""
        return sorted(host.address for host in self.control_planes if host.name not in self.off)

    def ready(self) -> bool:
        """Every node that is not off has said a moment ago that it is Ready."""
        items = json.loads(self.ask("get nodes -o json"))["items"]
        states = {
            item["metadata"]["name"]: each["status"]
            for item in items
            for each in item["status"]["conditions"]
            if each["type"] == "Ready"
        }
        return all(states.get(host.name) == "True" for host in self.hosts if host.name not in self.off)

    def reasons(self) -> list[str]:
        """What `cluster-info` finds wrong; not this machine's disks and speed, nor what was restarted before."""
        found = json.loads(self.kubeon.run("cluster-info", self.name, "--output", "json").stdout)
        wrong = [
            f"{each['nodes']} {each['what']}"
            for each in found["reasons"]
            if each["check"] not in ("Disk", "Pods", "Slow")
        ]
        print("\n".join(wrong))
        return wrong

    def works(self) -> None:
        """Nodes are Ready, each worker's line is back at the cluster IP, kube-proxy's copy too, and it answers."""
        wait_for(lambda: all(way(worker) == "" for worker in self.workers if worker.name not in self.off))
        wait_for(self.ready)
        wait_for(lambda: self.endpoints() == self.living())
        for worker in self.workers:
            if worker.name not in self.off:
                assert leads_to(worker, "/etc/hosts") == {CLUSTER_IP}
                assert leads_to(worker, "/var/lib/kubelet/pods/*/etc-hosts") == {CLUSTER_IP}

    def takes_over(self, old: str, began: float, what: str) -> None:
        """Another one leads, and writes."""
        wait_for(lambda: self.leader()[0] not in ("", old))
        measured(f"{what}: another one leads after {time.monotonic() - began:.0f} s")

    @contextmanager
    def writers(self) -> Iterator[list[int]]:
        """The leaderships that wrote the slice, in the order of its versions, when the block has ended."""
        at = next(host for host in self.control_planes if host.name not in self.off)
        path = f'{{.metadata.annotations.{WRITER}}}{{"\\n"}}'
        words = f"kubectl --kubeconfig /etc/kubernetes/admin.conf --server https://{at.address}:6443"
        watch = f"{words} get endpointslice {SLICE} -n kube-system --watch -o jsonpath='{path}'"
        process = subprocess.Popen([*hosts.ssh_words(at), watch], stdout=subprocess.PIPE, text=True)
        terms: list[int] = []
        try:
            yield terms
        finally:
            process.kill()
            output, _ = process.communicate()
            terms.extend(int(line.split()[0]) for line in output.splitlines() if line.strip())


def way(worker: LabHost) -> str:
    """What the start-up script says is wrong; "" when the way is well."""
    done = hosts.ssh(worker, f"{SCRIPT} check", check=False)
    return "" if done.returncode == 0 else done.stdout or "it does not answer"


def leads_to(host: LabHost, files: str) -> set[str]:
    """The API's address in these files, where they have it."""
    return set(hosts.ssh(host, f"awk '$2 == \"{API}\" {{ print $1 }}' {files}").stdout.split())


def forgotten(worker: LabHost, address: str) -> bool:
    """Rules of kube-proxy there lead to this API server no more."""
    return f"--to-destination {address}:6443" not in hosts.ssh(worker, "iptables-save -t nat").stdout


def start(host_list: list[LabHost]) -> None:
    """Switch them on together."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(faults.power_on, host_list))


@pytest.fixture(scope="module")
def cluster(ud: Living) -> Updated:
    """Handed on."""
    return Updated(**vars(ud))


def test_a_cluster_in_mode_updater(cluster: Updated) -> None:
    """Everything leads to the cluster IP, two replicas run on two nodes, and a second create changes nothing."""
    cluster.works()
    wait_for(lambda: cluster.leader()[1] != "")
    path = "{.status.availableReplicas} {.spec.template.spec.containers[0].image}"
    ready, _, image = cluster.ask(f"get deployment {UPDATER} -n kube-system -o jsonpath='{path}'").partition(" ")
    pods = json.loads(cluster.ask(f"get pods -n kube-system -l app.kubernetes.io/name={UPDATER} -o json"))["items"]

    assert ready == "2"
    assert image.startswith("docker.io/library/python:")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for control_plane in cluster.control_planes:
        text = hosts.ssh(control_plane, "openssl x509 -noout -ext subjectAltName -in /etc/kubernetes/pki/apiserver.crt")
        assert f"IP Address:{CLUSTER_IP}" in text.stdout
    for worker in cluster.workers:
        assert hosts.ssh(worker, "systemctl is-enabled apiserver-startup").stdout == "enabled\n"
        known = re.findall(r"^[0-9.]+(?=:6443$)", hosts.ssh(worker, f"cat {FOLDER}/hosts").stdout, re.MULTILINE)
        assert sorted(known) == cluster.living()
    assert cluster.kubeon.data("create", cluster.name, "--yes")["changed"] is False
    wait_for(lambda: cluster.reasons() == [])


@pytest.mark.soak
def test_the_leader_dies(cluster: Updated) -> None:
    """Its process is killed, its node loses its cable, then its power: another one leads, and only that one."""
    with cluster.writers() as terms:
        old, node = cluster.leader()
        began = time.monotonic()
        hosts.ssh(cluster.host(node), "pkill -KILL -f /opt/apiserver-updater")
        cluster.takes_over(old, began, "process killed")

    for fault, undo in ((faults.cut, faults.restore), (faults.power_off, faults.power_on)):
        wait_for(lambda: cluster.leader()[1] != "")
        old, node = cluster.leader()
        victim = cluster.host(node)
        cluster.off.add(node)
        with cluster.writers() as more:
            began = time.monotonic()
            fault(victim)
            cluster.takes_over(old, began, fault.__name__)
            wait_for(lambda: cluster.endpoints() == cluster.living())
            measured(f"  endpoints without it after {time.monotonic() - began:.0f} s")
            undo(victim)
            cluster.off.discard(node)
            cluster.works()
        terms += more
    assert len(set(terms)) >= 3
    assert terms == sorted(terms)  # once another one has written, the one before never does


def test_a_control_plane_without_power(cluster: Updated) -> None:
    """Requests through the cluster IP; a worker boots meanwhile, and another one joins: by another control plane."""
    victim, booted = cluster.control_planes[0], cluster.workers[1]
    admin = cluster.kubeon.home / "clusters" / cluster.name / "admin.conf"
    try:
        with probing(cluster.workers[:1], admin, address=CLUSTER_IP) as end:
            time.sleep(3)
            assert not forgotten(cluster.workers[0], victim.address)
            off = time.monotonic()
            cluster.off.add(victim.name)
            faults.cut(victim)  # or the kernel below would close the connections of what is killed
            faults.power_off(victim)
            wait_for(lambda: cluster.endpoints() == cluster.living())
            measured(f"endpoints without it after {time.monotonic() - off:.0f} s")
            time.sleep(5)
            faults.power_off(booted)
            began = time.monotonic()
            faults.power_on(booted)
            wait_for(lambda: way(booted) == "")
            measured(f"a worker that booted meanwhile is back at the cluster IP after {time.monotonic() - began:.0f} s")
            began = time.monotonic()
            new = cluster.bare.pop()
            cluster.kubeon.ok("add", cluster.name, "-w", f"{new.name}={new.address}", "--yes")
            cluster.workers.append(new)
            measured(f"another worker has joined meanwhile, in {time.monotonic() - began:.0f} s")
            wait_for(lambda: forgotten(cluster.workers[0], victim.address), off + HEARD_WITHIN - time.monotonic())
            heard = time.monotonic()
            time.sleep(15)
            reports = end()

        for report in reports:
            show(report, off)
            for stream in (report.kept, report.new):
                assert stream.done > 100
                assert [why for began, _, why in stream.failed if began > heard] == []
        cluster.works()
    finally:
        faults.restore(victim)
        faults.power_on(victim)
        cluster.off.discard(victim.name)
    cluster.works()


@pytest.mark.soak
@pytest.mark.parametrize("alone", [0, 20], ids=["together", "workers first"])
def test_all_without_power(cluster: Updated, alone: float) -> None:
    """Nobody does anything by hand, and every kubelet comes back."""
    for host in cluster.hosts:
        faults.power_off(host)
    began = time.monotonic()
    if alone:
        start(cluster.workers)
        time.sleep(alone)
    start([host for host in cluster.hosts if not alone or host in cluster.control_planes])

    cluster.works()

    measured(f"all are back after {time.monotonic() - began:.0f} s")


@pytest.mark.soak
def test_down_to_one_control_plane_and_back(cluster: Updated) -> None:
    """The first one goes, too; nothing is ever stranded."""
    gone, kubeon = cluster.control_planes[:2], cluster.kubeon
    cluster.bare.append(cluster.workers.pop())
    kubeon.ok("del", cluster.name, *(f"@{host.name}" for host in (*gone, cluster.bare[-1])), "--yes")
    del cluster.control_planes[:2]
    cluster.works()

    kubeon.ok("add", cluster.name, *(word for host in gone for word in ("-m", f"{host.name}={host.address}")), "--yes")
    cluster.control_planes += gone
    cluster.works()
    assert kubeon.data("create", cluster.name, "--yes")["changed"] is False
