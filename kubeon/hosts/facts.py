"""What is true of a host now: one read-only script, one round trip, parsed into typed values.

Facts are never stored. A fact gathered before a change is not trusted after it.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Interface:
    """A network interface with its IPv4 addresses ("10.0.0.5/24")."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Unknown or missing is None or empty; preflight decides whether that is fatal."""

    hostname: str = ""
    machine_id: str = ""
    product_uuid: str = ""
    boot_id: str = ""
    os_id: str = ""  # /etc/os-release ID: debian, ubuntu, rocky, openEuler ...
    os_like: tuple[str, ...] = ()
    os_version: str = ""
    os_name: str = ""  # PRETTY_NAME
    kernel: str = ""
    architecture: str = ""  # amd64 or arm64 as Kubernetes says it; uname -m when it is neither
    init: str = ""  # "systemd" where systemd is process 1
    cgroup_version: int = 0  # 1, 2 or 0 when unknown
    cpus: int = 0
    memory_mib: int = 0
    disk_free_mib: dict[str, int] = field(default_factory=dict)  # of the file systems of /, /var, /var/lib, /usr
    swap_devices: tuple[str, ...] = ()
    clock_offset: float | None = None  # seconds this host's clock is ahead of the control machine's; None: unknown
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[str, ...] = ()  # IPv4 destinations other than default: "10.0.0.0/24"
    ports_in_use: dict[int, str] = field(default_factory=dict)  # listening TCP port: process name, "" when unknown
    commands: frozenset[str] = frozenset()  # of those asked for, the ones found on PATH
    packages: frozenset[str] = frozenset()  # of those asked for, the ones installed
    selinux: str = ""  # enforcing, permissive, disabled, ""
    firewalls: tuple[str, ...] = ()  # active ones: firewalld, ufw
    time_services: tuple[str, ...] = ()  # active ones: chrony, systemd-timesyncd, ntpd ...
    time_synchronised: bool | None = None
    restricted_oom: bool = False  # root cannot lower oom_score_adj (no CAP_SYS_RESOURCE): a container as host
    # what kubeon, kubeadm or another installer has left on the host
    cluster_marker: str = ""  # content of /etc/kubernetes/kubeon-cluster: "<name> <sha256 of the cluster's CA>"
    ca_fingerprint: str = ""  # sha256 (hex) of the DER of /etc/kubernetes/pki/ca.crt; "" when there is none
    kubelet_config: bool = False  # /var/lib/kubelet/config.yaml exists
    kubelet_kubeconfig: bool = False  # /etc/kubernetes/kubelet.conf exists
    static_pods: tuple[str, ...] = ()  # names of the files in /etc/kubernetes/manifests
    etcd_data: bool = False  # /var/lib/etcd/member exists
    active_units: frozenset[str] = frozenset()  # of kubelet, containerd, docker, crio, k3s, rke2-server ...
    cni_configs: tuple[str, ...] = ()  # names of the files in /etc/cni/net.d
    pod_subnet: str = ""  # "subnet" in kubeon's bridge configuration, if that is there
    gathered: datetime | None = None
