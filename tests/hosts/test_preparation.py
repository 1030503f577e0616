"""Preparing a host and putting it back, by real shells in a folder that stands for the host."""

from pathlib import Path

import pytest

from kubeon.distros import DEBIAN, RHEL
from kubeon.hosts.facts import Facts
from kubeon.hosts.kernel import wanted_sysctls
from kubeon.hosts.preparation import describe_preparation, missing_packages, prepare_script, restore_script
from kubeon.spec.model import ClusterSpec, HostPolicy
from tests.hosts.sandbox import Sandbox

ENTRIES = [("10.0.0.1", ["node1", "apiserver.cluster.local"])]
FSTAB = """\
UUID=1 / ext4 defaults 0 1
# /dev/sdz none swap sw 0 0
/dev/sda2 none\tswap sw 0 0
/swap.img  swap  swap  defaults  0 0
/dev/sdb1 /swap ext4 defaults 0 2
"""


def a_spec(**policy: str) -> ClusterSpec:
    """A cluster of one node that has a name."""
    node = {"address": "10.0.0.1", "name": "node1", "role": "control-plane"}
    return ClusterSpec.model_validate({"name": "a", "version": "v1.34.2", "nodes": [node], "hosts": policy})


def a_script(host: Sandbox, **policy: str) -> str:
    """The script that prepares this host."""
    preparation = describe_preparation(a_spec(**policy), Facts(hostname="old-name"), "node1", ENTRIES)
    return prepare_script(preparation, root=host.root)


