"""What the lab needs of the machine it runs on: packages, podman's settings, kernel settings that all hosts share.

Works by what the machine is, not by what it is called: with or without systemd, cgroup v1 or v2, with or without the
right to raise limits, with or without loadable modules.
"""

import contextlib
import fcntl
import functools
import json
import os
import resource
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.lab import cache
from tests.lab.command import LabError, run

PACKAGES = (
    *("podman", "netavark", "mmdebstrap", "debian-archive-keyring", "apt-utils"),
    *("nftables", "iptables", "iproute2", "procps", "kmod", "openssh-client", "sshpass"),
)
STATE = Path("/run/kubeon-lab")
"""What must be put back or stopped later: kernel settings as they were, pid files. Not in the cache: it is per boot."""

MODULES = ("overlay", "br_netfilter", "nf_conntrack", "vxlan", "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "ip_set")
_CAP_SYS_RESOURCE = 24


def sysctls(cores: int) -> dict[str, str | None]:
    """Kernel settings of the whole machine that the lab, or something inside a host, changes.

    None: not changed here, but by kubelets (kernel.panic ...) or by a host's own sysctl.d; saved to be put back.
    """
    return {
        # kube-proxy before 1.21 wants exactly this and may not write it from a network namespace of its own
        "net.netfilter.nf_conntrack_max": str(max(131072, 32768 * cores)),
        # every host's systemd, kubelet and containerd hold inotify instances of one user, root
        "fs.inotify.max_user_instances": "8192",
        "fs.inotify.max_user_watches": "1048576",
        # what a `destroy` puts back on one host would change under all others
        "vm.max_map_count": str(max(262144, int(_sysctl("vm.max_map_count").read_text()))),
        # one neighbour table for all network namespaces
        "net.ipv4.neigh.default.gc_thresh1": "2048",
        "net.ipv4.neigh.default.gc_thresh2": "8192",
        "net.ipv4.neigh.default.gc_thresh3": "16384",
        # frames between hosts pass the machine as through a switch, not through its firewall and NAT rules
        "net.bridge.bridge-nf-call-iptables": "0",
        "net.bridge.bridge-nf-call-ip6tables": "0",
        # every refused packet is answered at once, however many there are
        "net.ipv4.icmp_ratelimit": "0",
        "net.ipv4.route.error_cost": "0",
        "net.ipv4.ip_forward": None,
        "kernel.pid_max": None,
        "kernel.panic": None,
        "kernel.panic_on_oops": None,
        "kernel.keys.root_maxkeys": None,
        "kernel.keys.root_maxbytes": None,
        "vm.overcommit_memory": None,
        "vm.panic_on_oom": None,
        "vm.swappiness": None,
    }


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Hold the lab for one process: two must not give out the same address or build the same image."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # goes with the process, also when it is killed
        yield


def prepare() -> None:
    """Install what is missing, write podman's settings, save and change kernel settings. Safe to call again."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes a network, mounts and containers with systemd")
    install()
    write_containers_conf()
    for module in MODULES:
        run(["modprobe", "-q", module], check=False)  # fails where it is built in, or where there is none
    save()
    for key, value in sysctls(os.cpu_count() or 1).items():
        if value is not None and _sysctl(key).exists():
            _sysctl(key).write_text(value)


def restore() -> None:
    """Put back the kernel settings and the swap as they were before the first `prepare` of this boot."""
    saved = _saved()
    for key, value in saved.get("sysctls", {}).items():
        if _sysctl(key).exists() and _sysctl(key).read_text().strip() != value:
            _sysctl(key).write_text(value)
    # `swapoff -a` in a host, as every guide to kubeadm has it, takes the machine's swap away
    for device in set(saved.get("swaps", [])) - set(_swaps()):
        run(["swapon", device], check=False)
    (STATE / "saved.json").unlink(missing_ok=True)


def save() -> None:
    """Save kernel settings and swap devices, each once per boot."""
    saved = _saved()
    values = {key: _sysctl(key).read_text().strip() for key in sysctls(1) if _sysctl(key).exists()}
    values |= saved.get("sysctls", {})
    text = json.dumps({"boot": _boot_id(), "sysctls": values, "swaps": saved.get("swaps", _swaps())}, indent=1)
    STATE.mkdir(parents=True, exist_ok=True)
    temporary = STATE / "saved.json.new"
    temporary.write_text(text)
    temporary.rename(STATE / "saved.json")


def install() -> None:
    """Install missing Debian packages with apt-get, and say which."""
    wanted = [*PACKAGES] if has_cgroup2() else [*PACKAGES, "runc"]
    states = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *wanted], check=False).stdout
    present = {line.split()[0] for line in states.splitlines() if line.split()[1:] == ["ii"]}
    missing = [name for name in wanted if name not in present]
    if not missing:
        return
    print(f"lab: apt-get install {' '.join(missing)}", flush=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600"]
    run([*apt, "update"], env=quiet)
    run([*apt, "install", "-y", "--no-install-recommends", *missing], env=quiet)


def write_containers_conf() -> None:
    """Write the lab's own containers.conf; the machine's own stays as it is."""
    cache.root().mkdir(parents=True, exist_ok=True)
    hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = containers_conf(
        systemd=has_systemd(), cgroup2=has_cgroup2(), nofile=None if may_raise_limits() else hard_files
    )
    path = cache.root() / "containers.conf"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def containers_conf(*, systemd: bool, cgroup2: bool, nofile: int | None) -> str:
    """The text of containers.conf; `nofile` is the hard limit of open files where it cannot be raised."""
    lines = ["[engine]", f'cgroup_manager = "{"systemd" if systemd and cgroup2 else "cgroupfs"}"']
    if not cgroup2:
        lines.append('runtime = "runc"')  # crun refuses a mix of cgroup v1 and v2
    lines += ["[network]", 'network_backend = "netavark"', f'network_config_dir = "{cache.root() / "networks"}"']
    if nofile is not None:
        # podman's own default lies above what this root may set
        lines += ["[containers]", f'default_ulimits = ["nofile={nofile}:{nofile}", "nproc=32768:32768"]']
    return "\n".join(lines) + "\n"


def podman(*words: str, check: bool = True, timeout: float = 300) -> str:
    """Run podman with the lab's settings and return what it printed; `timeout` in seconds."""
    return run(["podman", *words], check=check, env=podman_env(), timeout=timeout).stdout


def podman_env() -> Mapping[str, str]:
    """The environment that makes podman read the lab's settings."""
    return {"CONTAINERS_CONF": str(cache.root() / "containers.conf")}


def has_systemd() -> bool:
    """Whether systemd is process 1 here."""
    return Path("/run/systemd/system").is_dir()


@functools.cache
def has_cgroup2() -> bool:
    """Whether the machine has cgroup v2 alone (not v1, not the mix of both)."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def may_raise_limits() -> bool:
    """Whether this process has CAP_SYS_RESOURCE."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_RESOURCE & 1)


def _saved() -> dict[str, Any]:
    path = STATE / "saved.json"
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text())
    return content if content.get("boot") == _boot_id() else {}  # another boot's values mean nothing now


def _sysctl(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")


def _swaps() -> list[str]:
    return [line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]]


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
