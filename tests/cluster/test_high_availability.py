"""What clients notice when control planes fail, come and go, and who notices a load balancer that is down.

Three clusters, one after the other; the tests of a cluster go in order. Measured numbers are printed (pytest -s).
"""

import csv
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from kubeon.lb.haproxy import HOSTS
from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, Outcome, kubectl, nodes, sources
from tests.cluster.probe import Report, Stream, probing
from tests.lab import faults, hosts, machine
from tests.lab.hosts import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.alone]

ADDRESSES = {
    **{f"ha-m{number}": f"10.77.2.1{number}" for number in (1, 2, 3, 4)},
    **{f"ha-w{number}": f"10.77.2.2{number}" for number in (1, 2)},
    **{f"ha-g{number}": f"10.77.2.3{number}" for number in (1, 2, 3)},
    **{f"ha-x{number}": f"10.77.2.4{number}" for number in (1, 2)},
    "ha-lb": "10.77.2.40",
}
PLACE = f"{ADDRESSES['ha-lb']}:8443"
NOTICED = 20  # seconds; afterwards a server that is gone must not cost a request
SLOW = 180  # seconds; for what takes ten of them on a machine that does nothing else


@dataclass
class Ha:
    """A cluster."""

    kubeon: Kubeon
    name: str
    control_planes: list[LabHost]
    workers: list[LabHost]
    way: tuple[str, ...] = ("--lb-mode", "haproxy")

    def command(self) -> list[str]:
        """What makes it."""
        return ["create", self.name, VERSION, *nodes(self.control_planes, self.workers), *self.way, *sources(), "--yes"]

    @contextmanager
    def probing(self) -> "Iterator[Callable[[], list[Report]]]":
        """Probes on all workers."""
        admin = self.kubeon.home / "clusters" / self.name / "admin.conf"
        with probing(self.workers, admin) as end:
            yield end


def named(up: Up, *names: str) -> list[LabHost]:
    """Hosts of this module, fresh."""
    return up(*(f"{name}={ADDRESSES[name]}" for name in names))


@pytest.fixture(scope="module")
def ext(up: Up, module_kubeon: Kubeon) -> "Iterator[tuple[Ha, LabHost, subprocess.Popen[str]]]":
    """A cluster that is to become one, its load balancer, which is down, and the `create` that waits for it.

    It waits for minutes, so it does while other tests run.
    """
    balancer, first, worker = named(up, "ha-lb", "ha-x1", "ha-x2")
    hosts.ssh(balancer, "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y haproxy")
    hosts.ssh(balancer, "cat >/etc/haproxy/haproxy.cfg", stdin=_BALANCER.format(address=first.address))
    hosts.ssh(balancer, "systemctl stop haproxy")
    cluster = Ha(module_kubeon, "ha-ext", [first], [worker], ("--lb-mode", "external", "--lb-address", PLACE))
    process = module_kubeon.start(*cluster.command())
    wait_for(lambda: hosts.ssh(first, "ls /etc/kubernetes/manifests/etcd.yaml", check=False).stdout != "")
    yield cluster, balancer, process
    if process.poll() is None:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def ha(up: Up, module_kubeon: Kubeon, ext: object) -> Ha:
    """Three control planes, two workers with their haproxy, and a host that is bare yet."""
    members = named(up, "ha-m1", "ha-m2", "ha-m3", "ha-w1", "ha-w2", "ha-m4")
    return created(Ha(module_kubeon, "ha", members[:3], members[3:5]))


def test_a_control_plane_without_power(ha: Ha) -> None:
    """The first one, which likely leads etcd, falls silent: only what was under way with it just then is lost."""
    victim = ha.control_planes[0]
    with ha.probing() as end:
        time.sleep(3)
        off = time.monotonic()
        faults.cut(victim)  # or the kernel below would close the connections of what is killed
        faults.power_off(victim)
        time.sleep(30)
        reports = end()

    for report in reports:
        show(report, off)
    for _, _, stream in streams(reports):
        assert stream.done > 100
        assert [why for _, ended, why in stream.failed if ended > off + NOTICED] == []
    assert all(len(report.new.failed) <= 12 for report in reports)
    assert all(len(report.kept.failed) <= 2 for report in reports)

    began = time.monotonic()
    faults.restore(victim)
    faults.power_on(victim)
    wait_for(lambda: all(states(worker) == dict.fromkeys(servers(ha), "UP") for worker in ha.workers))
    print(f"{victim.name} serves again {time.monotonic() - began:.0f} s after it was switched on")
    wait_for(lambda: etcdctl(ha.control_planes[1], "endpoint health --cluster -w json").count('"health":true') == 3)


