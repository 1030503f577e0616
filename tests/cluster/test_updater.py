"""Mode updater on a real cluster of three control planes and two workers: who writes, who finds the API, after what.

The tests go in order; what was measured is printed (pytest -s).
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from kubeon.lb.updater import FOLDER, SCRIPT, SLICE, UPDATER
from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.cluster.probe import Report, probing
from tests.lab import faults, hosts, mirror
from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab

NAME, API, CLUSTER_IP = "ud", "apiserver.cluster.local", "10.96.0.2"
NEW = "v1.20.15"
ADDRESSES = {
    **{f"ud-m{number}": f"10.77.9.1{number}" for number in (1, 2, 3)},
    **{f"ud-w{number}": f"10.77.9.2{number}" for number in (1, 2, 3)},
}
LEASE = 15  # seconds
SLOW = 240  # seconds; for what takes thirty of them on a machine that does nothing else
WRITER = "apiserver-updater\\.kubeon/writer"


@dataclass
class Cluster:
    """The cluster of this module."""

    kubeon: Kubeon
    control_planes: list[LabHost]
    workers: list[LabHost]
    new: LabHost  # bare until it is added
    off: set[str] = field(default_factory=set)  # hosts without power or cable

    @property
    def hosts(self) -> list[LabHost]:
        """All of them."""
        return [*self.control_planes, *self.workers]

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

    def ready_since(self) -> dict[str, str]:
        """When each node has last become Ready; one that was not, in between, has another moment."""
        items = json.loads(self.ask("get nodes -o json"))["items"]
        return {
            item["metadata"]["name"]: each["lastTransitionTime"]
            for item in items
            for each in item["status"]["conditions"]
            if each["type"] == "Ready" and each["status"] == "True"
        }

    def reasons(self) -> list[str]:
        """What `cluster-info` finds wrong, this machine's disks aside."""
        found = json.loads(self.kubeon.run("cluster-info", NAME, "--output", "json").stdout)
        wrong = [f"{each['nodes']} {each['what']}" for each in found["reasons"] if each["check"] != "Disk"]
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
        print(f"{what}: another one leads after {time.monotonic() - began:.0f} s")

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


def wait_for(ready: Callable[[], bool], patience: float = SLOW) -> None:
    """Until it is so."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.5)


def show(report: Report, began: float) -> None:
    """Print what a probe found; times count from `began`."""
    print(report)
    for name, stream in (("kept", report.kept), ("new", report.new)):
        for at, ended, why in stream.failed[:3]:
            print(f"  {name}: {at - began:.2f} to {ended - began:.2f} s: {why}")
        if stream.failed:
            print(f"  {name}: the last failure ended {max(each[1] for each in stream.failed) - began:.1f} s after it")


def start(host_list: list[LabHost]) -> None:
    """Switch them on together."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(faults.power_on, host_list))


@pytest.fixture(scope="module")
def cluster(up: Up, module_kubeon: Kubeon) -> Cluster:
    """Made by one command."""
    members = up(*(f"{name}={address}" for name, address in ADDRESSES.items()))
    made = Cluster(module_kubeon, members[:3], members[3:5], members[5])
    way_of = ["--lb-mode", "updater", *sources()]
    began = time.monotonic()
    module_kubeon.ok("create", NAME, VERSION, *nodes(made.control_planes, made.workers), *way_of, "--yes")
    print(f"create: {time.monotonic() - began:.0f} s")
    return made


def test_a_cluster_in_mode_updater(cluster: Cluster) -> None:
    """Everything leads to the cluster IP, two replicas run on two nodes, and a second create changes nothing."""
    cluster.works()
    wait_for(lambda: cluster.leader()[1] != "")
    path = "{.status.availableReplicas} {.spec.template.spec.containers[0].image}"
    ready, _, image = cluster.ask(f"get deployment {UPDATER} -n kube-system -o jsonpath='{path}'").partition(" ")
    pods = json.loads(cluster.ask(f"get pods -n kube-system -l app.kubernetes.io/name={UPDATER} -o json"))["items"]

    assert ready == "2"
    assert image.startswith("localhost/apiserver-updater:")
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for control_plane in cluster.control_planes:
        text = hosts.ssh(control_plane, "openssl x509 -noout -ext subjectAltName -in /etc/kubernetes/pki/apiserver.crt")
        assert f"IP Address:{CLUSTER_IP}" in text.stdout
    for worker in cluster.workers:
        assert hosts.ssh(worker, "systemctl is-enabled apiserver-startup").stdout == "enabled\n"
        known = re.findall(r"^[0-9.]+(?=:6443$)", hosts.ssh(worker, f"cat {FOLDER}/hosts").stdout, re.MULTILINE)
        assert sorted(known) == cluster.living()
    assert cluster.kubeon.data("create", NAME, "--yes")["changed"] is False
    wait_for(lambda: cluster.reasons() == [])


