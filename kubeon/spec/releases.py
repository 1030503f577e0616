"""Which component versions and images belong to a Kubernetes release: releases.toml, which is read when first asked.

A release that is newer than the table gets the newest row.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from kubeon.spec.model import ClusterSpec
from kubeon.spec.versions import Version, image_repository

if TYPE_CHECKING:
    from kubeon.spec.tables import PluginTable, Table, Tags


@dataclass(frozen=True)
class Chosen:
    """Component versions without the leading v."""

    containerd: str
    runc: str
    cni_plugins: str
    crictl: str


@cache
def table() -> "Table":
    """What is known."""
    from kubeon.spec.tables import Table, read_table  # noqa: PLC0415 - most commands do without

    return read_table(Table, "kubeon.spec", "releases.toml")


@cache
def plugin_table(package: str, name: str) -> "PluginTable":
    """Which releases of a network plug-in belong to which of Kubernetes: the table `name` of the plug-in's package."""
    from kubeon.spec.tables import PluginTable, read_table  # noqa: PLC0415 - most commands do without

    return read_table(PluginTable, package, name)


def has_row(version: Version) -> bool:
    """Is its minor release in the table?"""
    return (version.major, version.minor) <= (1, table().newest.minor)


def is_known(version: Version) -> bool:
    """Are the images of exactly this patch release known here?"""
    return has_row(version) and not version.is_pre_release and version.patch <= table().row_of(version).patch


def components(spec: ClusterSpec) -> Chosen:
    """The component versions of a cluster: what the spec says, else what fits its Kubernetes release."""
    row, runtime, wanted = table().row_of(spec.kubernetes), table().runtime_of(spec.kubernetes), spec.components
    return Chosen(
        containerd=_bare(wanted.containerd or runtime.containerd),
        runc=_bare(wanted.runc or runtime.runc),
        cni_plugins=_bare(wanted.cni_plugins or runtime.cni_plugins),
        crictl=_bare(wanted.crictl or row.crictl),
    )


def same_programs(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Do both have the same Kubernetes with the same components?"""
    return (one.version, components(one)) == (other.version, components(other))


def kubeadm_images(version: Version) -> tuple[str, ...]:
    """What `kubeadm config images list` of that release answers, out of the table."""
    repository, row = image_repository(version), table().row_of(version)
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


def _tag(tags: "Tags", version: Version) -> str:
    return next(tag for first, tag in tags if version.patch >= first)


def _bare(version: str) -> str:
    return version.removeprefix("v")