def test_a_new_control_plane(ha: Ha) -> None:
    """While it joins, and while every worker learns of it, no request fails."""
    before = pods(ha)
    (new,) = (host for host in hosts.known() if host.name == "ha-m4")
    with ha.probing() as end:
        began = time.monotonic()
        ha.kubeon.ok("add", ha.name, "-m", f"{new.name}={new.address}", "--yes")
        print(f"add: {time.monotonic() - began:.0f} s")
        time.sleep(3)
        reports = end()
    ha.control_planes.append(new)

    nothing_failed(reports, began)
    assert all(set(states(worker)) == set(servers(ha)) for worker in ha.workers)
    assert pods(ha) == before


@pytest.mark.parametrize("leads", [False, True], ids=["follower", "leader"])
def test_a_control_plane_that_leaves(ha: Ha, leads: bool) -> None:
    """The same while a living one is removed, in whose keeping some of the connections are.

    Where it leads etcd, etcd itself fails the reads that wait just when the lead is handed over: nothing else.
    """
    before = pods(ha)
    leader = etcd_leader(ha)
    leaving = leader if leads else next(host for host in ha.control_planes[::-1] if host is not leader)
    with ha.probing() as end:
        time.sleep(2)
        began = time.monotonic()
        ha.kubeon.ok("del", ha.name, f"@{leaving.name}", "--yes")
        print(f"del of etcd's {'leader' if leads else 'follower'}: {time.monotonic() - began:.0f} s")
        time.sleep(3)
        reports = end()
    ha.control_planes.remove(leaving)

    nothing_failed(reports, began, handed_over=leads)
    assert all(set(states(worker)) == set(servers(ha)) for worker in ha.workers)
    assert pods(ha) == before


def test_old_workers_of_haproxy_end_with_their_connections(ha: Ha) -> None:
    """After a reload there are two for as long as a client keeps its connection."""
    worker = ha.workers[0]
    inside(worker, f"tac {HOSTS} >{HOSTS}.new && mv {HOSTS}.new {HOSTS}")  # another order is another list
    wait_for(lambda: haproxies(worker) > 1)
    many = haproxies(worker)
    inside(worker, "systemctl restart kubelet; systemctl restart kubeon-bridge-routes; pkill -x kube-proxy")

    wait_for(lambda: haproxies(worker) == 1)

    print(f"{many} haproxy workers on {worker.name} before its clients came anew, then 1")


def test_a_second_control_plane_and_what_is_new_then(up: Up, module_kubeon: Kubeon) -> None:
    """kubernetes/kubernetes#97294: every API server hears of a Service that is made after etcd has grown from one."""
    hosts.down([name for name in ADDRESSES if name.startswith(("ha-m", "ha-w"))])
    first, worker, second = named(up, "ha-g1", "ha-g3", "ha-g2")
    grown = created(Ha(module_kubeon, "ha-grown", [first], [worker]))

    with grown.probing() as end:
        began = time.monotonic()
        module_kubeon.ok("add", grown.name, "-m", f"{second.name}={second.address}", "--yes")
        print(f"add to a cluster of one: {time.monotonic() - began:.0f} s")
        kubectl(second, "create -f -", stdin=_SERVICE)
        made = time.monotonic()
        seconds = {}
        for control_plane in (first, second):
            wait_for(lambda at=control_plane: endpoints(at) > 0)  # type: ignore[misc]
            seconds[control_plane.name] = round(time.monotonic() - made, 1)
        reports = end()

    print(f"endpoints of a new Service after {seconds} s")
    for report in reports:
        show(report, began)
    assert max(seconds.values()) < 30
    assert set(states(worker)) == {f"{first.address}:6443", f"{second.address}:6443"}


def test_a_load_balancer_of_somebody_elses(ext: "tuple[Ha, LabHost, subprocess.Popen[str]]") -> None:
    """On a port of its own. While it is down `create` fails and says why; then the same command makes the cluster."""
    cluster, balancer, process = ext
    (first,), (worker,) = cluster.control_planes, cluster.workers
    without = Outcome(0, *process.communicate(timeout=600))
    joined = hosts.ssh(worker, "ls /var/lib/kubelet/config.yaml", check=False).stdout
    print(
        "without the balancer:",
        *re.findall(r"FAILED.*|Creating ha-ext: .*|.*does not lead.*", without.text),
        sep="\n  ",
    )
    hosts.ssh(balancer, "systemctl start haproxy")
    began = time.monotonic()
    cluster.kubeon.ok(*cluster.command())
    print(f"with it: {time.monotonic() - began:.0f} s")

    assert process.returncode in (1, 5)
    assert "the load balancer (apiserver.cluster.local:8443) does not lead to it" in " ".join(without.text.split())
    assert joined == ""
    assert kubectl(first, "get nodes -o name").split() == [f"node/{first.name}", f"node/{worker.name}"]
    for host, files in ((first, ("admin.conf", "kubelet.conf")), (worker, ("kubelet.conf",))):
        for file in files:
            text = hosts.ssh(host, f"cat /etc/kubernetes/{file}").stdout
            assert re.findall(r"server: (\S+)", text) == ["https://apiserver.cluster.local:8443"], f"{host.name} {file}"
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
_BALANCER = """
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
frontend api
    bind :8443
    default_backend apiservers
backend apiservers
    server only {address}:6443 check inter 1s
"""