def test_the_leader_dies(cluster: Cluster) -> None:
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
            print(f"  endpoints without it after {time.monotonic() - began:.0f} s")
            undo(victim)
            cluster.off.discard(node)
            cluster.works()
        terms += more
    assert len(set(terms)) >= 3
    assert terms == sorted(terms)  # once another one has written, the one before never does


def test_a_control_plane_without_power(cluster: Cluster) -> None:
    """Requests through the cluster IP; a worker boots meanwhile, and another one joins: by another control plane."""
    victim, booted = cluster.control_planes[0], cluster.workers[1]
    admin = cluster.kubeon.home / "clusters" / NAME / "admin.conf"
    with probing(cluster.workers[:1], admin, address=CLUSTER_IP) as end:
        time.sleep(3)
        off = time.monotonic()
        cluster.off.add(victim.name)
        faults.cut(victim)  # or the kernel below would close the connections of what is killed
        faults.power_off(victim)
        wait_for(lambda: cluster.endpoints() == cluster.living())
        print(f"endpoints without it after {time.monotonic() - off:.0f} s")
        time.sleep(5)
        faults.power_off(booted)
        began = time.monotonic()
        faults.power_on(booted)
        wait_for(lambda: way(booted) == "")
        print(f"a worker that booted meanwhile is back at the cluster IP after {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        cluster.kubeon.ok("add", NAME, "-w", f"{cluster.new.name}={cluster.new.address}", "--yes")
        cluster.workers.append(cluster.new)
        print(f"another worker has joined meanwhile, in {time.monotonic() - began:.0f} s")
        reports = end()

    for report in reports:
        show(report, off)
        for stream in (report.kept, report.new):
            assert stream.done > 100
            assert [why for _, ended, why in stream.failed if ended > off + 60] == []
    cluster.works()
    faults.restore(victim)
    faults.power_on(victim)
    cluster.off.discard(victim.name)
    cluster.works()


@pytest.mark.parametrize("alone", [0, 20], ids=["together", "workers first"])
def test_all_without_power(cluster: Cluster, alone: float) -> None:
    """Nobody does anything by hand, and every kubelet comes back."""
    for host in cluster.hosts:
        faults.power_off(host)
    began = time.monotonic()
    if alone:
        start(cluster.workers)
        time.sleep(alone)
    start([host for host in cluster.hosts if not alone or host in cluster.control_planes])

    cluster.works()

    print(f"all are back after {time.monotonic() - began:.0f} s")


@pytest.mark.long
def test_down_to_one_control_plane_and_back(cluster: Cluster) -> None:
    """The first one goes, too; the one that is left is upgraded; nothing is ever stranded."""
    mirror.prepare((VERSION, NEW))
    gone, kubeon = cluster.control_planes[:2], cluster.kubeon
    kubeon.ok("del", NAME, *(f"@{host.name}" for host in gone), "--yes")
    cluster.control_planes = cluster.control_planes[2:]
    cluster.works()

    kubeon.ok("upgrade", NAME, NEW, "--yes", timeout=900)
    cluster.works()

    kubeon.ok("add", NAME, *(word for host in gone for word in ("-m", f"{host.name}={host.address}")), "--yes")
    cluster.control_planes += gone
    cluster.works()
    assert kubeon.data("create", NAME, "--yes")["changed"] is False


@pytest.mark.long
def test_another_way_and_back(cluster: Cluster) -> None:
    """By `lb switch`, while clients on the workers ask by the API's name; nodes stay Ready."""
    admin, ways = (
        cluster.kubeon.home / "clusters" / NAME / "admin.conf",
        {"haproxy": "127.0.0.1", "updater": CLUSTER_IP},
    )
    for mode, address in ways.items():
        before = cluster.ready_since()
        with probing(cluster.workers, admin, seconds=900, by_name=True) as end:
            began = time.monotonic()
            cluster.kubeon.ok("lb", "switch", NAME, "--mode", mode, "--yes", timeout=900)
            print(f"switch to {mode}: {time.monotonic() - began:.0f} s")
            time.sleep(5)
            reports = end()
        for report in reports:
            show(report, began)
            assert report.kept.done > 100
            assert report.new.done > 100
            # Connections that are open just when what carries them ends: their clients open them again. An election of
            # etcd, which a busy machine has at any time, is nothing that the switch does.
            failed = [why for stream in (report.kept, report.new) for _, _, why in stream.failed]
            assert len([why for why in failed if "etcdserver: leader changed" not in why]) <= 4
        assert cluster.ready_since() == before
        assert [leads_to(worker, "/etc/hosts") for worker in cluster.workers] == [{address}, {address}]
    cluster.works()
    assert cluster.kubeon.data("create", NAME, "--yes")["changed"] is False


def test_nothing_is_left(cluster: Cluster) -> None:
    """After destroy."""
    cluster.kubeon.ok("destroy", NAME, "--yes")

    for worker in cluster.workers:
        found = hosts.ssh(
            worker, "ls -d /etc/systemd/system/apiserver-* /usr/local/lib/kubeon /etc/kubernetes", check=False
        )
        assert found.stdout == ""
        assert API not in hosts.ssh(worker, "cat /etc/hosts").stdout
