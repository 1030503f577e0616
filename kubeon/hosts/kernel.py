"""What a node needs of its kernel: modules, and settings with the reason for each."""

from dataclasses import dataclass

MODULES = ("overlay", "br_netfilter", "nf_conntrack")
"""Loaded on every node: containerd's snapshots, packets of bridged pods seen by iptables, kube-proxy's conntrack."""

KNOWN_MODULES = (*MODULES, "bridge", "ip_vs", "ip_vs_rr", "nf_tables", "ip_tables", "vxlan", "ipip")
"""Those that facts tell of."""


@dataclass(frozen=True)
class Sysctl:
    """A kernel setting. `minimum`: a limit that is raised where it is lower and left alone where it is higher."""

    key: str
    value: str
    why: str
    minimum: bool = False
    required: bool = False  # a node does not work without it


SYSCTLS = (
    Sysctl("net.ipv4.ip_forward", "1", "pods are reached through the node; kubeadm refuses without", required=True),
    Sysctl("net.bridge.bridge-nf-call-iptables", "1", "Services work between pods on one bridge; kubeadm asks for it"),
    Sysctl("net.bridge.bridge-nf-call-ip6tables", "1", "the same for IPv6"),
    Sysctl(
        "net.ipv4.conf.all.rp_filter",
        "2",
        "answers may leave by another interface than questions came in by; strict filtering (1) drops them",
    ),
    Sysctl("net.ipv4.neigh.default.gc_thresh1", "4096", "neighbours kept: hundreds of nodes and pods", minimum=True),
    Sysctl("net.ipv4.neigh.default.gc_thresh2", "8192", "same, soft limit", minimum=True),
    Sysctl(
        "net.ipv4.neigh.default.gc_thresh3", "16384", "same, hard limit: beyond it packets are dropped", minimum=True
    ),
    Sysctl(
        "fs.inotify.max_user_instances",
        "8192",
        "shared by all pods that run as root; the default is 128",
        minimum=True,
    ),
    Sysctl("fs.inotify.max_user_watches", "524288", "same; kubelet and log shippers watch many files", minimum=True),
    Sysctl("vm.max_map_count", "262144", "Elasticsearch and others refuse to start in pods with less", minimum=True),
)

CHANGED_BY_KUBERNETES = (
    *("vm.overcommit_memory", "vm.panic_on_oom", "kernel.panic", "kernel.panic_on_oops"),
    *("kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes"),
    *("net.ipv4.conf.all.route_localnet", "net.netfilter.nf_conntrack_max"),
    *("net.netfilter.nf_conntrack_tcp_timeout_established", "net.netfilter.nf_conntrack_tcp_timeout_close_wait"),
)
"""What the kubelet and kube-proxy set on their own: recorded before, so that `kubeon destroy` puts it back."""


def wanted_sysctls(now: dict[str, str]) -> tuple[Sysctl, ...]:
    """The settings a host should hold, given those it has: limits that are higher already are left out."""
    return tuple(s for s in SYSCTLS if not (s.minimum and _number(now.get(s.key)) > int(s.value)))


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else -1
