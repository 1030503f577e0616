"""The lab itself: are its hosts what tests of kubeon may take them for, and does nothing leave the machine?"""

import errno
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from kubeon.hosts.kernel import SYSCTLS
from tests.lab import base, demo, faults, hosts, machine, mirror, network
from tests.lab.command import LabError, run
from tests.lab.hosts import LabHost
from tests.lab.mirror import origin

OUTSIDE = "192.0.2.99"  # an address for documentation: nobody's


# --- without root -----------------------------------------------------------------------------------------------------


def test_addresses_are_given_in_order_around_the_taken_ones() -> None:
    there = {"old": LabHost("old", "10.77.0.12", "debian-12")}
    given = hosts.assign(["a", "b=10.77.0.11", "old", "c"], there, base="debian-13", start_address="10.77.0.11")
    assert [(host.name, host.address, host.base) for host in given] == [
        ("a", "10.77.0.13", "debian-13"),
        ("b", "10.77.0.11", "debian-13"),
        ("old", "10.77.0.12", "debian-12"),
        ("c", "10.77.0.14", "debian-13"),
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        ["a", "a"],
        ["a=10.77.0.1"],
        ["a=10.78.0.1"],
        ["a=10.77.0.12"],
        ["old=10.77.0.13"],
        ["a=10.77.0.9", "b=10.77.0.9"],
    ],
)
def test_what_cannot_be_is_refused(wanted: list[str]) -> None:
    there = {"old": LabHost("old", "10.77.0.12", "debian-12")}
    with pytest.raises(LabError):
        hosts.assign(wanted, there, base="debian-12", start_address="10.77.0.11")


def test_a_mac_address_follows_from_the_address() -> None:
    assert network.mac("10.77.0.11") == "02:4b:0a:4d:00:0b"


def test_hosts_change_nothing_that_all_share() -> None:
    """Kernel settings outside of network namespaces are as kubeon wants them before the first host is prepared."""
    ours = machine.sysctls(2)
    shared = [each for each in SYSCTLS if not each.key.startswith("net.")]

    assert [each.key for each in shared if int(ours[each.key] or 0) < int(each.value)] == []


def test_the_archive_is_the_machines_own() -> None:
    listed = "\n".join(
        [
            "Debian|Debian|bookworm|main|http://archive.test/debian/|/nowhere:1",
            "Debian|Debian|bookworm-updates|main|http://archive.test/debian/|/nowhere:1",
            "Debian|Debian-Security|bookworm-security|main|http://archive.test/security/|/nowhere:2",
            "Debian|Debian Backports|bookworm-backports|main|http://archive.test/debian/|/nowhere:1",
            "Debian|Debian|bookworm|contrib|http://archive.test/debian/|/nowhere:1",
            "Somebody|Else|nodistro|main|http://else.test/|/nowhere:3",
        ]
    )
    assert base.archive_lines(listed, "trixie") == [
        "deb http://archive.test/debian/ trixie main",
        "deb http://archive.test/debian/ trixie-updates main",
        "deb http://archive.test/security/ trixie-security main",
    ]


def test_containers_conf_follows_the_machine() -> None:
    small = machine.containers_conf(systemd=False, cgroup2=False, nofile=20000)
    assert 'runtime = "runc"' in small
    assert '"cgroupfs"' in small
    assert "nofile=20000:20000" in small
    laptop = machine.containers_conf(systemd=True, cgroup2=True, nofile=None)
    assert 'cgroup_manager = "systemd"' in laptop
    assert "runtime" not in laptop
    assert "ulimits" not in laptop


@pytest.mark.parametrize(
    ("known", "internet", "said"),
    [
        ({"v1.37.2": {"built": True}}, True, "was built on this machine before"),
        ({"v1.37.2": {"built": False}}, False, "came from the Internet before"),
        ({}, True, "from the Internet (a minute)"),
        ({}, False, "it is built from Go modules"),
    ],
)
def test_the_demo_says_where_kubernetes_comes_from(
    known: dict[str, object], internet: bool, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "versions", lambda: {"releases": known})
    monkeypatch.setattr(mirror, "buildable", lambda _: True)
    monkeypatch.setattr(origin, "reachable", lambda _: internet)
    fetch = demo.is_fetched("v1.37.2")
    assert fetch == ("Internet" in said)
    assert said in demo.how("v1.37.2", fetch=fetch)


@pytest.mark.parametrize(
    ("release", "cgroup2", "free", "settings"),
    [
        ("v1.37.2", True, 50, []),
        ("v1.37.2", False, 50, ["failCgroupV1=false"]),
        ("v1.34.4", False, 50, []),
        ("v1.37.2", True, 10, ["evictionHard={memory.available"]),
    ],
)
def test_the_demos_kubelets_take_the_machine_as_it_is(
    *,
    release: str,
    cgroup2: bool,
    free: int,
    settings: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(machine, "has_cgroup2", lambda: cgroup2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=100, free=free))
    found = demo.kubelet_settings(release)
    assert [text.removeprefix("kubelet.").partition(":")[0] for text in found] == settings
    assert capsys.readouterr().out.count("This machine") == len(settings)  # and it says why


