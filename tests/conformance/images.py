"""The images that conformance tests run, under the names and tags that e2e.test asks for.

Upstream's are its own programs on Alpine, Debian or BusyBox. Here they are the same programs on Debian's packages: with
glibc in place of musl, and Debian's nginx in place of the official one. Nodes find them in the lab's registry under
their own names, as kubeon tells containerd of a cluster's registry: e2e.test need not be told anything.
"""

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store, StoredFile
from tests.conformance.programs import CERTIFICATES, IMAGES, PICTURES
from tests.conformance.upstream import references
from tests.lab import cache
from tests.lab.mirror import debian, debian_base, image_builder, official, releases
from tests.lab.mirror.debian_base import PATH, Packages, base_image
from tests.lab.mirror.image_builder import Entry, assemble, layer
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.store import Log, run

OF_THE_RELEASE = ("Etcd", "Pause")
"""Those that kubeadm wants, too: the lab has them."""

_ARCHITECTURE = "amd64"
_BUSYBOX = ("busybox-static",)
_DNS = ("bind9-dnsutils", "bind9-libs", "libc-bin")
_TOOLS = ("bash", "curl", *_DNS, "netcat-openbsd", "iproute2", "iperf", "util-linux", "socat")

# agnhost's user and its group are what a test of supplemental groups looks for
_PASSWD = """\
root:x:0:0:root:/:/bin/sh
www-data:x:33:33::/:/bin/false
user-defined-in-image:x:1000:1000::/:/bin/sh
nobody:x:65534:65534::/:/bin/false
"""
_GROUP = """\
root:x:0:
www-data:x:33:
user-defined-in-image:x:1000:
group-defined-in-image:x:50000:user-defined-in-image
nogroup:x:65534:
"""
_NGINX = """\
user www-data;
error_log stderr;
pid /tmp/nginx.pid;
events {}
http {
    access_log /dev/stdout;
    client_body_temp_path /tmp/client-body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
"""
_ETC = {
    "etc/passwd": Entry(_PASSWD.encode()),
    "etc/group": Entry(_GROUP.encode()),
    "etc/nsswitch.conf": Entry(b"passwd: files\ngroup: files\nhosts: files dns\n"),  # glibc's own: dns first
}


@dataclass(frozen=True)
class Made:
    """How an image is made: Debian's packages, and files on them."""

    packages: tuple[str, ...] = ()
    files: Mapping[str, Entry] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    folders: tuple[str, ...] = ("tmp",)  # that anybody may write to


def made(programs: Path, texts: Path) -> dict[str, Made]:
    """Each of the images, by its name in upstream's source."""

    def program(name: str, mode: int = 0o755) -> Entry:
        return Entry((programs / name).read_bytes(), mode)

    def text(path: str) -> Entry:
        return Entry((texts / path).read_bytes())

    agnhost = Made(
        packages=(*_TOOLS, *_BUSYBOX),
        files={
            **_ETC,
            "agnhost": program("agnhost"),
            "agnhost-2": Entry(link="agnhost"),
            "usr/bin/sh": Entry(link="bash"),  # BusyBox's as Debian has it calls its own applets, whatever is on PATH
            "usr/bin/nc": Entry(link="nc.openbsd"),  # the alternative that Debian's script would choose
            "usr/local/bin/iperf": Entry(link="/usr/bin/iperf"),
            **{name: text(f"{CERTIFICATES}/{name}") for name in ("localhost.crt", "localhost.key")},
        },
        entrypoint=("/agnhost",),
        command=("pause",),
        folders=("tmp", "uploads"),
    )
    nginx = Made(
        packages=("nginx", *_BUSYBOX),
        files={
            **_ETC,
            "etc/nginx/nginx.conf": Entry(_NGINX.encode()),
            "usr/share/nginx/html/index.html": Entry(b"<title>nginx</title>\n"),
            "var/log/nginx/.keep": Entry(),  # nginx opens its log of errors before it has read where that is to go
        },
        command=("nginx", "-g", "daemon off;"),
    )
    pictures = {
        image: replace(
            agnhost,
            files={
                **agnhost.files,
                **{name: text(f"{PICTURES[kind]}/{name}") for name in ("data.json", f"{kind}.jpg")},
            },
            command=("test-webserver",),
        )
        for image, kind in {"Kitten": "kitten", "Nautilus": "nautilus"}.items()
    }
    return {
        "Agnhost": agnhost,
        "AgnhostPrev": agnhost,
        **pictures,
        "Nginx": nginx,
        "NginxNew": nginx,
        "APIServer": Made(files={"sample-apiserver": program("sample-apiserver")}, entrypoint=("/sample-apiserver",)),
        "BusyBox": Made(
            packages=("bash", *_BUSYBOX),  # whose sh forgets variables with a hyphen, which a test of ConfigMaps sets
            files={**_ETC, "usr/bin/sh": Entry(link="bash")},
            command=("sh",),
        ),
        "GlibcDnsTesting": Made(
            packages=("bash", "dash", *_DNS, "hostname", *_BUSYBOX),
            files={**_ETC, "usr/bin/sh": Entry(link="dash")},
            command=("bash",),
        ),
        "Nonewprivs": Made(files={"usr/local/bin/nnp": program("nonewprivs", 0o4755)}, command=("nnp",)),
    }


