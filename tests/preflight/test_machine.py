"""Checks of one machine: each passes on a good one and finds what is wrong on another."""

from typing import Any

import pytest

from kubeon.hosts.facts import FileSystem
from tests.preflight.factory import GOOD, MEMBER, a_spec, findings, some_facts, told


def test_a_good_host_passes() -> None:
    """Nothing to say, as control plane and as worker."""
    assert findings(a_spec(1, 1), some_facts(1), some_facts(2)) == []


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"os_id": "plan9"}, ["error OperatingSystem n1"]),
        ({"os_id": "kylin", "commands": GOOD.commands | {"dnf"}}, []),
        ({"commands": GOOD.commands - {"apt-get"}}, ["error OperatingSystem n1"]),
        ({"commands": GOOD.commands - {"awk"}}, ["error FileExisting-awk n1"]),
        ({"architecture": "riscv64"}, ["error Architecture n1"]),
        ({"init": "init"}, ["error Systemd n1"]),
        ({"kernel": "4.18.0-553.el8_10.x86_64"}, ["warning SystemVerification n1"]),
        ({"kernel": "5.4.0-1"}, []),
        ({"kernel": "odd"}, []),
        ({"modules": frozenset({"overlay", "nf_conntrack"})}, ["error KernelModules n1"]),
        (
            {"modules": frozenset({"overlay", "nf_conntrack"}), "commands": GOOD.commands - {"modprobe"}},
            ["warning KernelModules n1"],
        ),
        ({"cgroup_version": 0}, ["warning SystemVerification n1"]),
        ({"cgroup_controllers": frozenset({"cpu", "cpuset", "pids"})}, ["error SystemVerification n1"]),
        ({"cgroup_version": 1}, ["error SystemVerification n1"]),  # controllers of v1 are missing
        ({"cpus": 1}, ["error NumCPU n1"]),
        ({"cpus": 2}, []),
        ({"memory_mib": 1699}, ["error Mem n1"]),
        ({"memory_mib": 1700}, []),
        ({"memory_mib": 0}, []),
        ({"disk_free_mib": {"/var/lib": 2000, "/usr": 600}}, ["error DiskSpace n1"]),
        ({"disk_free_mib": {"/var/lib": 2048, "/usr": 600}}, ["warning DiskSpace n1"]),
        ({"disk_free_mib": {"/var/lib": 20480, "/usr": 100}}, ["error DiskSpace n1"]),
        ({"disk_free_mib": {}}, []),
        ({"swap_devices": ("/swap.img",)}, ["warning Swap n1"]),
    ],
)
def test_control_plane(changes: dict[str, Any], wanted: list[str]) -> None:
    """One change to a good host, and what is said of it."""
    assert told(findings(a_spec(), some_facts(**changes))) == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"cpus": 1}, []),
        ({"memory_mib": 699}, ["warning Mem n2"]),
        ({"memory_mib": 700}, []),
    ],
)
def test_worker(changes: dict[str, Any], wanted: list[str]) -> None:
    """Workers may be smaller."""
    assert told(findings(a_spec(1, 1), some_facts(1), some_facts(2, **changes))) == wanted


def test_cgroup_v1_by_release() -> None:
    """The kubelet refuses it from 1.35 on, unless the user has told it not to."""
    v1 = frozenset({"cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"})
    facts = some_facts(cgroup_version=1, cgroup_controllers=v1)

    assert findings(a_spec(version="v1.34.2"), facts) == []
    assert told(findings(a_spec(version="v1.35.0"), facts)) == ["error SystemVerification n1"]
    told_not_to = a_spec(version="v1.35.0", kubelet={"failCgroupV1": False})
    assert told(findings(told_not_to, facts)) == ["warning SystemVerification n1"]


@pytest.mark.parametrize(
    ("version", "kernel", "wanted"),
    [
        ("v1.31.9", "4.18.0-553", []),
        ("v1.32.0", "4.18.0-553", ["error SystemVerification n1"]),
        ("v1.33.13", "4.18.0-553", ["error SystemVerification n1"]),
        ("v1.33.13", "4.19.0-1", []),
        ("v1.34.0", "4.18.0-553", ["warning SystemVerification n1"]),
        ("v1.37.2", "4.19.0-1", ["warning SystemVerification n1"]),
        ("v1.37.2", "5.4.0-1", []),
    ],
)
def test_old_kernels_by_release(version: str, kernel: str, wanted: list[str]) -> None:
    """RHEL 8's is refused by kubeadm of 1.32 and 1.33 only; later ones warn, of more."""
    assert told(findings(a_spec(version=version), some_facts(kernel=kernel))) == wanted


