"""What a restore of etcd knows of its hosts, and the shell that all its phases share."""

import base64
import shlex
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from kubeon.cri.base import Cri
from kubeon.errors import CommandError, OperationError
from kubeon.etcd.manifest import EtcdManifest, parse_manifest
from kubeon.etcd.snapshots import DATA, ETCDUTL, RESERVE, WORK
from kubeon.hosts.host import Host
from kubeon.state.restoring import Attempt

PARKED = "/etc/kubernetes/kubeon-parked"  # manifests that the kubelet is not to see for a while
WAL = 128  # MiB that an empty log of etcd takes
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_INSPECT = """\
for manifest in {parked}/etcd.yaml /etc/kubernetes/manifests/etcd.yaml; do
    [ -e "$manifest" ] && printf 'manifest %s\\n' "$(base64 -w 0 "$manifest")"
done
printf 'free %s\\n' "$(df -Pk {data} | awk 'END {{ print int($4 / 1024) }}')"
printf 'used %s\\n' "$(du -sm {data}/member 2>/dev/null | cut -f1)"
printf 'attempt %s\\n' "$(cat {work}/attempt 2>/dev/null)"
if mountpoint -q {data}; then echo mounted yes; fi
"""


@dataclass(frozen=True)
class Found:
    """How etcd is on one control plane. Sizes in MiB; `attempt` is the restore that its data is from, if one is on."""

    manifest: EtcdManifest
    free: int
    used: int
    attempt: str = ""
    mounted: bool = False  # /var/lib/etcd is a file system of its own


def inspect(host: Host) -> Found:
    """Look. Raises OperationError for a host that is no control plane with etcd."""
    output = host.ask(_INSPECT.format(parked=PARKED, data=DATA, work=WORK), what="look at etcd's data")
    lines = dict(line.partition(" ")[::2] for line in output.splitlines())
    if not lines.get("manifest"):
        raise OperationError(
            f"{host.name} has no manifest of etcd",
            why=f"neither in /etc/kubernetes/manifests nor in {PARKED}",
            hint="is it a control plane that came to its end? kubeon create finishes one that was begun",
            host=host.name,
        )
    manifest = parse_manifest(base64.b64decode(lines["manifest"]).decode())
    if manifest.data != DATA:
        raise OperationError(f"etcd on {host.name} keeps its data in {manifest.data}, not in {DATA}", host=host.name)
    free, used = int(lines.get("free") or 0), int(lines.get("used") or 0)
    return Found(manifest, free, used, lines.get("attempt", ""), lines.get("mounted") == "yes")


@dataclass
class Restoration:
    """One restore under way: the snapshot, and the control planes that take part in it, by name."""

    attempt: Attempt
    found: Mapping[str, Found]
    cri: Cri
    member: str = ""  # whose data it is to be, where there is no snapshot yet
    snapshot: Path | None = None
    revision: int = 0  # of the snapshot, where that is known; 0: it is not
    checksum: str = ""  # SHA-256 of the snapshot
    unchecked: bool = False  # the snapshot is a copy of a member's file, which has no checksum of etcd's
    failed: dict[str, str] = field(default_factory=dict)  # control plane: the phase
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fails(self, host: str, phase: str) -> None:
        """A control plane that fails stops the others before their next phase."""
        with self._lock:
            self.failed[host] = phase

    def is_restored(self, host: Host) -> bool:
        """Has this very restore given the host its data, before this run began?"""
        return self.found[host.name].attempt == self.attempt.id

    @property
    def cluster(self) -> str:
        """--initial-cluster."""
        members = (found.manifest for found in self.found.values())
        return ",".join(f"{manifest.name}={manifest.peer_url}" for manifest in members)

    def old(self, host: Host) -> str:
        """Where the data goes that was there: beside, on the same file system."""
        inside = f"{DATA}/before-" if self.found[host.name].mounted else f"{DATA}.before-"
        return inside + self.attempt.begun

    def restore_words(self, host: Host) -> tuple[str, ...]:
        """The flags of `snapshot restore` that say who this member is. All of them begin as a new cluster."""
        manifest = self.found[host.name].manifest
        return (
            *("--name", manifest.name, "--initial-advertise-peer-urls", manifest.peer_url),
            *("--initial-cluster", self.cluster, "--initial-cluster-token", f"kubeon-{self.attempt.id}"),
            *(("--skip-hash-check",) if self.unchecked else ()),
        )

    def run(self, host: Host, call: str, *, what: str, timeout: float = 300, more: str = "") -> str:
        """Call a function of restoration.sh on a host, which changes it; `more` is shell to run after it."""
        return host.change(f"{self._library(host)}{call}\n{more}", what=what, timeout=timeout)

    def send(self, host: Host, blocks: Iterator[bytes]) -> None:
        """Bring the snapshot to a host."""
        script = _RECEIVE.format(work=WORK, sha256=self.checksum)
        host.change(script, stdin=blocks, what="send the snapshot", timeout=3600)

    def has_snapshot(self, host: Host) -> bool:
        """Does it lie there already?"""
        try:
            host.ask(_LIES_THERE.format(work=WORK, sha256=self.checksum), what="look for the snapshot", timeout=300)
        except CommandError:
            return False
        return True

    def _library(self, host: Host) -> str:
        variables = {"data": DATA, "work": WORK, "parked": PARKED, "old": self.old(host), "attempt": self.attempt.id}
        variables["etcdutl"] = ETCDUTL
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
        stops = "".join(self.cri.stop_script(name) for name in _COMPONENTS)
        kill = self.cri.stop_script("kube-apiserver", at_once=True)
        return (
            f"{lines}{self.cri.running_script()}{self.cri.image_script(self.found[host.name].manifest.image, DATA)}"
            f"stop_all() (\n{stops})\nkill_api_server() (\n{kill})\n"
            + resources.files("kubeon.cluster").joinpath("restoration.sh").read_text(encoding="utf-8")
        )

    def inside(self, host: Host, *words: str) -> str:
        """Shell that runs a command in a container of etcd's image, without the library."""
        image = self.found[host.name].manifest.image
        return self.cri.image_script(image, DATA) + in_image(*words)


def in_image(*words: str) -> str:
    """Shell that runs a command in a container of etcd's image, after the library."""
    return f"in_image {shlex.join(words)}\n"


def lacking_room(found: Found, size: int, *, rescue: bool) -> str:
    """Why the disk is too small; "" when it is not. `size` of the snapshot in bytes; a rescue copies the data first."""
    need = 2 * (size >> 20) + WAL + RESERVE + (2 * found.used if rescue else 0)
    return "" if found.free >= need else f"{DATA} has {found.free} MiB free; this takes {need}, the old data being kept"


_LIES_THERE = """\
[ "$(sha256sum <{work}/snapshot.db | cut -d' ' -f1)" = {sha256} ]
"""
_RECEIVE = """\
(umask 077 && mkdir -p {work} && cat >{work}/snapshot.db) || exit
if [ "$(sha256sum <{work}/snapshot.db | cut -d' ' -f1)" != {sha256} ]; then
    rm -f {work}/snapshot.db
    echo "the snapshot came damaged" >&2
    exit 1
fi
"""