# --- real hosts -------------------------------------------------------------------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root")


@pytest.fixture(scope="module", params=["debian-12", pytest.param("debian-13", marks=pytest.mark.soak)])
def pair(request: pytest.FixtureRequest) -> Iterator[list[LabHost]]:
    """Two hosts of the lab, of names and addresses that no other test uses."""
    names = ["self1", "self2"]
    hosts.down(names)
    yield hosts.up(names, base=request.param, memory="1g", start_address="10.77.254.11")
    hosts.down(names)


def said(host: LabHost, command: str, user: str = "root") -> str:
    """What a command prints on a host."""
    return hosts.ssh(host, command, user).stdout.strip()


@pytest.mark.lab
@pytest.mark.alone
@needs_root
class TestHosts:
    """Two hosts of each base image."""

    def test_systemd_runs_and_nothing_failed(self, pair: list[LabHost]) -> None:
        for host in pair:
            assert said(host, "systemctl is-system-running --wait; systemctl --failed --no-legend") == "running"

    def test_each_has_its_own_identity(self, pair: list[LabHost]) -> None:
        one, two = pair
        for command in (
            "hostname",
            "cat /etc/machine-id",
            "cat /proc/sys/kernel/random/boot_id",
            "cat /etc/ssh/ssh_host_ed25519_key.pub",
            "cat /sys/class/dmi/id/product_uuid 2>/dev/null || hostname",  # a small virtual machine may have none
            "cat /sys/class/net/eth0/address",
        ):
            assert said(one, command)
            assert said(one, command) != said(two, command)
        assert said(one, "getent hosts self1") != ""

    def test_it_is_a_fresh_server(self, pair: list[LabHost]) -> None:
        assert said(pair[0], "command -v python3 containerd kubelet docker || echo none") == "none"
        assert said(pair[0], "modprobe overlay && modprobe br_netfilter && echo yes") == "yes"
        assert said(pair[0], "sed -i s/self1/self1/ /etc/hosts && hostnamectl hostname self1 && echo yes") == "yes"
        assert said(pair[0], "stat -f -c %T /var") != "overlayfs"
        assert said(pair[0], "findmnt -no PROPAGATION /") == "shared"

    @pytest.mark.parametrize(
        ("user", "password", "sudo"),
        [
            ("root", base.ROOT_PASSWORD, True),
            ("operator", base.OPERATOR_PASSWORD, True),
            ("nosudo", base.NOSUDO_PASSWORD, False),
        ],
    )
    def test_users(self, pair: list[LabHost], user: str, password: str, sudo: bool) -> None:
        assert said(pair[0], "id -un", user) == user
        words = ["sshpass", "-p", password, "ssh", "-F", "none", "-o", "PreferredAuthentications=password"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        assert run([*words, f"{user}@{pair[0].address}", "id -un"]).stdout.strip() == user
        done = hosts.ssh(pair[0], "sudo -k -S -p '' id -un", user, check=False, stdin=f"{password}\n")
        assert (done.stdout.strip() == "root") == sudo
        if user != "root":
            assert hosts.ssh(pair[0], "sudo -n true", user, check=False).returncode != 0

    def test_apt_installs_from_the_lab(self, pair: list[LabHost]) -> None:
        mirror.start()
        command = "apt-get -q update && apt-get install -q -y --no-install-recommends socat && socat -V"
        assert "socat version" in said(pair[0], f"export DEBIAN_FRONTEND=noninteractive; {command}")

    def test_a_reboot_keeps_files_and_brings_a_new_boot(self, pair: list[LabHost]) -> None:
        host = pair[0]
        said(host, "echo kept >/etc/kept; echo kept >/var/kept; echo gone >/run/gone")
        before = faults.boot_id(host), said(host, "cat /etc/machine-id")
        faults.reboot(host)
        assert said(host, "cat /etc/kept /var/kept; test -e /run/gone || echo gone") == "kept\nkept\ngone"
        assert faults.boot_id(host) != before[0]
        assert said(host, "cat /etc/machine-id") == before[1]
        assert said(host, "systemctl is-system-running --wait") == "running"

    def test_power(self, pair: list[LabHost]) -> None:
        faults.power_off(pair[0])
        assert pair[0] not in hosts.running()
        assert pair[0] in hosts.known()
        assert hosts.up([pair[0].name]) == [pair[0]]
        assert pair[0] in hosts.running()

    def test_a_cut_cable_is_silent_and_survives_a_reboot(self, pair: list[LabHost]) -> None:
        one, two = pair
        ping = f"ping -q -c 1 -W 1 {one.address} >/dev/null && echo heard || echo silent"
        assert said(two, ping) == "heard"
        faults.cut(one)
        try:
            assert said(two, ping) == "silent"
            assert connect_error(one.address, 22) != 0
            faults.power_off(one)
            machine.podman("start", one.container)
            time.sleep(1)
            assert said(two, ping) == "silent"
        finally:
            faults.restore(one)
        hosts.wait_for_login(one)
        assert said(two, ping) == "heard"

    def test_sshd(self, pair: list[LabHost]) -> None:
        faults.stop_sshd(pair[0])
        assert connect_error(pair[0].address, 22) == errno.ECONNREFUSED
        faults.start_sshd(pair[0])
        assert said(pair[0], "echo back") == "back"

    def test_what_a_host_sends_outside_is_refused_at_once(self, pair: list[LabHost]) -> None:
        before = network.refused()["refused_from_lab"]
        start = time.monotonic()
        for port in range(8000, 8010):
            assert said(pair[0], f"curl -sS -m 5 http://{OUTSIDE}:{port}/ 2>/dev/null || echo $?") == "7"
        assert said(pair[0], "getent hosts example.invalid || echo none") == "none"
        assert time.monotonic() - start < 5
        assert network.refused()["refused_from_lab"] >= before + 10

    def test_what_goes_to_nobody_stays_here(self, pair: list[LabHost]) -> None:
        for address in ("10.244.7.7", "10.96.0.1"):
            assert connect_error(address, 80) in (errno.EHOSTUNREACH, errno.ENETUNREACH)
        assert f"dev {network.BRIDGE}" in run(["ip", "route", "get", "10.77.200.1"]).stdout
        routes = run(["ip", "route", "show", "type", "unreachable"]).stdout
        assert f"{network.SUBNET} metric" in routes.replace("unreachable ", "")

    def test_down_leaves_nothing(self, pair: list[LabHost]) -> None:
        before = _links()
        spare = hosts.up(["self3"], base=pair[0].base, start_address="10.77.254.11")
        assert len(_links()) == len(before) + 1
        hosts.down(["self3"])
        assert _links() == before
        assert spare[0] not in hosts.known()
        assert spare[0].volume not in machine.podman("volume", "ls", "-q").split()
        assert str(network.GATEWAY) in run(["ip", "-4", "addr", "show", network.BRIDGE]).stdout

    def test_hosts_begin_with_what_another_one_had(self, pair: list[LabHost]) -> None:
        names = ["self4", "self5", "self6"]
        blob, database = "/var/lib/containerd/blobs/kept", "/var/lib/containerd/meta.db"
        snapshot = hosts.Snapshot("self", "0", pair[0].base)
        try:
            (old,) = hosts.up(names[:1], base=pair[0].base, start_address="10.77.254.11")
            said(old, f"mkdir -p /var/lib/containerd/blobs; echo kept | tee /etc/kept {blob} {database} >/var/kept")
            assert not snapshot.exists()
            snapshot.take(old)
            assert snapshot.exists()
            assert old not in hosts.known()
            one, two = hosts.up(names[1:], like=snapshot, start_address="10.77.254.11")
            said(one, f"rm {blob}; echo changed >>{database}")
            assert said(two, f"cat /etc/kept /var/kept {blob} {database} | uniq -c") == "4 kept"
            for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
                assert len({said(host, f"cat {path}") for host in (one, two)}) == 2
            assert said(two, "systemctl is-system-running --wait") == "running"
        finally:
            hosts.down(names)
            machine.podman("volume", "rm", "-f", snapshot.volume)
            machine.podman("rmi", "-f", snapshot.image)


NAMESPACE = """
import socket
from tests.lab import network
from tests.lab.command import run

for words in (
    "ip link set lo up",
    "ip link add out type veth peer name other",
    "ip addr add 192.0.2.1/24 dev out",
    "ip link set out up",
    "ip link set other up",
    "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev out",
    "ip route add default via 192.0.2.2",
):
    run(words.split())
network.guard()
network.guard()
for address in ("10.77.0.50", "10.244.1.1"):
    with socket.socket() as tcp:
        tcp.settimeout(3)
        print(tcp.connect_ex((address, 22)))
run("ip route add 10.77.0.50 via 192.0.2.2".split())  # a route that should not be there: the rules refuse then
with socket.socket() as tcp:
    tcp.settimeout(3)
    print(tcp.connect_ex(("10.77.0.50", 22)))
print(network.refused()["refused_into_lab"] > 0)
"""


@pytest.mark.lab
@pytest.mark.alone
@needs_root
def test_without_the_bridge_nothing_takes_the_default_route() -> None:
    """As before `up` and after `off`; in a network namespace of its own, so that the lab itself stays as it is."""
    printed = run(["unshare", "--net", sys.executable, "-c", NAMESPACE]).stdout.split()
    assert printed == [str(errno.EHOSTUNREACH)] * 3 + ["True"]


def connect_error(address: str, port: int) -> int:
    """The error number of a TCP connection tried for a second; 0 if it stood."""
    with socket.socket() as tcp:
        tcp.settimeout(1)
        return tcp.connect_ex((address, port))


def _links() -> set[str]:
    return {line.split()[0] for line in run(["ip", "-br", "link"]).stdout.splitlines()}
