"""RHEL, its rebuilds, Fedora, and the Chinese distributions that descend from them: dnf or yum, and rpm."""

from kubeon.distros.base import Family, Need

RHEL = Family(
    name="rhel",
    ids=frozenset(
        {
            *("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "openeuler", "anolis", "alinux"),
            *("opencloudos", "tencentos", "kylin", "uos", "uniontech", "euleros", "hce", "bclinux", "ctyunos"),
        }
    ),
    managers=("dnf", "yum"),
    needs=(
        Need("conntrack-tools", ("conntrack",)),
        Need("diffutils", ("cmp",)),
        Need("socat", ("socat",)),
        # EL 8 calls it iptables-ebtables and EL 9 has it in iptables-nft: the name is provided or the command is there
        Need("ebtables", ("ebtables",), optional=True),
        Need("ethtool", ("ethtool",)),
        Need("ipset", ("ipset",), optional=True),
        Need("iptables", ("iptables",)),
        Need("iproute", ("ip", "ss")),
        # a package of its own since EL 8; openEuler and EL 7 have tc in iproute
        Need("iproute-tc", ("tc",), optional=True),
        Need("kmod", ("modprobe",)),
        Need("tar", ("tar",)),
        Need("util-linux", ("nsenter", "mount", "flock")),
    ),
    time_service="chrony",
    time_unit="chronyd.service",
    script="rhel.sh",
)
