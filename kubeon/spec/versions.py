"""Everything that depends on the Kubernetes release, in one place, and the few parsers that releases need."""

import re
from dataclasses import dataclass
from datetime import timedelta

OLDEST = (1, 20)
LONGEST = timedelta(days=250 * 365)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-(alpha|beta|rc)\.(\d+))?")
_RELEASE = ("release", 0)
_DURATION = re.compile(r"(\d+)([ydhm])")
_UNITS = {"y": timedelta(days=365), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}


@dataclass(frozen=True, order=True)
class Version:
    """A Kubernetes release, ordered; `str()` gives it with the leading v."""

    major: int
    minor: int
    patch: int
    stage: tuple[str, int] = _RELEASE  # ("beta", 0) of a pre-release: by the alphabet they come in their order

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read "v1.20.2", "1.20.2" or "v1.38.0-beta.0". Raises ValueError on anything else and releases before 1.20."""
        match = _VERSION.fullmatch(text.strip())
        if not match:
            msg = f"{text!r} is not a Kubernetes release; write it as v1.34.2"
            raise ValueError(msg)
        stage = (match[4], int(match[5])) if match[4] else _RELEASE
        version = cls(int(match[1]), int(match[2]), int(match[3]), stage)
        if (version.major, version.minor) < OLDEST:
            msg = f"{version} is too old; kubeon supports v{OLDEST[0]}.{OLDEST[1]} and newer"
            raise ValueError(msg)
        return version

    def __str__(self) -> str:
        stage = f"-{self.stage[0]}.{self.stage[1]}" if self.is_pre_release else ""
        return f"v{self.major}.{self.minor}.{self.patch}{stage}"

    @property
    def is_pre_release(self) -> bool:
        """Is it an alpha, a beta or a release candidate?"""
        return self.stage != _RELEASE

    def at_least(self, minor: int, patch: int = 0) -> bool:
        """Is this 1.`minor`.`patch` or newer, or on the way to it?"""
        return (self.major, self.minor, self.patch) >= (1, minor, patch)


def parse_duration(text: str) -> timedelta:
    """Read "100y", "365d", "8760h" or "30m"; a year has 365 days. Raises ValueError on anything else.

    The longest is 250 years: Go's durations, in which kubeadm and the controller manager count, end at 292.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or not int(match[1]):
        msg = f"{text!r} is not a duration; write 100y, 365d, 8760h or 30m"
        raise ValueError(msg)
    duration = min(int(match[1]), 10**6) * _UNITS[match[2]]
    if duration > LONGEST:
        msg = f"{text!r} is longer than 250y"
        raise ValueError(msg)
    return duration


def kubeadm_api(version: Version) -> str:
    """The newest kubeadm configuration API of a release: v1beta2 (1.20, 1.21), v1beta3 (1.22-1.30), v1beta4 (1.31+)."""
    if version.at_least(31):
        return "v1beta4"
    return "v1beta3" if version.at_least(22) else "v1beta2"


def lists_flags(api: str) -> bool:
    """Are `extraArgs` a list of names and values in this version of kubeadm's API, not a mapping?

    Since v1beta4, as a flag may be given twice (kubernetes/kubernetes#125029).
    """
    return api not in ("v1beta2", "v1beta3")


def has_validity_periods(api: str) -> bool:
    """Has this version of kubeadm's API fields for the lives of certificates? Since v1beta4, too."""
    return lists_flags(api)


def validates_configuration(version: Version) -> bool:
    """Since 1.28 there is `kubeadm config validate` (kubernetes/kubernetes#118013)."""
    return version.at_least(28)


def control_plane_taints(version: Version) -> tuple[str, ...]:
    """Keys of the NoSchedule taints kubeadm puts on control planes (KEP-2067: both in 1.24, only the new from 1.25)."""
    if version.at_least(25):
        return ("node-role.kubernetes.io/control-plane",)
    if version.at_least(24):
        return ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
    return ("node-role.kubernetes.io/master",)


def image_repository(version: Version) -> str:
    """Where kubeadm's images are: registry.k8s.io since 1.25, and since 1.22.17, 1.23.15 and 1.24.9 of older minors."""
    moved = {22: 17, 23: 15, 24: 9}.get(version.minor)
    if version.at_least(25) or (moved is not None and version.patch >= moved):
        return "registry.k8s.io"
    return "k8s.gcr.io"


