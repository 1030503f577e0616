"""What a prepared host holds before Kubernetes comes, the script that makes it so, and the one that takes it back.

What is changed is recorded on the host first, in /var/lib/kubeon/found/, once: `kubeon destroy` puts it back.
Limits of open files and processes are not set here: daemons do not pass PAM, so limits.d would not reach them; the
units of containerd and the kubelet carry their own.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from kubeon.distros import Family
from kubeon.hosts.facts import Facts
from kubeon.hosts.files import File, ensure_files_script
from kubeon.hosts.hosts_block import Entry, block_call
from kubeon.hosts.kernel import CHANGED_BY_KUBERNETES, MODULES, Sysctl, wanted_sysctls
from kubeon.spec.model import ClusterSpec, HostPolicy

_EVIDENCE = {
    "br_netfilter": "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
}


@dataclass(frozen=True)
class Preparation:
    """How one host should be."""

    cluster: str
    hostname: str  # "" leaves it
    entries: tuple[Entry, ...]  # of /etc/hosts
    sysctls: tuple[Sysctl, ...]
    policy: HostPolicy
    modules: tuple[str, ...] = MODULES

    @property
    def files(self) -> tuple[File, ...]:
        """What makes modules and kernel settings come back at boot."""
        settings = "".join(f"# {s.why}\n{s.key} = {s.value}\n" for s in self.sysctls)
        return (
            File("/etc/modules-load.d/kubeon.conf", "".join(f"{module}\n" for module in self.modules)),
            File("/etc/sysctl.d/99-kubeon.conf", f"# Written by kubeon; removed by kubeon destroy.\n{settings}"),
        )


def describe_preparation(
    spec: ClusterSpec, facts: Facts, name: str, entries: Iterable[tuple[str, Sequence[str]]]
) -> Preparation:
    """What the host of node `name` should be like.

    The hostname is set only where the spec names the node. `entries` are (address, names) for /etc/hosts.
    """
    named = any(node.name == name for node in spec.nodes)
    return Preparation(
        cluster=spec.name,
        hostname=name if named and facts.hostname != name else "",
        entries=tuple((address, tuple(names)) for address, names in entries),
        sysctls=wanted_sysctls(facts.sysctls),
        policy=spec.hosts,
    )


def missing_packages(family: Family, policy: HostPolicy, facts: Facts) -> list[str]:
    """OS packages to install: what the family needs and the host lacks.

    A time service only where the policy says so, none runs and none is installed; a container has its machine's clock.
    """
    wants_time = policy.time_sync == "chrony" and not (facts.time_services or facts.time_units or facts.container)
    return family.missing(facts.commands, facts.packages, time_service=wants_time)


def prepare_script(preparation: Preparation, *, root: str = "") -> str:
    """Make the host so. Prints a line per thing changed, nothing when all is so already.

    It may be interrupted at any point and run again. `root` is a folder that stands for / (tests).
    """
    policy = preparation.policy
    files = (File(root + file.path, file.content, file.mode) for file in preparation.files)
    calls = [
        *(f"ensure_module {name} {shlex.quote(_EVIDENCE.get(name, '/nowhere'))}" for name in preparation.modules),
        *(f"record_sysctl {key}" for key in CHANGED_BY_KUBERNETES),
        *(f"ensure_sysctl {s.key} {shlex.quote(s.value)} {'yes' if s.required else 'no'}" for s in preparation.sysctls),
        *(["ensure_swap_off"] if policy.swap == "off" else []),
        *(["ensure_selinux_permissive"] if policy.selinux == "permissive" else []),
        *(["ensure_firewall_off"] if policy.firewall == "disable" else []),
        *(["ensure_time_service"] if policy.time_sync == "chrony" else []),
        # entries before the name: from the moment a host has a new name, that name resolves
        block_call(preparation.cluster, preparation.entries).rstrip("\n"),
        *([f"ensure_hostname {shlex.quote(preparation.hostname)}"] if preparation.hostname else []),
        "exit 0",
        "",
    ]
    return _library(root) + f"set -e\n{ensure_files_script(files)}set +e\n" + "\n".join(calls)


def hosts_script(cluster: str, entries: Iterable[Entry], *, root: str = "") -> str:
    """Only the block in /etc/hosts, for when members come and go; no entries: remove it."""
    return _library(root) + block_call(cluster, entries) + "exit 0\n"


def renamed_block_script(old: str, new: str, entries: Iterable[Entry]) -> str:
    """The block in /etc/hosts under another cluster's name; the new one is there before the old one goes."""
    return _library("") + block_call(new, entries) + block_call(old, ())


def restore_script(cluster: str, family: Family | None = None, *, root: str = "") -> str:
    """Put everything back as it was found, packages included when the family is known, and remove the record.

    Prints a line per thing put back; may be interrupted and run again.
    """
    packages = f"(\n{family.remove_script(root=root)})\n" if family else ""
    return packages + _library(root) + f"restore {shlex.quote(cluster)}\n"


def _library(root: str) -> str:
    text = resources.files("kubeon.hosts").joinpath("changes.sh").read_text(encoding="utf-8")
    return f"root={shlex.quote(root)}\n{text}"
