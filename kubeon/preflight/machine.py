"""Is the machine one that Kubernetes runs on: operating system, kernel, processors, memory, disk."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from kubeon.cni import CNIS
from kubeon.distros import FAMILIES, family_of
from kubeon.hosts.facts import FileSystem
from kubeon.hosts.gather import BASE_COMMANDS
from kubeon.preflight.base import Candidate, Check, Finding, Subject, each
from kubeon.spec.versions import refuses_cgroup_v1, refuses_old_kernels

LookAtOne = Callable[[Subject, Candidate], Iterable[Finding]]

ARCHITECTURES = ("amd64", "arm64")
CONTROL_PLANE_CPUS = 2  # kubeadm's NumCPU
CONTROL_PLANE_MEMORY = 1700  # MiB, kubeadm's Mem
WORKER_MEMORY = 700  # MiB: 75 for a worker's own processes, 450 of page cache, a few pods
DISK_NEEDED = 2048  # MiB under /var/lib: a control plane takes 1030 for a start, and as much again while unpacking
DISK_WANTED = 10240  # MiB: below it the kubelet soon evicts pods
BINARIES = 512  # MiB under /usr: /usr/local/bin
# system-validators, required: v1 (types_unix.go, Cgroups) and v2 (CgroupsV2)
CONTROLLERS: dict[int, tuple[str, ...]] = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    2: ("cpu", "cpuset", "memory", "pids"),
}
# The kubelet's own (pkg/kubelet/eviction/defaults_linux.go). Where evictionHard is set, there are no others.
EVICTION = {
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
}
_SIGNALS = {
    "nodefs.available": ("/var/lib/kubelet", "bytes"),
    "nodefs.inodesFree": ("/var/lib/kubelet", "inodes"),
    "imagefs.available": ("/var/lib/containerd", "bytes"),
    "imagefs.inodesFree": ("/var/lib/containerd", "inodes"),
}


def operating_system(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """A family that kubeon knows, with its package manager, and systemd."""
    del subject
    family = family_of(c.facts.os_id, c.facts.os_like, c.facts.commands)
    name = c.facts.os_name or c.facts.os_id or "an unknown operating system"
    if family is None:
        yield c.error("OperatingSystem", f"{name} is not supported", f"families that are: {', '.join(FAMILIES)}")
    elif not c.facts.commands.intersection(family.managers):
        yield c.error("OperatingSystem", f"{name} has none of {', '.join(family.managers)}")
    if c.facts.architecture not in ARCHITECTURES:
        machine = c.facts.architecture or "unknown"
        yield c.error("Architecture", f"architecture {machine} is not supported", "amd64 and arm64 are")
    if c.facts.init != "systemd":
        yield c.error("Systemd", f"process 1 is {c.facts.init or 'unknown'}, not systemd")


def commands(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """What kubeon's own scripts use. Packages that it installs itself are not looked for here."""
    del subject
    for command in BASE_COMMANDS:
        if command not in c.facts.commands:
            yield c.error(f"FileExisting-{command}", f"{command} is not on PATH")


