"""The facts script, run for real in several shells, and its parser on answers of many systems."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubeon.hosts.facts import Facts, FileSystem, Interface
from kubeon.hosts.gather import facts_script, parse_facts, pem_fingerprint
from kubeon.hosts.marks import Mark
from tests.hosts.samples import NOW, SAMPLES, sample, sample_facts

SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "ubuntu-22.04",
            {
                "hostname": "node-1",
                "product_uuid": "4c4c4544-0051-3010-8052-b4c04f4e3732",
                "os_id": "ubuntu",
                "os_like": ("debian",),
                "os_version": "22.04",
                "architecture": "arm64",
                "init": "systemd",
                "container": "",
                "cgroup_version": 2,
                "memory_mib": 15884,
                "disk_free_mib": {"/": 81825, "/var": 190128, "/var/lib": 190128, "/usr": 81825},
                "swap_devices": ("/swap.img",),
                "clock_offset": 3.25,
                "interfaces": (
                    Interface("lo", ("127.0.0.1/8",)),
                    Interface("enp1s0", ("10.0.0.11/24", "10.0.0.100/32")),
                    Interface("docker0", ("172.17.0.1/16",)),
                    Interface("wg0", ("192.168.9.1/32",)),
                    Interface("veth0", ("192.168.10.1/30",)),
                ),
                "addresses": (*("127.0.0.1", "10.0.0.11", "10.0.0.100", "172.17.0.1", "192.168.9.1", "192.168.10.1"),),
                "routes": ("10.0.0.0/24", "10.0.0.1/32", "172.17.0.0/16", "192.168.9.2/32"),
                "default_interface": "enp1s0",
                "ports_in_use": {53: "systemd-resolve", 22: "sshd", 6443: "nginx"},
                "firewalls": ("ufw",),
                "time_services": ("systemd-timesyncd",),
                "time_synchronised": True,
                "cloud_init_hosts": True,
                "conntrack_max": None,
                "active_units": frozenset({"containerd", "docker", "kubelet"}),
                "containerd_unit": "/lib/systemd/system/containerd.service",
                "containers": 3,
                "ca_fingerprint": "",
            },
        ),
        (
            "rocky-9",
            {
                "hostname": "Rocky_9.example.com",
                "os_like": ("rhel", "centos", "fedora"),
                "architecture": "amd64",
                "selinux": "enforcing",
                "firewalls": ("firewalld",),
                "time_services": ("chronyd",),
                "time_synchronised": False,
                "routes": ("10.0.0.0/24",),
                "clock_offset": 0.0,
            },
        ),
        (
            "openeuler-22.03",
            {
                "os_id": "openEuler",
                "cgroup_version": 1,
                "memory_mib": 0,
                "cpus": 0,
                "disk_free_mib": {},
                "swap_devices": (),
                "interfaces": (Interface("?", ("10.0.0.13/32", "127.0.0.1/32")),),
                "routes": (),
                "default_interface": "",
                "ports_in_use": {6443: "", 22: ""},
                "time_synchronised": True,
                "clock_offset": 0.5,  # date without %N: the middle of the second
                "kubelet_kubeconfig": True,
                "api_server": "https://apiserver.cluster.local:6443",
                "mark": Mark("prod", "0123abcd"),
                "ca_fingerprint": "",
                "etcd_data": False,
                "pod_subnet": "10.244.3.0/24",
                "client_certificate": True,
                "client_certificate_expiry": datetime(2123, 11, 4, 9, 5, 3, tzinfo=UTC),
                "hosts_block": "# BEGIN kubeon prod\n10.0.0.13 oe1\n# END kubeon prod\n",
                "records": ("found/hostname", "found/sysctl"),
            },
        ),
        (
            "debian-12-control-plane",
            {
                "init": "systemd",
                "container": "podman",
                "cgroup_version": 1,
                "active_units": frozenset({"containerd", "kubelet"}),
                "static_pods": (
                    *("etcd.yaml", "kube-apiserver.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml"),
                ),
                "etcd_data": True,
                "kubelet_config": True,
                "ca_fingerprint": "8a057da826d465266e7807cc1a1ff34c339b6284fdc464b80738152b16b61c1d",
                "api_server": "https://10.77.253.11:6443",
                "restricted_oom": True,
                "conntrack_max": 131072,
                "conntrack_max_writable": False,
                "containers": 4,
            },
        ),
    ],
)
def test_answers_become_values(name: str, wanted: dict[str, Any]) -> None:
    """Real and hand-made answers give these values."""
    facts = sample_facts(name)

    assert wanted == {field: getattr(facts, field) for field in wanted}


def test_nothing_known_is_empty_not_an_error() -> None:
    """An empty answer gives empty facts."""
    facts = parse_facts("", NOW)

    assert facts == Facts(gathered=NOW)


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.txt")))
def test_no_cut_or_garbled_answer_raises(name: str) -> None:
    """Wherever an answer is cut or garbled, the parser gives what it can."""
    text = sample(name)

    for end in range(0, len(text), 97):
        parse_facts(text[:end], NOW)
    parse_facts(text.replace(" ", "\t"), NOW)
    parse_facts(text.replace("1", "x"), NOW)
    assert parse_facts(text.replace("\n", "\r\n"), NOW).hostname == parse_facts(text, NOW).hostname


def test_fingerprint_is_that_of_the_der() -> None:
    """The first certificate counts; text around it does not."""
    pem = "text\n-----BEGIN CERTIFICATE-----\naGVs\nbG8=\n-----END CERTIFICATE-----\n"

    assert pem_fingerprint(pem) == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert pem_fingerprint("") == ""


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_script_answers_in_every_shell(shell: list[str]) -> None:
    """The script ends well in this shell and tells what is true here."""
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")

    done = subprocess.run(
        shell,
        input=facts_script(["sh", "no-such-command"], ["no-such-package"]),
        capture_output=True,
        text=True,
        check=False,
    )
    facts = parse_facts(done.stdout, datetime.now(UTC))

    assert (done.returncode, done.stderr) == (0, "")
    assert "sh" in facts.commands
    assert "no-such-command" not in facts.commands
    assert frozenset() == facts.packages
    assert facts.cpus > 0
    assert facts.clock_offset is not None
    assert abs(facts.clock_offset) < 2


def test_script_survives_an_empty_host_and_changes_nothing(tmp_path: Path) -> None:
    """With no files and no programs beside the shell's own, it still answers, and leaves nothing behind."""
    root, programs = tmp_path / "root", tmp_path / "bin"
    root.mkdir()
    programs.mkdir()

    script = facts_script(["ip"], ["conntrack"], root=str(root)).replace("PATH=$PATH:", "#")
    done = subprocess.run(
        ["/bin/sh"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(programs)},
        cwd=tmp_path,
    )
    facts = parse_facts(done.stdout, NOW)

    assert (done.returncode, done.stderr) == (0, "")
    assert Facts(gathered=NOW) == facts
    assert list(root.iterdir()) == []