def has_super_admin(version: Version) -> bool:
    """Since 1.29 kubeadm writes super-admin.conf besides admin.conf, which then belongs to kubeadm:cluster-admins."""
    return version.at_least(29)


def signing_duration_flag(version: Version) -> str:
    """The controller manager's flag for the life of certificates it signs (renamed in 1.19)."""
    del version  # every supported release has the new name
    return "cluster-signing-duration"


def loses_watches_on_growth(version: Version) -> bool:
    """Before 1.21 the first API server hears nothing new for minutes once etcd has grown from one member to two.

    Seen with 1.19 and 1.20 (kubernetes/kubernetes#97294); this can go with support of 1.20.
    """
    return not version.at_least(21)


def has_cluster_status(version: Version) -> bool:
    """Up to 1.21 kubeadm lists control planes in kubeadm-config's ClusterStatus (it went with v1beta3, KEP-970)."""
    return not version.at_least(22)


def control_plane_labels(version: Version) -> tuple[str, ...]:
    """Labels kubeadm puts on control planes (KEP-2067: `master` until 1.23); the last one keeps balancers away."""
    roles = ("control-plane",) if version.at_least(24) else ("master", "control-plane")
    external = ("node.kubernetes.io/exclude-from-external-load-balancers",) if version.at_least(21) else ()
    return (*(f"node-role.kubernetes.io/{role}" for role in roles), *external)


def discovery_api(version: Version) -> str:
    """The API version of EndpointSlices: v1 since 1.21, and v1beta1 alone before."""
    return "v1" if version.at_least(21) else "v1beta1"


def refuses_old_kernels(version: Version) -> bool:
    """kubeadm 1.32 and 1.33 refuse kernels before 4.19; later ones only warn.

    kubernetes/kubernetes#129462 and #131919: system-validators 1.9 as in v1.33.13, and 1.10.1 as in v1.34.0. This can
    go with support of 1.33.
    """
    return version.at_least(32) and not version.at_least(34)


def refuses_cgroup_v1(version: Version) -> bool:
    """From 1.35 on the kubelet refuses cgroup v1 unless failCgroupV1 is false (KEP-5573)."""
    return version.at_least(35)


def usual_cgroup_driver(version: Version) -> str:
    """What kubeadm gives kubelets when nobody says anything: systemd since 1.22 (kubernetes/kubernetes#102133)."""
    return "systemd" if version.at_least(22) else "cgroupfs"


CA_MARGIN = timedelta(days=3650)


def ca_validity(validity: timedelta) -> timedelta:
    """How long CAs live when leaf certificates live for `validity`: ten years longer.

    No certificate may outlive its CA, so a node that is added years later would get a shorter one otherwise.
    """
    return validity + CA_MARGIN


def admin_group(version: Version) -> str:
    """The group in admin.conf (kubernetes/kubernetes#121305)."""
    return "kubeadm:cluster-admins" if has_super_admin(version) else "system:masters"


def kubelet_client_group(version: Version) -> str:
    """The group in the certificate with which API servers come to kubelets.

    None since 1.37, and since 1.33.12, 1.34.8, 1.35.5 and 1.36.1 of older minors: kubeadm binds the user to a role
    (kubernetes/kubernetes#138957).
    """
    without = {33: 12, 34: 8, 35: 5, 36: 1}.get(version.minor)
    if version.at_least(37) or (without is not None and version.patch >= without):
        return ""
    return admin_group(version)


def kubelets_stay_local(version: Version) -> bool:
    """Since 1.33 kubeadm leads a control plane's kubelet to the API server beside it (KEP-4471)."""
    return version.at_least(33)


def etcd_client_group(version: Version) -> str:
    """The group in etcd's client certificates; none since 1.29 (kubernetes/kubernetes#119859, #120521)."""
    return "" if version.at_least(29) else "system:masters"


def has_no_swap_behavior(version: Version) -> bool:
    """Since 1.30 memorySwap.swapBehavior may be NoSwap without a feature gate, and is so by default (KEP-2400)."""
    return version.at_least(30)
