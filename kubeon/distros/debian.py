"""Debian, Ubuntu and their kin: apt and dpkg."""

from kubeon.distros.base import Family, Need

DEBIAN = Family(
    name="debian",
    ids=frozenset({"debian", "ubuntu", "raspbian", "linuxmint", "deepin", "uos", "kylin"}),
    managers=("apt-get",),
    needs=(
        Need("conntrack", ("conntrack",)),
        Need("socat", ("socat",)),
        Need("ebtables", ("ebtables",), optional=True),
        Need("ethtool", ("ethtool",)),
        Need("ipset", ("ipset",), optional=True),
        Need("iptables", ("iptables",)),
        Need("iproute2", ("ip", "tc", "ss")),
        Need("kmod", ("modprobe",)),
        Need("mount", ("mount",)),
        Need("tar", ("tar",)),
        Need("util-linux", ("nsenter", "flock")),
    ),
    time_service="chrony",
    time_unit="chrony.service",
    script="debian.sh",
)