def created(cluster: Ha) -> Ha:
    """Make it."""
    began = time.monotonic()
    cluster.kubeon.ok(*cluster.command())
    print(f"create {cluster.name}: {time.monotonic() - began:.0f} s")
    return cluster


def wait_for(ready: Callable[[], bool], patience: float = SLOW) -> None:
    """Until it is so."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.3)


def streams(reports: list[Report]) -> Iterator[tuple[str, str, Stream]]:
    """Each with its host and its name."""
    for report in reports:
        yield report.host, "kept", report.kept
        yield report.host, "new", report.new


def show(report: Report, began: float) -> None:
    """Print what a probe found; times count from `began`."""
    print(report)
    for _, name, stream in streams([report]):
        for at, ended, why in stream.failed[:5]:
            print(f"  {name}: {at - began:.2f} to {ended - began:.2f} s: {why}")
        if stream.failed:
            print(f"  {name}: the last failure ended {max(each[1] for each in stream.failed) - began:.1f} s after it")
        for what, moments in (("reconnects", stream.reconnects), ("sent again", [at for at, _ in stream.resent])):
            if moments:
                print(f"  {name}: {what} at {[round(at - began, 1) for at in moments[:10]]}")


def nothing_failed(reports: list[Report], began: float, *, handed_over: bool = False) -> None:
    """On no stream, with the one connection that may have been closed just when a request was on its way.

    `handed_over`: etcd's lead was, and reads that waited at that moment have failed.
    """
    for report in reports:
        show(report, began)
    for host, name, stream in streams(reports):
        assert stream.done > 100, f"{host} {name}"
        failed = [each for each in stream.failed if not (handed_over and "etcdserver: leader changed" in each[2])]
        assert failed == [], f"{host} {name}"
        assert len(stream.failed) <= 3, f"{host} {name}"
        assert len(stream.resent) <= 1, f"{host} {name}"


def servers(ha: Ha) -> list[str]:
    """What a list has to hold."""
    return [f"{host.address}:6443" for host in ha.control_planes]


def states(worker: LabHost) -> dict[str, str]:
    """Servers of a worker's haproxy."""
    text = hosts.ssh(worker, "curl -sS -m 5 'http://127.0.0.1:8842/stats;csv'").stdout
    rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
    return {
        row["svname"]: row["status"] for row in rows if row["pxname"] == "apiservers" and row["svname"] != "BACKEND"
    }


def pods(ha: Ha) -> dict[str, tuple[str, int]]:
    """The container of each local-haproxy, and how often it was restarted."""
    found = {}
    for worker in ha.workers:
        pod = json.loads(kubectl(ha.control_planes[-1], f"get pod local-haproxy-{worker.name} -n kube-system -o json"))
        (status,) = pod["status"]["containerStatuses"]
        found[worker.name] = (str(status["containerID"]), int(status["restartCount"]))
    return found


def haproxies(worker: LabHost) -> int:
    """Worker processes: children of a haproxy."""
    lines = hosts.ssh(worker, "ps -C haproxy -o pid=,ppid=").stdout.splitlines()
    pairs = [line.split() for line in lines]
    return sum(parent in {pid for pid, _ in pairs} for _, parent in pairs)


def endpoints(at: LabHost) -> int:
    """Addresses behind the Service, as this API server has heard by its watch of etcd."""
    path = "/api/v1/namespaces/kube-system/endpoints/fresh?resourceVersion=0"
    answer = kubectl(at, f"--server https://{at.address}:6443 get --raw '{path}'", check=False)
    return sum(len(subset.get("addresses", [])) for subset in json.loads(answer or "{}").get("subsets", []))


def etcd_leader(ha: Ha) -> LabHost:
    """Who leads."""
    for member in json.loads(etcdctl(ha.control_planes[0], "endpoint status --cluster -w json")):
        if member["Status"]["leader"] == member["Status"]["header"]["member_id"]:
            return next(host for host in ha.control_planes if f"//{host.address}:" in member["Endpoint"])
    raise AssertionError("nobody leads etcd")


def etcdctl(at: LabHost, command: str) -> str:
    """As this member sees it; nothing when it fails."""
    pki = "/etc/kubernetes/pki/etcd"
    login = f"--cacert {pki}/ca.crt --cert {pki}/healthcheck-client.crt --key {pki}/healthcheck-client.key"
    words = f"etcdctl --endpoints https://127.0.0.1:2379 {login}"
    return kubectl(at, f"-n kube-system exec etcd-{at.name} -- {words} {command} 2>/dev/null", check=False)


def inside(host: LabHost, command: str) -> None:
    """A command that does not need the host's sshd."""
    machine.podman("exec", host.container, "sh", "-c", command, check=False)
