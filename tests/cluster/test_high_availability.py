"""What clients notice when control planes fail, come and go.

The tests go in order; what was measured is in pytest's summary.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kubeon.lb.haproxy import HOSTS
from tests.cluster.driver import haproxy_servers, kubectl, wait_for
from tests.cluster.living import Living
from tests.cluster.probe import Report, Stream, probing, show
from tests.lab import faults, hosts, machine
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = pytest.mark.lab

NOTICED = 20  # seconds; afterwards a server that is gone must not cost a request


@contextmanager
def asked(ha: Living) -> "Iterator[Callable[[], list[Report]]]":
    """Probes on all workers."""
    with probing(ha.workers, ha.kubeon.home / "clusters" / ha.name / "admin.conf") as end:
        yield end


def test_a_control_plane_without_power(ha: Living) -> None:
    """The first one, which likely leads etcd, falls silent: only what was under way with it just then is lost."""
    victim = ha.control_planes[0]
    with asked(ha) as end:
        time.sleep(3)
        off = time.monotonic()
        faults.cut(victim)  # or the kernel below would close the connections of what is killed
        faults.power_off(victim)
        time.sleep(30)
        reports = end()

    for report in reports:
        show(report, off)
    for _, _, stream in streams(reports):
        assert stream.done > 50
        assert [why for _, ended, why in stream.failed if ended > off + NOTICED] == []
    assert all(len(report.new.failed) <= 6 for report in reports)
    assert all(len(report.kept.failed) <= 2 for report in reports)

    began = time.monotonic()
    faults.restore(victim)
    faults.power_on(victim)
    wait_for(lambda: all(haproxy_servers(worker) == dict.fromkeys(servers(ha), "UP") for worker in ha.workers))
    measured(f"{victim.name} serves again {time.monotonic() - began:.0f} s after it was switched on")
    wait_for(lambda: etcdctl(ha.control_planes[1], "endpoint health --cluster -w json").count('"health":true') == 3)


def test_a_new_control_plane(ha: Living) -> None:
    """While it joins, and while every worker learns of it, no request fails."""
    before, new = ha.local_haproxies(), ha.bare.pop()
    with asked(ha) as end:
        began = time.monotonic()
        ha.kubeon.ok("add", ha.name, "-m", f"{new.name}={new.address}", "--yes")
        measured(f"add: {time.monotonic() - began:.0f} s")
        time.sleep(3)
        reports = end()
    ha.control_planes.append(new)

    nothing_failed(reports, began)
    assert all(set(haproxy_servers(worker)) == set(servers(ha)) for worker in ha.workers)
    assert ha.local_haproxies() == before


@pytest.mark.parametrize(
    "leads", [pytest.param(False, id="follower", marks=pytest.mark.soak), pytest.param(True, id="leader")]
)
def test_a_control_plane_that_leaves(ha: Living, leads: bool) -> None:
    """The same while a living one is removed, in whose keeping some of the connections are.

    Where it leads etcd, etcd itself fails the reads that wait just when the lead is handed over: nothing else.
    """
    before = ha.local_haproxies()
    leader = etcd_leader(ha)
    leaving = leader if leads else next(host for host in ha.control_planes[::-1] if host is not leader)
    with asked(ha) as end:
        time.sleep(2)
        began = time.monotonic()
        ha.kubeon.ok("del", ha.name, f"@{leaving.name}", "--yes")
        measured(f"del of etcd's {'leader' if leads else 'follower'}: {time.monotonic() - began:.0f} s")
        time.sleep(3)
        reports = end()
    ha.control_planes.remove(leaving)
    ha.bare.append(leaving)

    nothing_failed(reports, began, handed_over=leads)
    assert all(set(haproxy_servers(worker)) == set(servers(ha)) for worker in ha.workers)
    assert ha.local_haproxies() == before


@pytest.mark.soak
def test_one_that_has_left_returns(ha: Living) -> None:
    """And then there are three again."""
    back = ha.bare.pop()
    ha.kubeon.ok("add", ha.name, "-m", f"{back.name}={back.address}", "--yes")
    ha.control_planes.append(back)

    assert all(set(haproxy_servers(worker)) == set(servers(ha)) for worker in ha.workers)


@pytest.mark.soak
def test_old_workers_of_haproxy_end_with_their_connections(ha: Living) -> None:
    """After a reload there are two for as long as a client keeps its connection."""
    worker, turn = ha.workers[0], f"tac {HOSTS} >{HOSTS}.new && mv {HOSTS}.new {HOSTS}"
    known = list(haproxy_servers(worker))
    inside(worker, turn)  # another order is another list
    wait_for(lambda: list(haproxy_servers(worker)) == known[::-1])
    many = haproxies(worker)
    inside(worker, "systemctl restart kubelet; systemctl restart kubeon-bridge-routes; pkill -x kube-proxy")

    wait_for(lambda: haproxies(worker) == 1)

    measured(f"{many} haproxy workers on {worker.name} before its clients came anew, then 1")
    assert many > 1
    inside(worker, turn)
    wait_for(lambda: list(haproxy_servers(worker)) == known)


def streams(reports: list[Report]) -> Iterator[tuple[str, str, Stream]]:
    """Each with its host and its name."""
    for report in reports:
        yield report.host, "kept", report.kept
        yield report.host, "new", report.new


def nothing_failed(reports: list[Report], began: float, *, handed_over: bool = False) -> None:
    """On no stream, with the one connection that may have been closed just when a request was on its way.

    `handed_over`: etcd's lead was, and reads that waited at that moment have failed.
    """
    for report in reports:
        show(report, began)
    for host, name, stream in streams(reports):
        assert stream.done > 50, f"{host} {name}"
        failed = [each for each in stream.failed if not (handed_over and "etcdserver: leader changed" in each[2])]
        assert failed == [], f"{host} {name}"
        assert len(stream.failed) <= 3, f"{host} {name}"
        assert len(stream.resent) <= 1, f"{host} {name}"


def servers(ha: Living) -> list[str]:
    """What a list has to hold."""
    return [f"{host.address}:6443" for host in ha.control_planes]


def haproxies(worker: LabHost) -> int:
    """Worker processes: children of a haproxy."""
    lines = hosts.ssh(worker, "ps -C haproxy -o pid=,ppid=").stdout.splitlines()
    pairs = [line.split() for line in lines]
    return sum(parent in {pid for pid, _ in pairs} for _, parent in pairs)


def etcd_leader(ha: Living) -> LabHost:
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
