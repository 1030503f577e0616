"""Facts in one round trip: one read-only script that prints sections, and the parser that reads them.

Missing is a value, never an exception: a program that is not there, a section that was cut off, output that nobody has
seen before give an empty value, and preflight decides whether that is fatal.
"""

import base64
import binascii
import hashlib
import json
import re
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources

from kubeon.hosts.facts import Facts, FileSystem
from kubeon.hosts.kernel import KNOWN_MODULES, SYSCTLS
from kubeon.hosts.marks import Mark
from kubeon.hosts.sockets import parse_interfaces, parse_ports, parse_routes

_MARK = "@@kubeon "
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TIME = ("chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd", "systemd-timesyncd")
_UNITS = (
    "kubelet",
    "containerd",
    "docker",
    "crio",
    "cri-docker",
    "k3s",
    "k3s-agent",
    "rke2-server",
    "rke2-agent",
    "k0scontroller",
    "k0sworker",
    "snap.microk8s.daemon-kubelite",
    "snap.microk8s.daemon-containerd",
)

BASE_COMMANDS = (
    "awk",
    "cat",
    "chmod",
    "comm",
    "df",
    "flock",
    "grep",
    "mkdir",
    "mv",
    "sed",
    "sort",
    "stat",
    "systemctl",
    "tr",
)
"""What kubeon's own scripts use and no package that it installs brings; always asked for."""

Sections = dict[str, str]


def facts_script(commands: Iterable[str], packages: Iterable[str], *, root: str = "") -> str:
    """The read-only script that gathers facts, asking for these commands and OS packages; runs in any POSIX shell.

    `root` is a folder that stands for / (tests).
    """
    asked = {
        "root": root,
        "ask_commands": " ".join(sorted({*commands, *BASE_COMMANDS})),
        "ask_packages": " ".join(sorted(set(packages))),
        "ask_modules": " ".join(KNOWN_MODULES),
        "ask_sysctls": " ".join(sysctl.key for sysctl in SYSCTLS),
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in asked.items())
    return head + resources.files("kubeon.hosts").joinpath("gather.sh").read_text(encoding="utf-8")


def parse_facts(text: str, now: datetime) -> Facts:
    """Read what the script printed; `now` is the control machine's clock when the answer came."""
    part = sections_of(text)
    release = _os_release(part.get("os-release", ""))
    routes = dict(parse_routes(part.get("routes", "")))
    units = _active_units(part.get("units", ""))
    return Facts(
        hostname=_line(part, "hostname"),
        machine_id=_line(part, "machine-id"),
        product_uuid=_line(part, "product-uuid").lower(),
        boot_id=_line(part, "boot-id"),
        os_id=release.get("ID", ""),
        os_like=tuple(release.get("ID_LIKE", "").split()),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", ""),
        kernel=_line(part, "kernel"),
        architecture=_ARCHITECTURES.get(_line(part, "machine"), _line(part, "machine")),
        init="systemd" if "booted-with-systemd" in part.get("init", "") else _line(part, "init"),
        cgroup_version=_cgroup_version(part.get("cgroup", "")),
        cpus=_number(_line(part, "cpus")) or 0,
        memory_mib=(_number(_word(_line(part, "memory"), 1)) or 0) // 1024,
        disk_free_mib=dict(_disks(part.get("disk", ""))),
        filesystems=dict(_filesystems(part.get("eviction", ""))),
        swap_devices=tuple(_word(line, 0) for line in _lines(part, "swap") if not line.startswith("Filename")),
        clock_offset=_clock_offset(_line(part, "clock"), now),
        interfaces=parse_interfaces(part.get("addresses", "")),
        routes=tuple(destination for destination in routes if destination != "default"),
        route_interfaces={destination: device for destination, device in routes.items() if destination != "default"},
        default_interface=routes.get("default", ""),
        ports_in_use=parse_ports(part.get("listening", "")),
        commands=frozenset(_lines(part, "commands")),
        packages=frozenset(_lines(part, "packages")),
        selinux=_line(part, "selinux").lower(),
        firewalls=_firewalls(units, part),
        time_services=tuple(unit for unit in _TIME if unit in units),
        time_units=tuple(unit for unit in _TIME if f"{unit}.service" in part.get("unit-files", "").split()),
        time_synchronised=_time_synchronised(_line(part, "time-synchronised")),
        container="" if _line(part, "container") == "none" else _line(part, "container"),
        resolves_itself=_line(part, "resolves-itself") != "no",
        cloud_init_hosts=bool(part.get("cloud-init-hosts")),
        modules=frozenset(_lines(part, "modules")),
        cgroup_controllers=frozenset(part.get("cgroup-controllers", "").split()),
        sysctls=dict(_sysctls(part.get("sysctls", ""))),
        conntrack_max=_number(_line(part, "conntrack")),
        conntrack_max_writable="writable" in part.get("conntrack", ""),
        restricted_oom=_line(part, "restricted-oom") == "yes",
        mark=Mark.parse(_line(part, "cluster-marker")),
        ca_fingerprint=pem_fingerprint(part.get("ca", "")),
        kubelet_config=_line(part, "kubelet-config") == "yes",
        kubelet_kubeconfig=_line(part, "kubelet-kubeconfig") == "yes",
        static_pods=tuple(_lines(part, "static-pods")),
        etcd_data=_line(part, "etcd-data") == "yes",
        active_units=frozenset(unit for unit in _UNITS if unit in units),
        cni_configs=tuple(_lines(part, "cni")),
        pod_subnet=_pod_subnet(part.get("bridge-configuration", "")),
        api_server=_after(part.get("kubelet-kubeconfig", ""), "server:"),
        client_certificate=_line(part, "client-certificate") == "yes",
        client_certificate_expiry=_expiry(_after(part.get("client-certificate", ""), "notAfter=")),
        hosts_block=part.get("hosts-block", ""),
        configuration=frozenset(f"/etc/{line}" for line in _lines(part, "configuration")),
        records=tuple(line for line in _lines(part, "records") if line != "found"),
        containerd_unit=_after(part.get("containerd-unit", ""), "FragmentPath="),
        containers=_number(_line(part, "containers")) or 0,
        gathered=now,
    )


