"""The cluster as a whole, what is ignored, and the report."""

from typing import Any

import pytest

from kubeon.errors import BundleError, ConnectError, PreflightError, UsageError
from kubeon.hosts.marks import Mark
from kubeon.preflight import CHECKS, NAMES, check_names, raise_on_errors
from tests.golden import assert_golden
from tests.preflight.factory import a_spec, findings, some_facts, told

A_REFUSAL = ConnectError("cannot be reached by SSH", why="connection refused", hint="try: ssh 10.0.0.1", host="cp1")


def test_unreachable_hosts_are_errors_whatever_is_ignored() -> None:
    """Nothing can be done with them."""
    found = findings(a_spec(names=["cp1"]), unreachable={"10.0.0.1": A_REFUSAL}, ignore=["all"])

    assert told(found) == ["error Unreachable cp1"]
    assert (found[0].what, found[0].hint) == ("cannot be reached by SSH: connection refused", "try: ssh 10.0.0.1")


@pytest.mark.parametrize(("count", "wanted"), [(1, []), (2, ["warning ControlPlaneCount"]), (3, [])])
def test_number_of_control_planes(count: int, wanted: list[str]) -> None:
    """An even number is pointless, not wrong."""
    assert told(findings(a_spec(count), *(some_facts(i) for i in range(1, count + 1)))) == wanted


def test_material_is_told() -> None:
    """What the bundle lacks."""
    assert told(findings(a_spec(), some_facts(), material=[BundleError("no kubelet")])) == ["error Material"]


def test_a_hint_stands_once_below_all_that_it_is_for() -> None:
    """Seven files that are not on the mirror have one cause."""
    missing = [BundleError(f"cannot fetch {name}", why="404", hint="check --mirror") for name in ("kubelet", "kubeadm")]

    found = findings(a_spec(), some_facts(), material=missing)

    assert [(one.what, one.hint) for one in found] == [
        ("cannot fetch kubelet: 404", ""),
        ("cannot fetch kubeadm: 404", "check --mirror"),
    ]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"version": "v1.37.2"}, []),
        ({"version": "v1.37.99"}, []),
        ({"version": "v1.99.0-beta.0"}, ["warning KubernetesVersion"]),
        ({"version": "v1.36.3", "networking": {"plugin": "calico"}}, []),
        ({"version": "v1.37.2", "networking": {"plugin": "calico"}}, ["warning NetworkPlugin"]),
        ({"version": "v1.35.0", "components": {"containerd": "1.7.35"}}, []),
        ({"version": "v1.36.3", "components": {"containerd": "1.7.35"}}, ["warning ContainerRuntimeVersion"]),
    ],
)
def test_what_nobody_has_tried_together_is_a_warning(fields: dict[str, Any], wanted: list[str]) -> None:
    """Newer Kubernetes than this kubeon, than the plug-in's makers or the runtime's know."""
    assert told(findings(a_spec(**fields), some_facts())) == wanted


def test_ignored_errors_become_warnings() -> None:
    """By name in any case, or all."""
    facts = some_facts(cpus=1, memory_mib=1000)

    assert told(findings(a_spec(), facts, ignore=["numcpu"])) == ["error Mem n1", "warning NumCPU n1"]
    assert told(findings(a_spec(), facts, ignore=["all"])) == ["warning NumCPU n1", "warning Mem n1"]


def test_names_that_no_check_has_are_an_error() -> None:
    """With the list of those that there are."""
    with pytest.raises(UsageError) as caught:
        findings(a_spec(), some_facts(), ignore=["NumCPU", "Memory", "ImagePul", "Port-abc"])

    assert caught.value.what == "no preflight check is called ImagePul, Memory, Port-abc"
    assert caught.value.hint.startswith("did you mean ImagePull")
    assert "NumCPU" in caught.value.hint


def test_names_are_those_that_the_checks_write() -> None:
    """Whatever case they were typed in."""
    assert check_names([" unreachable", "NUMCPU", "imagepull", ""]) == {"Unreachable", "NumCPU", "imagepull"}


@pytest.mark.parametrize(
    "name", ["HTTPProxyCIDR", "httpproxycidr", "FileExisting-conntrack", "Service-Kubelet", "CreateJob"]
)
def test_names_of_kubeadms_own_checks_are_taken(name: str) -> None:
    """It is told them; here they change nothing."""
    assert told(findings(a_spec(), some_facts(cpus=1), ignore=[name])) == ["error NumCPU n1"]


def test_every_check_has_names() -> None:
    """So that each can be ignored."""
    assert all(check.names for check in CHECKS)
    assert "Port-6443" in NAMES


def test_warnings_raise_nothing() -> None:
    """They are shown only."""
    raise_on_errors(findings(a_spec(2), some_facts(1), some_facts(2)))


def test_report() -> None:
    """All errors at once, by host, with hints."""
    hosts = (
        some_facts(1, cpus=1, memory_mib=900, ports_in_use={6443: "haproxy"}),
        some_facts(2, hostname="Node_2", swap_devices=("/dev/sda2",)),
        some_facts(3, mark=Mark("prod", "1234"), machine_id="m1"),
    )
    spec = a_spec(3, 1, names=["cp1", None, "cp3", "w1"])
    found = findings(spec, *hosts, unreachable={"10.0.0.4": ConnectError("no answer within 10 s")})

    with pytest.raises(PreflightError) as caught:
        raise_on_errors(found)

    warnings = "".join(f"{f.severity}: {f.host}: {f.what} ({f.hint})\n" for f in found if f.severity == "warning")
    error = caught.value
    assert_golden(f"{error.what}\n\n{error.why}\n\n{error.hint}\n\n{warnings}", "preflight/report.txt")
