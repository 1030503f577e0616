"""Names, clones, clocks."""

from typing import Any

import pytest

from tests.preflight.factory import MEMBER, a_spec, findings, some_facts, told


@pytest.mark.parametrize("hostname", ["Node1", "node_1", "", "localhost", "localhost.localdomain", "-x"])
def test_hostnames_that_kubernetes_refuses(hostname: str) -> None:
    """An error that shows how to name the node; none where it has a name."""
    facts = some_facts(hostname=hostname)

    (found,) = findings(a_spec(), facts)

    assert (found.check, found.severity) == ("Hostname", "error")
    assert "node-1=10.0.0.1" in found.hint
    assert findings(a_spec(names=["n1"]), facts) == []


NAMES_OF_THE_API = (
    *("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
    *("apiserver.cluster.local", "api.example.org", "node.wild.example.org", "127.0.0.1", "10.96.0.1", "010.96.0.1"),
    *("10.6291457", "0x0a600001", "0xa.0x60.0.1", "webhook.team.svc", "x.y.svc.cluster.local", "api.localhost"),
)
SANS = {"certificates": {"sans": ["API.Example.org", "*.wild.example.org", "192.0.2.7"]}}


@pytest.mark.parametrize("hostname", NAMES_OF_THE_API)
def test_a_worker_called_like_the_api(hostname: str) -> None:
    """Its own hostname or a given name: it would get a certificate that every client of the API believes."""
    for names in ([], ["n1", hostname]):
        spec = a_spec(1, 1, names=names, **SANS)
        (found,) = findings(spec, some_facts(1), some_facts(2, hostname=hostname), ignore=["all"])

        assert (found.check, found.host, found.severity) == ("Hostname", hostname, "error")
        assert "node-1=10.0.0.2" in found.hint


def test_a_worker_with_the_address_of_the_api() -> None:
    """That of a load balancer outside, or one in the list of more names."""
    outside = {"loadBalancer": {"mode": "external", "address": "10.0.0.2:6443"}}
    more = {"certificates": {"sans": ["10.0.0.2"]}}
    for fields in (outside, more):
        found = findings(a_spec(1, 1, **fields), some_facts(1), some_facts(2))
        assert [(f.check, f.host) for f in found if f.severity == "error"] == [("Hostname", "n2")]


@pytest.mark.parametrize("hostname", ["10.0.0.1", "10.1", "db", "10.0.0.002"])
def test_a_node_called_like_another_one(hostname: str) -> None:
    """Its address in any spelling, or the name of one that is not looked at. Its own address, well spelt, is fine."""
    spec = a_spec(1, 2, names=[None, None, "db"])

    (found,) = findings(spec, some_facts(1), some_facts(2, hostname=hostname))

    assert (found.check, found.host) == ("Hostname", hostname)
    assert findings(spec, some_facts(1), some_facts(2, hostname="10.0.0.2")) == []


def test_a_member_called_like_the_api_is_told_how_to_get_another_name() -> None:
    """A node keeps its name for life."""
    member: dict[str, Any] = {**MEMBER, "hostname": "kubernetes"}

    (found,) = findings(a_spec(1, 1), some_facts(1, **MEMBER), some_facts(2, **member))

    assert found.hint.startswith("kubeon del a removes it")


@pytest.mark.parametrize(
    "hostname", ["w1", "kubernetes.example.org", "apiserver", "w1.cluster.local", "svc", "a.b.wild.example.org"]
)
def test_names_that_are_a_nodes_own(hostname: str) -> None:
    """They resemble the API's and are not; and a control plane may be among the API's names."""
    fields: dict[str, Any] = {"certificates": {"sans": ["n1", "10.0.0.1", *SANS["certificates"]["sans"]]}}

    assert findings(a_spec(1, 1, **fields), some_facts(1), some_facts(2, hostname=hostname)) == []


def test_one_machine_given_twice() -> None:
    """Two addresses of one machine are one finding that names both, not five."""
    facts = some_facts(1, interfaces=())

    found = findings(a_spec(1, 1), facts, facts)

    assert [f.what for f in found] == ["10.0.0.1 and 10.0.0.2 are one machine"]


def test_clones() -> None:
    """The same machine-id is an error, the same product_uuid a warning, the same name an error; all name both hosts."""
    one, two = some_facts(1), some_facts(2, machine_id="m1", product_uuid="u1", hostname="n1")

    found = findings(a_spec(1, 1), one, two)

    assert told(found) == ["error Hostname", "error DuplicateMachineID", "warning DuplicateProductUUID"]
    assert all("10.0.0.1" in f.what and "10.0.0.2" in f.what for f in found)


def test_members_that_are_clones_are_left_alone() -> None:
    """They work."""
    found = findings(a_spec(1, 1), some_facts(1, **MEMBER), some_facts(2, **MEMBER, machine_id="m1"))

    assert found == []


@pytest.mark.parametrize(
    ("offsets", "wanted"),
    [
        ((0.1, 1.9, 0.2), []),
        ((0.1, 5.0, 0.2), ["warning Clock n2"]),
        ((0.1, -40.0, 0.2), ["error Clock n2"]),
        ((100.0, 100.5, 100.2), ["warning Clock"]),  # the control machine's is the one that is wrong
        ((None, None, None), []),
        ((None, 0.1, 9.0), ["warning Clock n3"]),
    ],
)
def test_clocks_are_compared_with_the_median(offsets: tuple[float | None, ...], wanted: list[str]) -> None:
    """Hosts that differ from most."""
    hosts = [some_facts(i, clock_offset=offset) for i, offset in enumerate(offsets, 1)]

    assert told(findings(a_spec(1, 2), *hosts)) == wanted


def test_time_services() -> None:
    """Not synchronised, or none at all where kubeon may not install one. Containers have their machine's clock."""
    keep = a_spec(hosts={"timeSync": "keep"})
    none = some_facts(time_services=(), time_synchronised=False)

    assert told(findings(a_spec(), some_facts(time_synchronised=False))) == ["warning TimeSync n1"]
    assert findings(a_spec(), none) == []
    assert told(findings(keep, none)) == ["warning TimeSync n1"]
    assert findings(keep, some_facts(time_services=(), time_synchronised=False, container="lxc")) == []
