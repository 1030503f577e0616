"""Base images: fresh servers made by mmdebstrap from the machine's Debian archive, and the hosts' apt repository."""

import dataclasses
import gzip
import os
import re
import shlex
import shutil
from pathlib import Path

from tests.lab import cache, machine, network
from tests.lab.command import LabError, run

ROOT_PASSWORD = "lab-root"
OPERATOR_PASSWORD = "lab-operator"  # user "operator": sudo with this password
NOSUDO_PASSWORD = "lab-nosudo"  # user "nosudo": no sudo

MIRROR_URL = f"http://{network.GATEWAY}:8081"
FIRSTBOOT = Path(__file__).parent / "firstboot"
LABEL = "kubeon-lab"

_SERVER = (
    *("systemd", "systemd-sysv", "libpam-systemd", "dbus", "openssh-server", "sudo", "bash", "util-linux", "procps"),
    *("ca-certificates", "curl", "iproute2", "iputils-ping", "iptables", "kmod", "netbase", "hostname", "less"),
)
_NODE = (
    *("conntrack", "socat", "ebtables", "ethtool", "ipset", "ipvsadm", "iptables", "nftables", "nfs-common", "jq"),
    *("chrony", "haproxy", "keepalived", "containerd", "runc", "containernetworking-plugins", "etcd-server"),
    *("etcd-client", "tcpdump", "bash-completion", "python3-minimal", "rsync", "tar", "gzip", "bzip2", "xz-utils"),
    *("zstd", "unzip", "psmisc", "lsof", "bridge-utils", "open-iscsi", "lvm2", "parted", "wget", "gnupg", "vim-tiny"),
    *("busybox-static", "apt-transport-https", "software-properties-common", "python3-apt", "rsyslog", "cron"),
    *("netcat-openbsd", "bind9-dnsutils", "sysstat", "ipcalc", "git", "openssl"),
)


@dataclasses.dataclass(frozen=True)
class Base:
    """One kind of server. `init`: what follows /sbin/init, which systemd in a container reads as kernel arguments."""

    suite: str
    server: tuple[str, ...] = _SERVER
    node: tuple[str, ...] = _NODE
    init: tuple[str, ...] = ()
    init_cgroup1: tuple[str, ...] = ()


BASES = {
    "debian-12": Base("bookworm"),
    "debian-13": Base(
        "trixie",
        node=tuple(name for name in _NODE if name != "software-properties-common"),
        # systemd 256 and 257 refuse cgroup v1 unless told twice
        init_cgroup1=("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"),
    ),
}


def find(name: str) -> Base:
    """The base image's table entry."""
    if name not in BASES:
        raise LabError(f"no base image {name}; there are: {', '.join(BASES)}")
    return BASES[name]


def private_key() -> Path:
    """The private key that logs in to every host as root, operator and nosudo; made at the first call."""
    path = cache.root() / "ssh" / "id_ed25519"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kubeon-lab", "-f", str(path)])
    return path


def image(name: str) -> str:
    """The image's name in podman, with the key of what it is made from."""
    key = cache.key(FIRSTBOOT, repr(find(name)), private_key().with_suffix(".pub"), MIRROR_URL)
    return f"localhost/kubeon-lab/{name}:{key}"


def repository(name: str) -> Path:
    """The folder of the hosts' flat apt repository; the mirror serves it as MIRROR_URL/apt/NAME/."""
    return cache.root() / "mirror" / "apt" / name


def command(name: str) -> tuple[str, ...]:
    """What the host's first process is called with."""
    base = find(name)
    return ("/sbin/init", *base.init, *(() if machine.has_cgroup2() else base.init_cgroup1))


