"""Ports, addresses, networks, firewalls."""

from typing import Any

import pytest

from kubeon.hosts.facts import Interface
from tests.preflight.factory import GOOD, MEMBER, a_spec, findings, some_facts, told

LO = GOOD.interfaces[0]
ETH0 = GOOD.interfaces[1]


@pytest.mark.parametrize("port", [6443, 10257, 10259, 2379, 2380, 10250, 10256])
def test_ports_of_a_control_plane(port: int) -> None:
    """In use by somebody else: an error with the name of the process. Not on members."""
    facts = some_facts(ports_in_use={port: "nginx"})

    found = findings(a_spec(), facts)

    assert told(found) == [f"error Port-{port} n1"]
    assert found[0].what == f"port {port} is in use by nginx"
    assert findings(a_spec(), some_facts(ports_in_use={port: "kube"}, **MEMBER)) == []


def test_ports_of_a_worker() -> None:
    """Only those that it needs, among them what its way to the API listens on."""
    facts = some_facts(2, ports_in_use={6443: "nginx", 8842: "nginx", 10250: ""})

    found = findings(a_spec(1, 1), some_facts(1), facts)
    direct = findings(a_spec(1, 1, load_balancer={"mode": "direct"}), some_facts(1), facts)

    assert [f.check for f in found] == ["Port-6443", "Port-8842", "Port-10250"]
    assert [f.what for f in direct] == ["port 10250 is in use"]


def test_address_behind_nat() -> None:
    """The address given is on no interface: an error that names those that are. Unknown interfaces: nothing."""
    found = findings(a_spec(), some_facts(interfaces=(LO, Interface("eth0", ("192.168.1.5/24",)))))

    assert told(found) == ["error Address n1"]
    assert "192.168.1.5" in found[0].hint
    assert findings(a_spec(), some_facts(interfaces=())) == []


def test_address_on_two_hosts() -> None:
    """A node's address on another host as well."""
    both = some_facts(2, interfaces=(Interface("eth0", ("10.0.0.2/24", "10.0.0.1/32")),))

    assert told(findings(a_spec(1, 1), some_facts(1), both)) == ["error Address n1"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"interfaces": (LO, ETH0, Interface("lan", ("10.244.9.1/24",)))}, ["error PodSubnet n1"]),
        ({"interfaces": (LO, ETH0, Interface("cni0", ("10.244.9.1/24",)))}, ["warning PodSubnet n1"]),
        ({"interfaces": (LO, ETH0, Interface("lan", ("10.100.0.1/24",)))}, ["error ServiceSubnet n1"]),
        ({"interfaces": (LO, Interface("eth0", ("10.0.0.1/8",)))}, ["error PodSubnet n1", "error ServiceSubnet n1"]),
        ({"routes": ("10.244.0.0/24",)}, ["error PodSubnet n1"]),
        # a route for a whole company: its part under the pods cannot be reached, the rest can
        ({"routes": ("10.0.0.0/8",)}, ["warning PodSubnet n1", "warning ServiceSubnet n1"]),
        ({"routes": ("172.16.0.0/12",)}, []),
    ],
)
def test_networks_that_overlap(changes: dict[str, Any], wanted: list[str]) -> None:
    """Pods and Services must not get addresses that are somebody's already."""
    assert told(findings(a_spec(), some_facts(**changes))) == wanted


def test_a_members_own_networks_do_not_overlap() -> None:
    """cni0 and the routes to other nodes are this cluster's."""
    interfaces = (LO, ETH0, Interface("cni0", ("10.244.0.1/24",)))
    facts = some_facts(**MEMBER, interfaces=interfaces, routes=("10.244.0.0/24", "10.244.1.0/24"))

    assert findings(a_spec(), facts) == []


def test_firewall() -> None:
    """It goes, or the user is told which ports to open."""
    facts = some_facts(firewalls=("firewalld",))

    (goes,) = findings(a_spec(), facts)
    (stays,) = findings(a_spec(hosts={"firewall": "keep"}), facts)

    assert (goes.severity, goes.what) == ("warning", "firewalld will be stopped and disabled")
    assert "6443" in stays.what
    assert findings(a_spec(), some_facts()) == []


def test_cloud_init_rewrites_hosts() -> None:
    """A warning, as names vanish at the next boot."""
    assert told(findings(a_spec(), some_facts(cloud_init_hosts=True))) == ["warning CloudInitHosts n1"]