@pytest.mark.parametrize(
    ("plugin", "version", "wanted"),
    [
        ("bridge", "v1.34.2", []),
        ("flannel", "v1.34.2", []),
        ("calico", "v1.31.9", []),
        ("calico", "v1.34.2", ["warning KernelVersion n1"]),
        ("cilium", "v1.34.2", ["warning KernelVersion n1"]),
    ],
)
def test_kernels_that_the_network_plugin_asks_for(plugin: str, version: str, wanted: list[str]) -> None:
    """As each release's documentation says."""
    spec = a_spec(version=version, networking={"plugin": plugin})

    assert told(findings(spec, some_facts(kernel="5.4.0-1"))) == wanted
    assert findings(spec, some_facts(kernel="5.10.0-1")) == []


def test_swap_says_what_will_be_done() -> None:
    """Off: it will be switched off. Kept: what that means, by release."""
    facts = some_facts(swap_devices=("/dev/sda2",))

    assert "will be switched off" in findings(a_spec(), facts)[0].what
    assert "pods do not use it" in findings(a_spec(hosts={"swap": "keep"}), facts)[0].what
    assert "unaccounted" in findings(a_spec(hosts={"swap": "keep"}, version="v1.21.0"), facts)[0].what


def test_a_member_is_not_measured_again() -> None:
    """What it has is in use already."""
    facts = some_facts(**MEMBER, cpus=1, memory_mib=500, disk_free_mib={"/var/lib": 100}, modules=frozenset())

    assert findings(a_spec(), facts) == []


GIB = 1 << 30


@pytest.mark.parametrize(
    ("runtime", "kubelet", "wanted"),
    [
        (FileSystem(100 * GIB, 16 * GIB), {}, []),
        (FileSystem(100 * GIB, 14 * GIB), {}, ["error DiskSpace n1"]),
        (FileSystem(100 * GIB, 14 * GIB), {"evictionHard": {"imagefs.available": "10Gi"}}, []),
        (FileSystem(100 * GIB, 9 * GIB), {"evictionHard": {"imagefs.available": "10Gi"}}, ["error DiskSpace n1"]),
        (FileSystem(100 * GIB, 1 * GIB), {"evictionHard": {"memory.available": "100Mi"}}, []),  # there are no others
        (FileSystem(100 * GIB, 50 * GIB, 1000, 40), {}, ["error DiskSpace n1"]),
        (FileSystem(100 * GIB, 50 * GIB), {}, []),  # counts no inodes
    ],
)
def test_a_disk_on_which_the_kubelet_would_take_no_pods(
    runtime: FileSystem, kubelet: dict[str, Any], wanted: list[str]
) -> None:
    """By its own thresholds, or those of the description; members say so themselves."""
    disks = {"/var/lib/kubelet": FileSystem(100 * GIB, 50 * GIB), "/var/lib/containerd": runtime}

    assert told(findings(a_spec(kubelet=kubelet), some_facts(filesystems=disks))) == wanted
    assert findings(a_spec(kubelet=kubelet), some_facts(filesystems=disks, **MEMBER), ca_fingerprint="00ff") == []


def test_how_full_a_disk_is_stands_in_the_finding() -> None:
    """With the threshold."""
    disks = {"/var/lib/kubelet": FileSystem(100 * GIB, 9 * GIB)}

    [found] = findings(a_spec(), some_facts(filesystems=disks))

    assert found.what.startswith("9 % of the bytes below /var/lib/kubelet are free, and the kubelet would report")
    assert "nodefs.available: 10% now" in found.hint


def test_a_member_is_not_refused_for_what_its_cluster_runs_on() -> None:
    """Whatever the description says; a host that only has its certificates is no member yet."""
    spec = a_spec(version="v1.37.2")
    old: dict[str, Any] = {"cgroup_version": 1, "cgroup_controllers": frozenset({"memory"}), "kernel": "4.18.0-553.el8"}

    member = findings(spec, some_facts(**old, **MEMBER))
    half = findings(spec, some_facts(**old, **{**MEMBER, "kubelet_config": False}))

    assert "SystemVerification" not in [one.check for one in member]
    assert "error SystemVerification n1" in told(half)