def pem_fingerprint(text: str) -> str:
    """The sha256 (hex) of the DER of the first certificate in a PEM text; "" when there is none."""
    match = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.DOTALL)
    if not match:
        return ""
    try:
        return hashlib.sha256(base64.b64decode("".join(match[1].split()), validate=True)).hexdigest()
    except binascii.Error:
        return ""


def sections_of(text: str) -> Sections:
    """What a script printed, by the names of its sections."""
    sections: Sections = {}
    for chunk in f"\n{text}".replace("\r\n", "\n").split(f"\n{_MARK}")[1:]:
        name, _, body = chunk.partition("\n")
        sections[name.strip()] = body.strip("\n") + "\n" if body.strip() else ""
    return sections


def _lines(part: Sections, name: str) -> list[str]:
    return [line.strip() for line in part.get(name, "").splitlines() if line.strip()]


def _line(part: Sections, name: str) -> str:
    return next(iter(_lines(part, name)), "")


def _word(line: str, index: int) -> str:
    words = line.split()
    return words[index] if index < len(words) else ""


def _after(text: str, label: str) -> str:
    return next((line.strip().removeprefix(label).strip() for line in text.splitlines() if label in line), "")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _os_release(text: str) -> dict[str, str]:
    values = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.startswith("#"):
            try:
                values[name.strip()] = " ".join(shlex.split(value))
            except ValueError:  # an unbalanced quote
                values[name.strip()] = value.strip("\"' ")
    return values


def _cgroup_version(text: str) -> int:
    kind = next(iter(text.split()), "")
    mounts = [line.split()[1:] for line in text.splitlines() if line.startswith("mount ")]
    if kind == "cgroup2fs" or ["/sys/fs/cgroup", "2"] in mounts:
        return 2
    return 1 if kind in {"tmpfs", "cgroupfs"} or mounts else 0  # hybrid counts as 1: its controllers are in v1


def _disks(text: str) -> Iterable[tuple[str, int]]:
    for line in text.splitlines():
        words = line.split()  # asked-for folder, then df's six columns
        if len(words) >= 7 and words[4].isdigit():
            yield words[0], int(words[4]) // 1024


def _filesystems(text: str) -> Iterable[tuple[str, FileSystem]]:
    for line in text.splitlines():
        folder, *words = line.split()
        if len(words) >= 2 and words[0].isdigit() and words[1].isdigit():
            inodes = [int(word) if word.isdigit() else 0 for word in (*words[2:4], "", "")][:2]  # btrfs counts none
            yield folder, FileSystem(int(words[0]) << 10, int(words[1]) << 10, *inodes)


def _clock_offset(text: str, now: datetime) -> float | None:
    match = re.match(r"(\d+)(\.\d+)?", text)
    if not match:
        return None
    # a date that knows no %N gives whole seconds: the middle of that second is the best guess
    return float(match[1]) + float(match[2] or 0.5) - now.timestamp()


def _active_units(text: str) -> frozenset[str]:
    """Names of active services without ".service"; older systemd marks lines with a bullet."""
    words = (line.replace("●", " ").split() for line in text.splitlines())
    return frozenset(line[0].removesuffix(".service") for line in words if line and line[0].endswith(".service"))


def _firewalls(units: frozenset[str], part: Sections) -> tuple[str, ...]:
    # ufw.service is "active (exited)" on Ubuntu even where ufw is not enabled
    return (("firewalld",) if "firewalld" in units else ()) + (("ufw",) if part.get("ufw") and "ufw" in units else ())


def _time_synchronised(line: str) -> bool | None:
    value = re.split(r"[=:]", line)[-1].strip().lower()
    return {"yes": True, "no": False}.get(value)


def _sysctls(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            yield key.strip(), " ".join(value.split())


def _pod_subnet(text: str) -> str:
    try:
        configuration = json.loads(text)
    except ValueError:
        return ""
    match = re.search(r'"subnet":\s*"([^"]+)"', json.dumps(configuration))
    return match[1] if match else ""


def _expiry(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    except ValueError:
        return None