def kernel(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """The kernel's release: what kubeadm asks for (system-validators), and what the network plug-in does."""
    match = re.match(r"(\d+)\.(\d+)", c.facts.kernel)
    if not match:
        return
    found, version = (int(match[1]), int(match[2])), subject.spec.kubernetes
    backports = "where the vendor has backported what is needed (RHEL 8)"
    if refuses_old_kernels(version) and found < (4, 19):
        yield c.error(
            "SystemVerification",
            f"kernel {c.facts.kernel} is older than 4.19, and kubeadm of {version} refuses it",
            "a newer kernel, Kubernetes 1.34 or newer, which only warns, or --ignore-preflight-errors "
            f"SystemVerification {backports}",
        )
    elif version.at_least(34) and found < (5, 4):
        what = f"kernel {c.facts.kernel} is older than 5.4, the oldest that Kubernetes 1.34 and newer are meant for"
        yield c.warning("SystemVerification", what, f"it may do {backports}")
    plugin = CNIS[subject.spec.networking.plugin]
    oldest = plugin.oldest_kernel(subject.spec)
    if found < oldest:
        what = f"kernel {c.facts.kernel} is older than {oldest[0]}.{oldest[1]}, which {plugin.name} asks for"
        yield c.warning("KernelVersion", what, f"it may do {backports}")


def modules(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Those that pods' networks and containers' file systems need."""
    del subject
    if c.joined:
        return
    for module in ("overlay", "br_netfilter", "nf_conntrack"):
        if module in c.facts.modules:
            continue
        if "modprobe" in c.facts.commands:
            hint = f"install the kernel's extra modules; `modprobe {module}` says what is missing"
            yield c.error("KernelModules", f"kernel module {module} is neither loaded nor loadable", hint)
        else:
            yield c.warning("KernelModules", f"kernel module {module} is not loaded, and modprobe is not there to ask")


def cgroups(
    subject: Subject, c: Candidate, *, where: str = "kubelet.failCgroupV1: false in cluster.yaml"
) -> Iterator[Finding]:
    """The version and the controllers that the kubelet needs (KEP-5573: 1.35 refuses v1); `where` to say otherwise."""
    if c.facts.cgroup_version == 0:
        yield c.warning("SystemVerification", "the version of cgroups cannot be told")
        return
    if c.facts.cgroup_version == 1 and refuses_cgroup_v1(subject.spec.kubernetes):
        what = f"cgroup v1, which the kubelet of {subject.spec.kubernetes} refuses"
        if subject.spec.kubelet.get("failCgroupV1") is False:
            yield c.warning("SystemVerification", f"{what} unless told otherwise, as it is here")
        else:
            hint = f"boot with systemd.unified_cgroup_hierarchy=1, or set {where}"
            yield c.error("SystemVerification", what, hint)
    missing = [name for name in CONTROLLERS[c.facts.cgroup_version] if name not in c.facts.cgroup_controllers]
    if missing and c.facts.cgroup_controllers:
        hint = "kernel parameters cgroup_enable=memory cgroup_memory=1, then reboot" if "memory" in missing else ""
        yield c.error("SystemVerification", f"cgroup controllers are missing: {', '.join(missing)}", hint)


def size(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Processors and memory, with kubeadm's limits."""
    del subject
    if c.joined:
        return
    if c.control_plane and 0 < c.facts.cpus < CONTROL_PLANE_CPUS:
        yield c.error("NumCPU", f"{c.facts.cpus} CPU, a control plane needs {CONTROL_PLANE_CPUS}")
    memory = c.facts.memory_mib
    if c.control_plane and 0 < memory < CONTROL_PLANE_MEMORY:
        yield c.error("Mem", f"{memory} MiB of memory, a control plane needs {CONTROL_PLANE_MEMORY}")
    elif not c.control_plane and 0 < memory < WORKER_MEMORY:
        yield c.warning("Mem", f"{memory} MiB of memory, few pods will fit (recommended: {WORKER_MEMORY} and more)")


def disk(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Room for what kubeon installs, and some for what comes after."""
    del subject
    if c.joined:
        return
    free = c.facts.disk_free_mib.get("/var/lib")
    hint = "images, containers and etcd live under /var/lib"
    if free is not None and free < DISK_NEEDED:
        yield c.error("DiskSpace", f"{free} MiB free under /var/lib, {DISK_NEEDED} are needed", hint)
    elif free is not None and free < DISK_WANTED:
        yield c.warning("DiskSpace", f"{free} MiB free under /var/lib, {DISK_WANTED} are recommended", hint)
    binaries = c.facts.disk_free_mib.get("/usr")
    if binaries is not None and binaries < BINARIES:
        yield c.error("DiskSpace", f"{binaries} MiB free under /usr, {BINARIES} are needed")


def pressure(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """A disk that is full as the kubelet counts: its node would take no pods from the first moment on."""
    if c.joined:  # its Node says so
        return
    given = subject.spec.kubelet.get("evictionHard")
    for signal, threshold in (given if isinstance(given, dict) else EVICTION).items():
        if signal not in _SIGNALS:
            continue
        folder, what = _SIGNALS[signal]
        found = c.facts.filesystems.get(folder, FileSystem(0, 0))
        size, free = (found.inodes, found.free_inodes) if what == "inodes" else (found.size, found.free)
        least = _amount(str(threshold), size)
        if size and least is not None and free < least:
            share = f"{free * 100 / size:.0f} % of the {what} below {folder} are free"
            hint = f"make room there, or set kubelet.evictionHard in cluster.yaml ({signal}: {threshold} now)"
            yield c.error("DiskSpace", f"{share}, and the kubelet would report DiskPressure at once", hint)


def _amount(text: str, whole: int) -> float | None:
    """Of "10%" of the whole, or "1Gi"; None when it is neither."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%|[kKMGT]i?)?", text.strip())
    if not match:
        return None
    number, unit = float(match[1]), match[2] or ""
    if unit == "%":
        return whole * number / 100
    power = " KMGT".index(unit[:1].upper() or " ")
    return number * float((1024 if unit.endswith("i") else 1000) ** power)


def swap(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """What will be done about swap, or what it means to keep it."""
    if not c.facts.swap_devices:
        return
    devices = ", ".join(c.facts.swap_devices)
    if subject.spec.hosts.swap == "off":
        yield c.warning(
            "Swap",
            f"swap is on ({devices}): it will be switched off, now and for later boots",
            "hosts.swap: keep leaves it; kubeon destroy puts it back",
        )
    elif not subject.spec.kubernetes.at_least(22):
        yield c.warning("Swap", f"swap stays on ({devices}): pods of {subject.spec.kubernetes} use it unaccounted")
    else:
        yield c.warning("Swap", f"swap stays on ({devices}) for the host; pods do not use it")


def _of_new_nodes(look: LookAtOne) -> LookAtOne:
    """A member's cluster runs on what is there, and was told of it where that matters."""
    return lambda subject, c: () if c.configured else look(subject, c)


CHECKS = (
    Check(each(operating_system), ("OperatingSystem", "Architecture", "Systemd")),
    Check(each(commands), tuple(f"FileExisting-{command}" for command in BASE_COMMANDS)),
    Check(each(_of_new_nodes(kernel)), ("SystemVerification", "KernelVersion")),
    Check(each(modules), ("KernelModules",)),
    Check(each(_of_new_nodes(cgroups)), ("SystemVerification",)),
    Check(each(size), ("NumCPU", "Mem")),
    Check(each(disk), ("DiskSpace",)),
    Check(each(pressure), ("DiskSpace",)),
    Check(each(swap), ("Swap",)),
)
_IN_THE_CLUSTER = "failCgroupV1: false in the cluster: kubectl -n kube-system edit configmap kubelet-config"
UPGRADE_CHECKS = (
    Check(each(kernel), ("SystemVerification",)),
    Check(each(partial(cgroups, where=_IN_THE_CLUSTER)), ("SystemVerification",)),
)
"""What an upgrade may come up against on a machine that is a node already."""