def ensure(name: str) -> str:
    """Build the image and its apt repository unless they are there; return the image's name."""
    wanted = image(name)
    stamp = repository(name) / ".image"
    if stamp.exists() and stamp.read_text() == wanted and has_image(wanted):
        return wanted
    print(f"lab: building {wanted}", flush=True)
    work = cache.root() / "tmp" / f"base-{name}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    (work / "debs").mkdir(parents=True)
    try:
        _bootstrap(find(name), name, work)
        _index(work / "debs")
        (work / "debs" / ".image").write_text(wanted)
        changes = ['CMD ["/sbin/init"]', "STOPSIGNAL=SIGRTMIN+3", f"LABEL {LABEL}=image"]
        options = [word for change in changes for word in ("--change", change)]
        machine.podman("import", "-q", *options, str(work / "base.tar"), wanted)
        target = repository(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        (work / "debs").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    remove_older(name, wanted)
    return wanted


def _bootstrap(base: Base, name: str, work: Path) -> None:
    source = f"deb [trusted=yes] {MIRROR_URL}/apt/{name}/ ./"
    public_key = private_key().with_suffix(".pub")
    words = [FIRSTBOOT, public_key, work / "debs", source, " ".join(base.node)]
    arguments = " ".join(shlex.quote(str(word)) for word in words)
    options = ["--variant=minbase", f"--include={','.join(base.server)}"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")]
    options += [f"--aptopt={line}" for line in _apt_settings(run(["apt-config", "dump"]).stdout)]
    options.append(f'--customize-hook=sh {FIRSTBOOT / "customize.sh"} "$1" {arguments}')
    tar = str(work / "base.tar")
    run(["mmdebstrap", *options, base.suite, tar, *archive(base.suite)], timeout=1800)


def archive(suite: str) -> list[str]:
    """Lines for apt with this suite from the archive that the machine uses; none where the machine is not Debian.

    Without any, mmdebstrap takes Debian's public archive.
    """
    form = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)|$(SOURCESENTRY)"
    listed = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).stdout
    return archive_lines(listed, suite)


def archive_lines(listed: str, suite: str) -> list[str]:
    """The lines for apt, from what `apt-get indextargets` listed as ORIGIN|LABEL|CODENAME|COMPONENT|URI|FILE:LINE."""
    lines = []
    for entry in listed.splitlines():
        origin, label, codename, component, uri, where = entry.split("|")
        kind = re.sub(r"^[a-z]+", "", codename)  # "", "-updates", "-security"
        known = (origin, component) == ("Debian", "main") and label in ("Debian", "Debian-Security")
        if known and kind in ("", "-updates", "-security"):
            keys = _keyrings(Path(where.rpartition(":")[0]))
            lines.append(f"deb {keys}{uri} {suite}{kind} main")
    return list(dict.fromkeys(lines))


def _keyrings(sources: Path) -> str:
    """apt's option for the keyrings that a file of apt sources names."""
    text = sources.read_text() if sources.exists() else ""
    found = re.findall(r"^[^#\n]*signed-by\s*[:=]\s*(/[^\s\]]+)", text, flags=re.IGNORECASE | re.MULTILINE)
    return f"[signed-by={','.join(dict.fromkeys(found))}] " if found else ""


def _apt_settings(dump: str) -> list[str]:
    """The machine's settings of how to reach the archive, such as a proxy, out of `apt-config dump`."""
    wanted = re.compile(
        r"^Acquire::(https?::|Check-Valid-Until|Check-Date|Retries|ForceIPv).*\"[^\"]+\";$", re.IGNORECASE
    )
    return [line for line in dump.splitlines() if wanted.match(line)]


def _index(folder: Path) -> None:
    packages = run(["apt-ftparchive", "packages", "."], cwd=folder).stdout
    (folder / "Packages").write_text(packages)
    (folder / "Packages.gz").write_bytes(gzip.compress(packages.encode()))
    (folder / "Release").write_text(run(["apt-ftparchive", "release", "."], cwd=folder).stdout)


def has_image(name: str) -> bool:
    """Whether podman has it."""
    return run(["podman", "image", "exists", name], check=False, env=machine.podman_env()).returncode == 0


def remove_older(name: str, keep: str) -> None:
    """All but this one of a name's images."""
    listed = machine.podman("images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"label={LABEL}=image")
    for old in listed.split():
        if old.startswith(f"localhost/kubeon-lab/{name}:") and old != keep:
            machine.podman("rmi", old, check=False)  # refused while a host still runs on it