def pushed(programs: Path, texts: Path, log: Log = print) -> list[str]:
    """Make the images and push them to the lab's registry, once."""
    sources = [Path(str(module.__file__)) for module in (debian_base, image_builder)]
    key = cache.key(programs.name, texts.name, Path(__file__), *sources)
    return releases.pushed(f"conformance-{key}", partial(_push, programs, texts, log), log)


def _push(programs: Path, texts: Path, log: Log, registry: Registry) -> list[str]:
    called = references((texts / IMAGES).read_text())
    if lacking := [called[name] for name in OF_THE_RELEASE if not registry.digest(called[name])]:
        log(f"  not in the registry, though kubeadm was to want them: {', '.join(lacking)}")
    applets = run([debian.unpacked(debian.BUSYBOX, log) / "bin/busybox", "--list"]).split()
    found = made(programs, texts)
    bases: dict[tuple[str, ...], StoredImage] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for name, what in found.items():
            if what.packages and what.packages not in bases:
                bases[what.packages] = _base(what.packages, store)
            image = official.as_image(build(store, called[name], what, bases.get(what.packages), applets))
            registry.push(called[name], image)
            log(f"  {called[name]}: {sum(map(len, image.blobs.values())) >> 20} MiB")
    return [called[name] for name in found]


def _base(packages: tuple[str, ...], store: Store) -> StoredImage:
    return base_image(Packages(packages), _ARCHITECTURE, store, f"localhost/conformance:{packages[0]}")


def build(store: Store, reference: str, what: Made, base: StoredImage | None, applets: Iterable[str]) -> StoredImage:
    """One image. With a base that has BusyBox, its applets stand in for all programs that are not there."""
    config: dict[str, Any] = {"architecture": _ARCHITECTURE, "os": "linux", "config": {}}
    below: list[tuple[dict[str, Any], StoredFile]] = []
    there: set[str] = set()
    if base:
        blobs = {f"sha256:{blob.sha256}": blob for blob in base.blobs}
        manifest = json.loads(base.manifest.path.read_bytes())
        config = json.loads(blobs[manifest["config"]["digest"]].path.read_bytes())
        below = [(entry, blobs[entry["digest"]]) for entry in manifest["layers"]]
        there = _programs(blob.path for _, blob in below)
    links = {f"usr/bin/{name}": Entry(link="busybox") for name in applets if "busybox" in there and name not in there}
    config["config"] = {
        "Env": [f"PATH={PATH}"],
        "Entrypoint": list(what.entrypoint) or None,
        "Cmd": list(what.command) or None,
        "WorkingDir": "/",
        # so that no two of them are the same image: a node would call one by the other's name
        "Labels": {**config["config"].get("Labels", {}), official.LABEL: reference},
    }
    content = _with_folders(layer({**links, **what.files}), what.folders)
    return assemble(store, reference, _ARCHITECTURE, content, config, below=below)


def _programs(layers: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for path in layers:
        with gzip.open(path) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
            found |= {Path(name).name for name in archive.getnames() if Path(name).parent.name in ("bin", "sbin")}
    return found


def _with_folders(content: bytes, folders: Iterable[str]) -> bytes:
    raw = io.BytesIO(content)
    with tarfile.open(fileobj=raw, mode="a", format=tarfile.USTAR_FORMAT) as archive:
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(info)
    return raw.getvalue()
