"""What a release in the mirror is put together from: programs on this machine, wherever they come from."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.mirror.store import run

PROGRAMS = (
    "kubeadm",
    "kubectl",
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)


@dataclass(frozen=True)
class Parts:
    """Programs, by what they are. `versions`: of containerd, runc, cni-plugins and crictl; `made_from`: a key."""

    versions: Mapping[str, str]
    made_from: str
    kubernetes: Path  # the folder of PROGRAMS
    containerd: tuple[Path, ...]
    plugins: tuple[Path, ...]
    etcd: tuple[Path, ...]
    runc: Path
    crictl: Path
    coredns: Path
    pause: Callable[[str], Path]  # by its tag, which is compiled in
    texts: Mapping[str, str] = field(default_factory=dict)  # more files of the mirror
    images: Mapping[str, Path] = field(default_factory=dict)  # more images, each of one program


def images(programs: Path, release: str) -> list[str]:
    """The images a release's kubeadm asks for."""
    out = run([programs / "kubeadm", "config", "images", "list", "--kubernetes-version", release])
    return [line for line in out.splitlines() if re.fullmatch(r"\S+/\S+:\S+", line)]
