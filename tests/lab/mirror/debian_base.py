"""An image out of Debian packages, in place of one that cannot be had: programs, their libraries, a shell.

Python is a program too, and its standard library one of its libraries.

apt computes what the packages need as if nothing were installed, and only fetches it. Nothing is installed, no script
of a package runs, and all that apt writes is in a folder of its own. What to trust is apt's business: it checks the
packages against the lists that it has, or fetches, by the keys of this machine.
"""

import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeon.bundle.images import StoredImage
from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from tests.lab.mirror.image_builder import Entry, assemble, layer

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APPLETS = ("cat", "ls", "mkdir", "mv", "nc", "ps", "rm", "sh", "sleep", "wget")  # for scripts, and for whoever looks in
_TIMEOUT = 600  # seconds
_TRIPLET = r"lib/[^/]+-linux-gnu[^/]*"
# Python's standard library, without its tests, and without a link into /etc.
_PYTHON = r"lib/python3[.\d]*/(?!test/|sitecustomize).+\.(py|so)"
# Programs and shared libraries; no modules but Python's, no data, no documentation.
_WANTED = re.compile(rf"s?bin/[^/]+|{_TRIPLET}/[^/]+\.so(\.[^/]+)?|lib/ld-linux[^/]+|lib64/[^/]+|{_PYTHON}")
# Python is in parts: python3 needs python3-minimal, and that one python3.11-minimal or another, by the release.
_LIBRARY = re.compile(r"lib\w|zlib1g|python3[.\d]*(-minimal)?$")


def lacking(architecture: str) -> str:
    """Why a base cannot be made here, "" when it can."""
    missing = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
    if missing:
        return f"{' and '.join(missing)} is not on this machine"
    here = machine_architecture()
    return "" if here == architecture else f"this machine is {here or 'of another kind'}, not {architecture}"


@dataclass(frozen=True)
class Packages:
    """The programs of `names`, with their libraries and nothing else; the user is called like the first of them."""

    names: tuple[str, ...]
    user: str = "0:0"  # numbers, "UID:GID"
    stop_signal: str = "SIGTERM"


def base_image(
    wanted: Packages, architecture: str, store: Store, reference: str, labels: Mapping[str, str] | None = None
) -> StoredImage:
    """The image, made now. Raises BundleError, which has apt's words."""
    uid, _, gid = wanted.user.partition(":")
    user = wanted.names[0]
    with tempfile.TemporaryDirectory(prefix="kubeon-apt-") as folder:
        packages = _needed(wanted.names, _fetched(wanted.names, Path(folder)))
        entries: dict[str, Entry] = {}
        for package in packages.values():
            entries |= _content(package.file)
    entries |= {
        **{f"usr/bin/{name}": Entry(link="busybox") for name in APPLETS if "usr/bin/busybox" in entries},
        **{name: Entry(link=f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")},
        "etc/passwd": Entry(f"root:x:0:0::/:/bin/sh\n{user}:x:{uid}:{gid}::/:/bin/sh\n".encode()),
        "etc/group": Entry(f"root:x:0:\n{user}:x:{gid}:\n".encode()),
        "usr/lib64/.keep": Entry(),  # not every architecture has files there
    }
    versions = " ".join(f"{name}={package.version}" for name, package in sorted(packages.items()))
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": [f"PATH={PATH}"],
            "Labels": {**(labels or {}), "kubeon.debian-packages": versions},
            "User": wanted.user,
            "StopSignal": wanted.stop_signal,
        },
    }
    return assemble(store, reference, architecture, layer(entries), config)


class _Package:
    """A downloaded package."""

    def __init__(self, file: Path) -> None:
        fields = _run("dpkg-deb", "-f", str(file), "Package", "Version", "Pre-Depends", "Depends")
        found = dict(line.split(": ", 1) for line in fields.splitlines() if ": " in line)
        self.file, self.name, self.version = file, found["Package"], found["Version"]
        depends = f"{found.get('Pre-Depends', '')},{found.get('Depends', '')}"
        # of alternatives apt has chosen one; those that are not here are left out later
        self.depends = re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]*)", depends)


def _needed(names: Sequence[str], here: Mapping[str, _Package]) -> dict[str, _Package]:
    """The packages and the libraries they need: not what only scripts of packages call, perl for one."""
    found: dict[str, _Package] = {}
    waiting = list(names)
    while waiting:
        package = here.get(waiting.pop())
        if package and package.name not in found:
            found[package.name] = package
            waiting += [name for name in package.depends if _LIBRARY.match(name)]
    missing = [name for name in names if name not in found]
    if missing:
        raise BundleError("no base can be made of Debian packages", why=f"apt-get did not fetch {', '.join(missing)}")
    return found


def _fetched(names: Sequence[str], folder: Path) -> dict[str, _Package]:
    """Download packages and all that they depend on: with the lists of this machine, else with fresh ones."""
    archives, state, lists = folder / "archives", folder / "state", folder / "lists"
    for each in (archives / "partial", lists / "partial", state):
        each.mkdir(parents=True)
    (state / "status").touch()  # nothing is installed
    options = (
        *("-q", "-o", f"Dir::State={state}", "-o", f"Dir::State::status={state / 'status'}"),
        *("-o", f"Dir::Cache::archives={archives}", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="),
        *("-o", f"Dir::Log={state}", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20"),
    )
    download = ("-y", "--no-install-recommends", "--download-only", "install", *names)
    try:
        _run("apt-get", *options, "-o", "Dir::State::lists=/var/lib/apt/lists", *download)
    except BundleError:
        fresh = (*options, "-o", f"Dir::State::lists={lists}")
        # some of the machine's sources may be out of reach; whether the others suffice, the download will tell
        subprocess.run(["apt-get", *fresh, "update"], capture_output=True, timeout=_TIMEOUT, check=False)
        _run("apt-get", *fresh, *download)
    packages = [_Package(file) for file in sorted(archives.glob("*.deb"))]
    return {package.name: package for package in packages}


def _content(file: Path) -> dict[str, Entry]:
    """The wanted files of a package, all below usr/, where newer releases of Debian have them already."""
    entries: dict[str, Entry] = {}
    with (
        subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=subprocess.PIPE) as child,
        tarfile.open(fileobj=child.stdout, mode="r|") as archive,
    ):
        for info in archive:
            path = info.name.removeprefix("./").removeprefix("usr/")
            if not _WANTED.fullmatch(path):
                continue
            content = archive.extractfile(info) if info.isreg() else None
            if content:
                entries[f"usr/{path}"] = Entry(content.read(), info.mode & 0o755)
            elif info.issym():
                entries[f"usr/{path}"] = Entry(link=info.linkname)
    return entries


def _run(*words: str) -> str:
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleError("no base can be made of Debian packages", why=str(error)) from None
    if done.returncode:
        why = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise BundleError("no base can be made of Debian packages", why=f"{words[0]}: {why}")
    return done.stdout
