"""Can the nodes be reached as the cluster will reach them: ports, addresses, networks, firewalls."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv4Interface, IPv4Network

from kubeon.cni import CNIS
from kubeon.lb import LBS
from kubeon.lb import PORTS as LB_PORTS
from kubeon.preflight.base import Candidate, Check, Finding, Subject, each
from kubeon.spec.endpoints import API_PORT

NODE_PORTS = (10250, 10256)  # kubelet, kube-proxy's health
CONTROL_PLANE_PORTS = (API_PORT, 10257, 10259, 2379, 2380)  # API server, controller manager, scheduler, etcd
ALL_PORTS = sorted({*NODE_PORTS, *CONTROL_PLANE_PORTS, *LB_PORTS})
# interfaces that network plug-ins and kube-proxy make and that resets forget: of ours, and of others
_LEFT_BEHIND = (
    *(pattern for plugin in CNIS.values() for pattern in plugin.cleaning().interfaces),
    *("cni*", "flannel*", "kube-*", "tunl*", "nodelocaldns*", "weave*", "antrea*"),
)


def ports(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Ports of Kubernetes and of the API load balancer that others listen on. Members listen there themselves."""
    if c.ours:
        return
    spec = subject.spec
    own = LBS[spec.load_balancer.mode].ports(spec, c.node)
    for port in sorted({*NODE_PORTS, *(CONTROL_PLANE_PORTS if c.control_plane else ()), *own}):
        if port in c.facts.ports_in_use:
            process = c.facts.ports_in_use[port]
            by = f" by {process}" if process else ""
            yield c.error(f"Port-{port}", f"port {port} is in use{by}", f"`ss -ltnp sport = :{port}` shows by what")


def own_address(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """The given address is the host's own: components bind to it and certificates name it."""
    del subject
    if c.facts.interfaces and c.address not in c.facts.addresses:
        own = [address for address in c.facts.addresses if not address.startswith("127.")]
        yield c.error(
            "Address",
            f"address {c.address} is on none of the host's interfaces: NAT, or a floating address",
            f"give an address that the host has itself and all nodes reach: {', '.join(own) or 'it has none'}",
        )


def address_elsewhere(subject: Subject) -> Iterator[Finding]:
    """The address of one node is on another host too."""
    for c in subject.candidates:
        for other in subject.candidates:
            if c is not other and c.address in other.facts.addresses and not same_host(c, other):
                yield c.error("Address", f"address {c.address} is on host {other.name} as well")


def same_host(one: Candidate, other: Candidate) -> bool:
    """Two addresses of one machine. Containers of one machine may share a boot id but not a machine id."""
    ids = [(c.facts.boot_id, c.facts.machine_id) for c in (one, other)]
    return bool(ids[0][0]) and ids[0] == ids[1]


def subnets(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Pods and Services get addresses that nothing else near the host has."""
    if c.ours:
        return
    networking = subject.spec.networking
    for check, field, wanted in (
        ("PodSubnet", "networking.podSubnet", networking.pod_subnet),
        ("ServiceSubnet", "networking.serviceSubnet", networking.service_subnet),
    ):
        seen: set[str] = set()
        for network, interface in _networks(c):
            if not network.overlaps(wanted) or interface in seen:
                continue
            seen.add(interface)
            where = f"{network} on {interface}" if interface else f"route {network}"
            what = f"{field} {wanted} overlaps {where}"
            if any(fnmatchcase(interface, pattern) for pattern in _LEFT_BEHIND):
                hint = f"`ip link delete {interface}`, or a reboot, removes what an earlier cluster left"
                yield c.warning(check, f"{what}, left by an earlier cluster", hint)
            elif network.prefixlen < wanted.prefixlen and not _is_connected(c, network):
                yield c.warning(check, f"{what}: machines there with such addresses cannot be reached from pods")
            else:
                yield c.error(check, what, f"choose another {field}")


def _networks(c: Candidate) -> Iterator[tuple[IPv4Network, str]]:
    for interface in c.facts.interfaces:
        for address in interface.addresses:
            yield IPv4Interface(address).network, interface.name
    for route in c.facts.routes:
        yield IPv4Network(route, strict=False), c.facts.route_interfaces.get(route, "")


def _is_connected(c: Candidate, network: IPv4Network) -> bool:
    return any(IPv4Interface(a).network == network for i in c.facts.interfaces for a in i.addresses)


def firewall(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """A firewall that runs: it goes, or the user opens ports."""
    if not c.facts.firewalls:
        return
    names = " and ".join(c.facts.firewalls)
    if subject.spec.hosts.firewall == "disable":
        if not c.joined:
            hint = "hosts.firewall: keep leaves it; kubeon destroy puts it back"
            yield c.warning("Firewall", f"{names} will be stopped and disabled", hint)
        return
    needed = "6443, 2379-2380, 10250, 10257, 10259" if c.control_plane else "10250, 30000-32767"
    yield c.warning(
        "Firewall",
        f"{names} stays on: it must let TCP {needed} through, and what the network plug-in needs",
        "all traffic from other nodes, the pod and the Service network is the simplest rule",
    )


def hosts_file(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """cloud-init may undo what is written to /etc/hosts."""
    del subject
    if c.facts.cloud_init_hosts:
        yield c.warning(
            "CloudInitHosts",
            "cloud-init rewrites /etc/hosts at every boot, kubeon's entries with it",
            "set manage_etc_hosts: false in /etc/cloud/cloud.cfg",
        )


CHECKS = (
    Check(each(ports), tuple(f"Port-{port}" for port in ALL_PORTS)),
    Check(each(own_address), ("Address",)),
    Check(address_elsewhere, ("Address",)),
    Check(each(subnets), ("PodSubnet", "ServiceSubnet")),
    Check(each(firewall), ("Firewall",)),
    Check(each(hosts_file), ("CloudInitHosts",)),
)
