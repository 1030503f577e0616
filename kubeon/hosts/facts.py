"""What is true of a host now: one read-only script, one round trip, parsed into typed values.

Facts are never stored. A fact gathered before a change is not trusted after it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from kubeon.hosts.marks import RECORDS, UNMARKED, Mark


@dataclass(frozen=True)
class Interface:
    """A network interface with its IPv4 addresses ("10.0.0.5/24")."""

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileSystem:
    """Sizes in bytes; `inodes` is 0 where the file system counts none."""

    size: int
    free: int
    inodes: int = 0
    free_inodes: int = 0


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
    filesystems: dict[str, FileSystem] = field(default_factory=dict)  # of the kubelet's folder and the runtime's
    swap_devices: tuple[str, ...] = ()
    clock_offset: float | None = None  # seconds this host's clock is ahead of the control machine's; None: unknown
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[str, ...] = ()  # IPv4 destinations other than default: "10.0.0.0/24"
    route_interfaces: dict[str, str] = field(default_factory=dict)  # destination: the interface it leads to
    default_interface: str = ""  # where the default route leads to
    ports_in_use: dict[int, str] = field(default_factory=dict)  # listening TCP port: process name, "" when unknown
    commands: frozenset[str] = frozenset()  # of those asked for, the ones found on PATH
    packages: frozenset[str] = frozenset()  # of those asked for, the ones installed
    selinux: str = ""  # enforcing, permissive, disabled, ""
    firewalls: tuple[str, ...] = ()  # active ones: firewalld, ufw
    time_services: tuple[str, ...] = ()  # active ones: chrony, systemd-timesyncd, ntpd ...
    time_synchronised: bool | None = None
    time_units: tuple[str, ...] = ()  # time services that are installed, active or not
    container: str = ""  # the host is a container of this kind: podman, lxc, docker ...; "" for a machine
    resolves_itself: bool = True  # getent knows the host's own name
    cloud_init_hosts: bool = False  # cloud-init rewrites /etc/hosts at every boot
    modules: frozenset[str] = frozenset()  # of kernel.KNOWN_MODULES, those loaded, built in, or loadable
    cgroup_controllers: frozenset[str] = frozenset()  # cpu, memory, pids ...
    sysctls: dict[str, str] = field(default_factory=dict)  # of kernel.SYSCTLS, as they are now, white space collapsed
    conntrack_max: int | None = None  # net.netfilter.nf_conntrack_max; None: the module is not loaded
    conntrack_max_writable: bool = False  # not in a network namespace, where kube-proxy may not write it
    restricted_oom: bool = False  # root cannot lower oom_score_adj (no CAP_SYS_RESOURCE): a container as host
    # what kubeon, kubeadm or another installer has left on the host
    mark: Mark = UNMARKED
    ca_fingerprint: str = ""  # sha256 (hex) of the DER of /etc/kubernetes/pki/ca.crt; "" when there is none
    kubelet_config: bool = False  # /var/lib/kubelet/config.yaml exists
    kubelet_kubeconfig: bool = False  # /etc/kubernetes/kubelet.conf exists
    static_pods: tuple[str, ...] = ()  # names of the files in /etc/kubernetes/manifests
    etcd_data: bool = False  # /var/lib/etcd/member exists
    active_units: frozenset[str] = frozenset()  # of kubelet, containerd, docker, crio, k3s, rke2-server ...
    cni_configs: tuple[str, ...] = ()  # names of the files in /etc/cni/net.d
    pod_subnet: str = ""  # "subnet" in kubeon's bridge configuration, if that is there
    api_server: str = ""  # "server" in kubelet.conf: https://endpoint:6443
    client_certificate: bool = False  # /var/lib/kubelet/pki/kubelet-client-current.pem exists
    client_certificate_expiry: datetime | None = None  # its end, where openssl is there to say it
    hosts_block: str = ""  # kubeon's marked block of /etc/hosts, with its marker lines
    configuration: frozenset[str] = frozenset()  # in folders of /etc/kubernetes, and units in /etc/systemd/system
    records: tuple[str, ...] = ()  # names of the files in /var/lib/kubeon and /var/lib/kubeon/found ("found/hostname")
    containerd_unit: str = ""  # file of containerd.service, the distribution's or kubeon's
    containers: int = 0  # containers that run under containerd shims
    gathered: datetime | None = None

    def has(self, record: str) -> bool:
        """Is this file there, of those below RECORDS?"""
        return record.removeprefix(f"{RECORDS}/") in self.records

    @property
    def addresses(self) -> tuple[str, ...]:
        """IPv4 addresses of all interfaces, without prefix lengths."""
        return tuple(address.split("/")[0] for interface in self.interfaces for address in interface.addresses)