def an_untidy_host(folder: Path, shell: tuple[str, ...] = ("dash",)) -> Sandbox:
    """Swap of three kinds, SELinux enforcing, two firewalls, a time service that is off."""
    host = Sandbox(folder, shell)
    host.write("etc/fstab", FSTAB)
    host.write("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n/dev/zram0 partition 1 0 100\n")
    host.write("etc/selinux/config", "# SELINUX=enforcing is the default\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
    (folder / "state" / ".enforce").write_text("Enforcing\n")
    host.unit("firewalld.service", "enabled active")
    host.write("etc/ufw/ufw.conf", "ENABLED=yes\n")
    host.unit("chronyd.service", "disabled inactive")
    host.unit("dev-sda2.swap", "generated active", file="/etc/fstab")
    host.unit("dev-zram0.swap", "generated active", file="/run/systemd/generator/dev-zram0.swap")
    return host


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix")], ids=lambda shell: shell[0])
def test_everything_is_made_so_then_put_back(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Each change is told once; the second run is silent; restoring gives the host as it was found."""
    host = an_untidy_host(tmp_path, shell)
    found = host.everything()

    said = host.run(a_script(host))

    assert said.splitlines() == [
        f"{host.root}/etc/modules-load.d/kubeon.conf",
        f"{host.root}/etc/sysctl.d/99-kubeon.conf",
        "module nf_conntrack loaded",
        "sysctl net.ipv4.ip_forward 0 -> 1",
        "sysctl net.ipv4.conf.all.rp_filter 1 -> 2",
        "sysctl fs.inotify.max_user_instances 128 -> 8192",
        "dev-zram0.swap stopped and masked",
        "/etc/fstab: swap commented out",
        "swap /dev/sda2 off",
        "SELinux enforcing -> permissive",
        "SELinux at boot: enforcing -> permissive",
        "firewalld.service stopped and disabled",
        "ufw disabled",
        "chronyd.service enabled and started",
        "/etc/hosts: entries of kubeon a",
        "hostname old-name -> node1",
    ]
    assert "#kubeon# /swap.img  swap  swap  defaults  0 0\n" in host.read("etc/fstab")
    assert host.read("proc/swaps") == "Filename Type\n"
    assert host.read("etc/hosts").startswith("127.0.0.1 localhost\n127.0.1.1 old-name\n# BEGIN")

    prepared = host.everything()
    assert host.run(a_script(host)) == ""
    assert host.everything() == prepared

    host.run(restore_script("a", root=host.root))
    host.write("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n/dev/zram0 partition 1 0 100\n")
    assert host.everything() == found
    assert host.run(restore_script("a", root=host.root)) == ""


def test_nothing_is_done_that_the_policy_keeps(tmp_path: Path) -> None:
    """With everything kept, swap, SELinux, firewalls and time stay."""
    host = an_untidy_host(tmp_path)
    script = a_script(host, swap="keep", selinux="keep", firewall="keep", timeSync="keep")

    said = host.run(script)

    assert [line for line in said.splitlines() if "sysctl" not in line and "/etc/" not in line] == [
        "module nf_conntrack loaded",
        "hostname old-name -> node1",
    ]
    assert host.read("etc/fstab") == FSTAB
    assert host.state("firewalld.service") == "enabled active"


@pytest.mark.parametrize("lane", range(4))
def test_interrupted_anywhere_then_again(lane: int, tmp_path: Path) -> None:
    """Killed at any step and run again, the host ends prepared, and is put back as it was found."""
    programs = (
        "sed",
        "mv",
        "cp",
        "cat",
        "systemctl",
        "awk",
        "mkdir",
        "cmp",
        "setenforce",
        "ufw",
        "swapoff",
        "modprobe",
    )
    for step in range(1 + 3 * lane, 1000, 13):
        host = an_untidy_host(tmp_path / str(step))
        found = host.everything()
        host.mortal(*programs)

        killed = host.attempt(f"export DIE={step}\n{a_script(host)}") == -9
        host.run(a_script(host))
        assert host.run(a_script(host)) == ""

        host.run(restore_script("a", root=host.root))
        host.write("proc/swaps", "Filename Type\n/dev/sda2 partition 1 0 -2\n/dev/zram0 partition 1 0 100\n")
        assert {n: t for n, t in host.everything().items() if not n.endswith(".kubeon-new")} == found
        if not killed:
            break
    assert step > 40


def test_the_first_record_stays(tmp_path: Path) -> None:
    """What was found at first is what is put back, whatever later runs find."""
    host = Sandbox(tmp_path)
    host.unit("chrony.service", "enabled active")
    host.run(a_script(host))
    host.write("proc/sys/net/ipv4/conf/all/rp_filter", "0\n")
    assert host.run(a_script(host)) == "sysctl net.ipv4.conf.all.rp_filter 0 -> 2\n"

    host.run(restore_script("a", root=host.root))

    assert host.read("proc/sys/net/ipv4/conf/all/rp_filter") == "1\n"


def test_a_required_setting_that_cannot_be_had_fails(tmp_path: Path) -> None:
    """Without ip_forward there is no cluster: the script says so and ends badly."""
    host = Sandbox(tmp_path)
    (Path(host.root) / "proc/sys/net/ipv4/ip_forward").unlink()

    host.run(a_script(host), exit_code=1)

    assert host.stderr == "this kernel has no net.ipv4.ip_forward\n"


def test_limits_are_never_lowered() -> None:
    """A limit that is higher already is left out; one that is lower, equal or unknown is set."""
    keys = [s.key for s in wanted_sysctls({"vm.max_map_count": "1048576", "fs.inotify.max_user_watches": "524288"})]

    assert "vm.max_map_count" not in keys
    assert "fs.inotify.max_user_watches" in keys
    assert "fs.inotify.max_user_instances" in keys


def test_hostname_stays_unless_the_node_is_named() -> None:
    """A node that is called as its host leaves the hostname."""
    spec = a_spec()

    assert describe_preparation(spec, Facts(hostname="node1"), "node1", []).hostname == ""
    assert describe_preparation(spec, Facts(hostname="x"), "node1", []).hostname == "node1"
    assert describe_preparation(spec, Facts(hostname="other"), "other", []).hostname == ""


def test_packages_that_are_there_are_not_asked_for() -> None:
    """By package or by command; a time service only where none is, and not in containers."""
    policy = HostPolicy()
    have = frozenset({"socat", "ebtables", "ethtool", "ipset", "iptables", "ip", "tc", "ss", "modprobe", "mount"})
    facts = Facts(commands=have | {"nsenter", "flock"}, packages=frozenset({"tar"}), time_services=("chronyd",))

    assert missing_packages(DEBIAN, policy, facts) == ["conntrack"]
    assert missing_packages(DEBIAN, policy, Facts(container="lxc", commands=have)) == ["conntrack", "tar", "util-linux"]
    assert "chrony" in missing_packages(RHEL, policy, Facts())
    assert "chrony" not in missing_packages(RHEL, policy, Facts(time_units=("systemd-timesyncd",)))
    assert "chrony" not in missing_packages(RHEL, HostPolicy(time_sync="keep"), Facts())
