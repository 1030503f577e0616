"""Which component versions and images belong to a Kubernetes release: one row for each minor.

Sources: etcd, CoreDNS and pause tags are what `kubeadm config images list` says of each patch release (recorded in
minikube's pkg/minikube/constants/constants_kubeadm_images.go); containerd lines follow containerd's RELEASES.md,
"Kubernetes support"; crictl has one vX.Y.0 for each minor of Kubernetes. Newest patch releases as of August 2026.
"""

import re
from dataclasses import dataclass

from kubeon.spec.model import ClusterSpec
from kubeon.spec.versions import Version, image_repository


@dataclass(frozen=True)
class Chosen:
    """Component versions without the leading v."""

    containerd: str
    runc: str
    cni_plugins: str
    crictl: str


@dataclass(frozen=True)
class Row:
    """One minor release. `etcd` and `coredns` hold (first patch release, tag), newest first."""

    components: Chosen
    pause: str
    etcd: tuple[tuple[int, str], ...]
    coredns: tuple[tuple[int, str], ...]
    known_patch: int  # the newest patch release whose images are known


_C16 = ("1.6.39", "1.3.6", "1.6.2")  # the newest line tested with CRI v1alpha2 kubelets; built for glibc 2.27
_C17 = ("1.7.34", "1.3.6", "1.6.2")
_C20 = ("2.0.11", "1.3.6", "1.8.0")
_C22 = ("2.2.7", "1.3.6", "1.9.1")
_C23 = ("2.3.4", "1.4.3", "1.9.1")

Tags = tuple[tuple[int, str], ...]


def _row(  # noqa: PLR0917 - a table reads best by position
    crictl: str, line: tuple[str, str, str], pause: str, coredns: Tags, etcd: Tags, known_patch: int
) -> Row:
    return Row(Chosen(*line, crictl), pause, etcd, coredns, known_patch)


_ROWS: dict[int, Row] = {
    20: _row("1.20.0", _C16, "3.2", ((0, "1.7.0"),), ((0, "3.4.13-0"),), 15),
    21: _row("1.21.0", _C16, "3.4.1", ((0, "v1.8.0"),), ((0, "3.4.13-0"),), 14),
    22: _row("1.22.0", _C16, "3.5", ((0, "v1.8.4"),), ((17, "3.5.6-0"), (0, "3.5.0-0")), 17),
    23: _row("1.23.0", _C16, "3.6", ((0, "v1.8.6"),), ((15, "3.5.6-0"), (14, "3.5.5-0"), (0, "3.5.1-0")), 17),
    24: _row("1.24.0", _C17, "3.7", ((0, "v1.8.6"),), ((9, "3.5.6-0"), (8, "3.5.5-0"), (0, "3.5.3-0")), 17),
    25: _row(
        *("1.25.0", _C17, "3.8", ((0, "v1.9.3"),)),
        *(((15, "3.5.9-0"), (5, "3.5.6-0"), (4, "3.5.5-0"), (0, "3.5.4-0")), 16),
    ),
    26: _row("1.26.0", _C17, "3.9", ((0, "v1.9.3"),), ((13, "3.5.10-0"), (10, "3.5.9-0"), (0, "3.5.6-0")), 15),
    27: _row(
        *("1.27.0", _C17, "3.9", ((0, "v1.10.1"),)),
        *(((12, "3.5.12-0"), (10, "3.5.10-0"), (7, "3.5.9-0"), (0, "3.5.7-0")), 16),
    ),
    28: _row(
        *("1.28.0", _C17, "3.9", ((0, "v1.10.1"),)),
        *(((14, "3.5.15-0"), (8, "3.5.12-0"), (6, "3.5.10-0"), (0, "3.5.9-0")), 15),
    ),
    29: _row(
        *("1.29.0", _C17, "3.9", ((0, "v1.11.1"),)),
        *(((11, "3.5.16-0"), (9, "3.5.15-0"), (3, "3.5.12-0"), (0, "3.5.10-0")), 15),
    ),
    30: _row("1.30.0", _C17, "3.9", ((5, "v1.11.3"), (0, "v1.11.1")), ((5, "3.5.15-0"), (0, "3.5.12-0")), 14),
    31: _row("1.31.0", _C17, "3.10", ((1, "v1.11.3"), (0, "v1.11.1")), ((14, "3.5.24-0"), (0, "3.5.15-0")), 14),
    32: _row("1.32.0", _C20, "3.10", ((0, "v1.11.3"),), ((10, "3.5.24-0"), (0, "3.5.16-0")), 13),
    33: _row("1.33.0", _C20, "3.10", ((0, "v1.12.0"),), ((6, "3.5.24-0"), (0, "3.5.21-0")), 13),
    34: _row("1.34.0", _C20, "3.10.1", ((0, "v1.12.1"),), ((2, "3.6.5-0"), (0, "3.6.4-0")), 11),
    35: _row("1.35.0", _C22, "3.10.1", ((0, "v1.13.1"),), ((0, "3.6.6-0"),), 8),
    36: _row("1.36.0", _C23, "3.10.2", ((0, "v1.14.2"),), ((0, "3.6.8-0"),), 4),
}
NEWEST = max(_ROWS)


def row_of(version: Version) -> Row:
    """The row of a release; the newest row for a release that is newer than the table."""
    return _ROWS[min(version.minor, NEWEST)] if version.major == 1 else _ROWS[NEWEST]


def is_known(version: Version) -> bool:
    """Are the images of exactly this patch release known here?"""
    row = _ROWS.get(version.minor) if version.major == 1 else None
    return row is not None and version.patch <= row.known_patch


def components(spec: ClusterSpec) -> Chosen:
    """The component versions of a cluster: what the spec says, else what fits its Kubernetes release."""
    row, wanted = row_of(spec.kubernetes).components, spec.components
    return Chosen(
        containerd=_bare(wanted.containerd or row.containerd),
        runc=_bare(wanted.runc or row.runc),
        cni_plugins=_bare(wanted.cni_plugins or row.cni_plugins),
        crictl=_bare(wanted.crictl or row.crictl),
    )


def same_programs(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Do both have the same Kubernetes with the same components?"""
    return (one.version, components(one)) == (other.version, components(other))


def kubeadm_images(version: Version) -> tuple[str, ...]:
    """What `kubeadm config images list` of that release answers, out of the table."""
    repository, row = image_repository(version), row_of(version)
    programs = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    # 1.21 moved CoreDNS into a folder of its own
    coredns = "coredns/coredns" if version.at_least(21) else "coredns"
    return (
        *(f"{repository}/{program}:{version}" for program in programs),
        f"{repository}/pause:{row.pause}",
        f"{repository}/etcd:{_tag(row.etcd, version)}",
        f"{repository}/{coredns}:{_tag(row.coredns, version)}",
    )


def pause_image(images: tuple[str, ...]) -> str:
    """The pause image among a cluster's images. Raises ValueError when there is none."""
    for image in images:
        if image.rpartition(":")[0].endswith("/pause"):
            return image
    msg = "no pause image among the cluster's images"
    raise ValueError(msg)


def numbers(version: str) -> tuple[int, int, int]:
    """1.7.34 or 2.0.0-rc.1 as three numbers, to compare. Raises ValueError when it is no such version."""
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)([-+].*)?", version)
    if not match:
        msg = f"{version!r} is not a version; write it as 1.7.34"
        raise ValueError(msg)
    return int(match[1]), int(match[2]), int(match[3])


def _tag(tags: Tags, version: Version) -> str:
    return next(tag for first, tag in tags if version.patch >= first)


def _bare(version: str) -> str:
    return version.removeprefix("v")