def test_what_lies_where_kubeon_puts_its_own(tmp_path: Path) -> None:
    """In the folders of /etc/kubernetes, and units."""
    for path in ("kubernetes/kubelet.conf", "kubernetes/local-haproxy/hosts", "systemd/system/a.service"):
        (tmp_path / "etc" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / path).touch()

    script = facts_script([], [], root=str(tmp_path))
    done = subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, check=False)

    assert parse_facts(done.stdout, NOW).configuration == {
        "/etc/kubernetes/local-haproxy/hosts",
        "/etc/systemd/system/a.service",
    }


@pytest.mark.parametrize("name", ["gather.sh", "health.sh", "changes.sh", "command.sh", "copy.sh"])
def test_scripts_are_clean_for_shellcheck(name: str) -> None:
    """Where shellcheck is installed, it has nothing to say. Variables and calls come from the renderer."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    script = Path(__file__).parent.parent.parent / "kubeon" / "hosts" / name

    done = subprocess.run(
        ["shellcheck", "-s", "sh", "-e", "SC2148,SC2154", str(script)], capture_output=True, text=True, check=False
    )

    assert done.stdout == ""


def test_how_full_the_disks_are_that_the_kubelet_watches() -> None:
    """In bytes; btrfs counts no inodes. A folder that is not there yet is on the disk of the one above it."""
    text = "@@kubeon eviction\n/var/lib/kubelet 1000 100 500 20\n/var/lib/containerd 2000 300 0 -\n@@kubeon end\n"

    assert parse_facts(text, NOW).filesystems == {
        "/var/lib/kubelet": FileSystem(1_024_000, 102_400, 500, 20),
        "/var/lib/containerd": FileSystem(2_048_000, 307_200),
    }
