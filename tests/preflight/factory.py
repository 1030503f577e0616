"""Facts of a good host, and what the checks say of changed ones."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kubeon.hosts.facts import Facts, Interface
from kubeon.hosts.gather import BASE_COMMANDS
from kubeon.hosts.marks import Mark
from kubeon.preflight import Finding, run_checks
from kubeon.spec.model import ClusterSpec

GOOD = Facts(
    hostname="n1",
    machine_id="m1",
    product_uuid="u1",
    boot_id="b1",
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    kernel="6.1.0-18-amd64",
    architecture="amd64",
    init="systemd",
    cgroup_version=2,
    cpus=4,
    memory_mib=8000,
    disk_free_mib={"/": 50000, "/var": 50000, "/var/lib": 50000, "/usr": 50000},
    clock_offset=0.1,
    interfaces=(Interface("lo", ("127.0.0.1/8",)), Interface("eth0", ("10.0.0.1/24",))),
    routes=("10.0.0.0/24",),
    route_interfaces={"10.0.0.0/24": "eth0"},
    ports_in_use={22: "sshd"},
    commands=frozenset({*BASE_COMMANDS, "apt-get", "modprobe"}),
    time_services=("chrony",),
    time_synchronised=True,
    modules=frozenset({"overlay", "br_netfilter", "nf_conntrack"}),
    cgroup_controllers=frozenset({"cpu", "cpuset", "memory", "pids", "io"}),
)
MEMBER: dict[str, Any] = {
    "mark": Mark("a", "00ff"),
    "ca_fingerprint": "00ff",
    "kubelet_kubeconfig": True,
    "kubelet_config": True,
}


def some_facts(number: int = 1, **changes: Any) -> Facts:
    """A good host, n1 at 10.0.0.1 (n2 at 10.0.0.2 ...), with these changes."""
    own = replace(
        GOOD,
        hostname=f"n{number}",
        machine_id=f"m{number}",
        product_uuid=f"u{number}",
        boot_id=f"b{number}",
        interfaces=(GOOD.interfaces[0], Interface("eth0", (f"10.0.0.{number}/24",))),
    )
    return replace(own, **changes)


def a_spec(control_planes: int = 1, workers: int = 0, names: Iterable[str | None] = (), **fields: Any) -> ClusterSpec:
    """Cluster "a" of nodes at 10.0.0.1 and following; control planes first."""
    roles = ["control-plane"] * control_planes + ["worker"] * workers
    nodes: list[dict[str, Any]] = [{"address": f"10.0.0.{i}", "role": role} for i, role in enumerate(roles, 1)]
    for node, name in zip(nodes, names, strict=False):
        node["name"] = name
    return ClusterSpec.model_validate({"name": "a", "version": "v1.34.2", "nodes": nodes} | fields)


def findings(spec: ClusterSpec, *hosts: Facts, **more: Any) -> list[Finding]:
    """What the checks say of these hosts, in the order of the nodes."""
    return run_checks(spec, {str(n.address): f for n, f in zip(spec.nodes, hosts, strict=False)}, **more)


def told(found: Iterable[Finding]) -> list[str]:
    """Short: "error Mem n1"."""
    return [f"{f.severity} {f.check} {f.host}".strip() for f in found]
