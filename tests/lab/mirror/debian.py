"""What comes from Debian's archive, by the machine's own apt: tools are installed, all the rest only unpacked."""

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.lab.mirror.store import Log, folder, run

# Installed on the machine when missing: what builds pause and runc, and what builds Debian's own Kubernetes.
FOR_C = ("gcc", "libc6-dev", "libseccomp-dev", "pkg-config")
FOR_1_20 = ("golang-1.19-go", "gcc", "libc6-dev", "make", "patch", "rsync", "jq", "dpkg-dev")

# Only downloaded and unpacked: nothing of them runs as a service of the machine.
BUSYBOX = ("busybox-static",)
WITH_1_20 = ("containerd", "runc", "containernetworking-plugins", "etcd-server", "etcd-client")
PROXY = (  # what kube-proxy calls, with libraries
    *("iptables", "libxtables12", "libnftnl11", "libip4tc2", "libip6tc2"),
    *("conntrack", "libnetfilter-conntrack3", "libmnl0", "libnfnetlink0", "ipset", "libipset13"),
    *("nftables", "libnftables1", "libjansson4", "libgmp10", "libedit2", "libbsd0", "libmd0", "libtinfo6"),
)
REFLECT2 = ("golang-github-modern-go-reflect2-dev",)

# apt gives up its own rights for downloads; the cache folder of root is closed to that user
AS_ROOT = ("-o", "APT::Sandbox::User=root")


def is_bookworm() -> bool:
    """Is this machine one whose archive has the toolchain and the programs that fit the lab's hosts (Debian 12)?"""
    return platform.freedesktop_os_release().get("VERSION_CODENAME") == "bookworm"


def has_apt() -> bool:
    """Are there packages of Debian's or of Ubuntu's to be had."""
    return shutil.which("apt-get") is not None


def install(packages: Sequence[str], log: Log = print) -> None:
    """Install what is missing."""
    missing = [name for name in packages if not installed(name)]
    if not missing:
        return
    log(f"installing {' '.join(missing)}")
    wait = ("-o", "DPkg::Lock::Timeout=600")
    run(["apt-get", "-q", "update", *wait])
    options = ("-q", "-y", "--no-install-recommends", *wait)
    run(["apt-get", "install", *options, *missing], env={"DEBIAN_FRONTEND": "noninteractive"})


def installed(package: str) -> bool:
    """Whether dpkg calls the package installed."""
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout == "installed"


def unpacked(packages: Sequence[str], log: Log = print) -> Path:
    """A folder with the packages' files as they would lie below /, and with `versions`, a line for each package."""

    def make(new: Path) -> None:
        new.mkdir()
        download(packages, new)
        lines = []
        for package in packages:
            (file,) = new.glob(f"{package}_*.deb")
            run(["dpkg-deb", "-x", file, new])
            lines.append(f"{package} {run(['dpkg-deb', '-f', file, 'Version']).strip()}\n")
            file.unlink()
        shutil.rmtree(new / "usr/share/doc", ignore_errors=True)
        (new / "versions").write_text("".join(lines))

    return folder(f"debian-{packages[0]}", *packages, "1", make=make, log=log)


def download(packages: Sequence[str], to: Path) -> None:
    """Fetch packages into a folder; the machine's lists are renewed first when they are missing or out of date."""
    try:
        run(["apt-get", "-q", "download", *AS_ROOT, *packages], cwd=to)
    except RuntimeError:
        run(["apt-get", "-q", "update", "-o", "DPkg::Lock::Timeout=600"])
        run(["apt-get", "-q", "download", *AS_ROOT, *packages], cwd=to)


def upstream_version(tree: Path, package: str) -> str:
    """The version the package's authors gave it: Debian's 1.6.20~ds1-1+deb12u3 and 1:1.35.0-4 are 1.6.20 and 1.35.0."""
    versions = dict(line.split() for line in (tree / "versions").read_text().splitlines())
    match = re.match(r"(?:\d+:)?([0-9.]+)", versions[package])
    assert match, f"{package}: {versions[package]}"
    return match[1]


def source(package: str, to: Path) -> Path:
    """Fetch and unpack a source package below a folder, through private lists: most machines have none for sources."""
    lists = to / "lists"
    (lists / "partial").mkdir(parents=True)
    sources = to / "list.sources"
    sources.write_text(source_lists(Path("/etc/apt")))
    options = (
        *("-q", *AS_ROOT, "-o", f"Dir::State::lists={lists}"),
        *("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null"),
    )
    run(["apt-get", *options, "update"])
    run(["apt-get", *options, "source", package], cwd=to)
    (tree,) = (path for path in to.glob(f"{package}-*") if path.is_dir())
    return tree


def source_lists(etc: Path) -> str:
    """The machine's own apt sources with sources in place of packages, in the newer of apt's two formats."""
    blocks = []
    for file in sorted((etc / "sources.list.d").glob("*.sources")):
        blocks += re.split(r"\n\s*\n", file.read_text())
    lines = []
    for file in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]:
        lines += file.read_text().splitlines() if file.exists() else []
    blocks += [block for line in lines if (block := _as_block(line))]
    wanted = [re.sub(r"(?m)^Types:.*$", "Types: deb-src", block).strip() for block in blocks]
    return "".join(block + "\n\n" for block in wanted if re.search(r"(?m)^Suites:.*(bookworm|stable)", block))


def _as_block(line: str) -> str:
    match = re.match(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)", line)
    if not match:
        return ""
    block = f"Types: deb\nURIs: {match['uri']}\nSuites: {match['suite']}\nComponents: {match['components']}\n"
    signed = re.search(r"signed-by=(\S+)", match["options"] or "")
    return block + (f"Signed-By: {signed[1]}\n" if signed else "")
