"""What a container runtime says of itself, and the decision every runtime shares: the cgroup driver."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from kubeon.hosts.facts import Facts
from kubeon.hosts.files import File
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec


@dataclass(frozen=True)
class Remains:
    """What `destroy` takes away: units are stopped and disabled first, then mounts below `mounts`, then `paths`."""

    units: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()  # folders below which the runtime mounts file systems, and nobody else
    processes: tuple[str, ...] = ()  # names of programs that outlive the units (containerd's shims)


@dataclass(frozen=True)
class PresentImage:
    """An image that a host's runtime holds: the digest of its manifest, and whether the kubelet leaves it alone."""

    digest: str
    pinned: bool


class Cri(Protocol):
    """A container runtime."""

    name: str
    unit: str  # the systemd unit that must run
    socket: str  # for kubeadm's criSocket

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """(path in cluster.yaml, what is wrong) of everything this runtime cannot do."""
        ...

    def artifacts(self, spec: ClusterSpec, architecture: str) -> tuple[FileArtifact, ...]:
        """Its own programs; the first one's version is the runtime's. When they change the unit is restarted."""
        ...

    def doubts(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What works, but for how long, or how well, is not known."""
        ...

    def files(self, spec: ClusterSpec, facts: Facts, images: Sequence[str]) -> tuple[File, ...]:
        """The files of one host; `images` are the references of all images of the cluster, pause among them."""
        ...

    def restarts(self, changed: Collection[str]) -> tuple[str, ...]:
        """The units to restart, `systemctl daemon-reload` first, when the files at these paths were written."""
        ...

    def list_script(self) -> str:
        """Read-only shell that prints the images a host holds, for `parse_images`."""
        ...

    def parse_images(self, output: str) -> dict[str, PresentImage]:
        """Reference: what the host holds under it."""
        ...

    def import_script(self) -> str:
        """Shell that imports an OCI archive from standard input."""
        ...

    def pin_script(self, references: Sequence[str]) -> str:
        """Shell that keeps the kubelet from collecting these images."""
        ...

    def unpin_script(self, references: Sequence[str]) -> str:
        """The opposite of `pin_script`."""
        ...

    def inside_script(self, container: str, words: Sequence[str]) -> str:
        """Shell that runs a command inside the running container of this name of a static pod."""
        ...

    def image_script(self, image: str, folder: str) -> str:
        """Shell functions for an image that the host holds: its programs in a container that sees `folder` alone.

        `in_image WORD...` runs one to its end, without a network. `in_container NAME WORD...` runs one in a container
        of that name, `beside NAME WORD...` another one in the same container, and `end NAME` takes it away.
        """
        ...

    def running_script(self) -> str:
        """A shell function: `running NAME` prints the containers of this name, of static pods, that run.

        It fails where that is not known.
        """
        ...

    def stop_script(self, container: str, *, at_once: bool = False) -> str:
        """Shell that asks the running containers of this name to end (SIGTERM); the kubelet starts them again.

        `at_once` does not ask (SIGKILL).
        """
        ...

    def remains(self) -> Remains:
        """What to remove when the node leaves."""
        ...


def cgroup_driver(spec: ClusterSpec, facts: Facts) -> str:
    """ "systemd" or "cgroupfs", for the kubelet and the runtime alike; both must use the same one.

    `auto` follows the one who owns the cgroup tree: where systemd is process 1 it does, and a second writer beside it
    moves or removes cgroups under the kubelet's feet when memory runs short (systemd's "single-writer" rule; on
    cgroup v2 it is not optional). Where something else is process 1 nobody answers on systemd's D-Bus interface,
    which that driver needs, so the files are written directly.
    """
    if spec.runtime.cgroup_driver != "auto":
        return spec.runtime.cgroup_driver
    return "systemd" if facts.init == "systemd" else "cgroupfs"
