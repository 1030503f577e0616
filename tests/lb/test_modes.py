"""What every way to the API promises, and each one's own answers."""

import os
import subprocess
from pathlib import Path

import pytest

from kubeon.lb import LBS, PORTS
from kubeon.spec.endpoints import Endpoint
from kubeon.spec.model import ClusterSpec
from tests.specs import a_spec

WITH_LISTS = ("haproxy", "updater")
EXTERNAL = {"mode": "external", "address": "10.0.9.9:8443"}


def a_spec_for(mode: str, control_planes: int = 3) -> ClusterSpec:
    load_balancer = EXTERNAL if mode == "external" else {"mode": mode}
    return a_spec(control_planes=control_planes, workers=2, load_balancer=load_balancer)


@pytest.mark.parametrize("mode", LBS)
def test_every_mode_keeps_the_contract(mode: str) -> None:
    """Registered under its name, no fault with its own spec, its endpoint in the certificate.

    Who is a member is not: a node more must not mean new certificates on all others.
    """
    lb, spec = LBS[mode], a_spec_for(mode)

    assert lb.name == mode
    assert lb.problems(spec) == ()
    assert lb.endpoint(spec).host in lb.sans(spec)
    assert lb.sans(spec) == lb.sans(a_spec_for(mode, control_planes=1))
    assert len(lb.sans(spec)) == len(set(lb.sans(spec)))
    assert lb.only_server(spec) == ("10.0.0.1" if mode == "direct" else "")
    for node in spec.nodes:
        assert {name for _, name in lb.hosts(spec, node)} == {lb.endpoint(spec).host}
        assert lb.check(spec, node) or not lb.files(spec, node)
        assert set(lb.ports(spec, node)) <= set(PORTS)
        gone = ("/etc/kubernetes/", *lb.cleaning().paths)
        assert all(file.path.startswith(gone) for file in lb.files(spec, node))
        assert set(lb.units(spec, node)) <= set(lb.cleaning().units)
        assert {f"/etc/systemd/system/{unit}" for unit in lb.units(spec, node)} <= {
            file.path for file in lb.files(spec, node)
        }
        assert bool(lb.units(spec, node)) == bool(lb.start_script(spec, node))
        assert set(lb.lists(spec, node)) <= set(lb.files(spec, node))
        asks = lb.check(spec, node)
        assert "\nexit 1" in asks or "exit 1\n" in asks or not asks
        assert subprocess.run(["sh", "-n"], input=asks, text=True, check=False).returncode == 0
        if lb.check(spec, node) or lb.is_outside:
            assert lb.where_to_look
    assert all(image.reference.startswith("docker.io/library/") for image in lb.images(spec))  # anybody can have them
    manifest, workload = lb.manifest(spec), lb.workload(spec)
    assert manifest == lb.manifest(spec)
    assert bool(manifest) == bool(workload) == bool(lb.initial(spec, ["10.0.0.1"]))
    if workload:
        assert workload.image in manifest
        assert workload.image in {image.reference for image in lb.images(spec)}


@pytest.mark.parametrize("mode", LBS)
def test_a_node_more_touches_only_lists(mode: str) -> None:
    """What else is on a worker says nothing of members, so that nothing restarts when they come and go."""
    lb, before, after = LBS[mode], a_spec_for(mode, control_planes=1), a_spec_for(mode)

    same, other = (
        {*lb.files(spec, before.workers[0])} - {*lb.lists(spec, before.workers[0])} for spec in (before, after)
    )

    assert same == other
    assert lb.lists(before, before.control_planes[0]) == ()
    assert bool(lb.lists(before, before.workers[0])) == (mode in WITH_LISTS)
    assert lb.lists(before, before.workers[0]) != lb.lists(after, before.workers[0]) or mode not in WITH_LISTS
    assert lb.is_outside == (mode == "external")


CHECKS = {
    "ok": ("ok", 0, ""),
    "a stranger": (
        'Error from server (Forbidden): forbidden: User "system:anonymous" cannot get path "/readyz"',
        0,
        "",
    ),
    "no rights at all": ("error: You must be logged in to the server (Unauthorized)", 0, ""),
    "nobody": (
        "E1120 15:00 memcache.go:265] couldn't get\nThe connection to the server 10.0.9.9:8443 was refused",
        1,
        "The connection to the server 10.0.9.9:8443 was refused\n",
    ),
    "another cluster": (
        "Unable to connect to the server: x509: certificate signed by unknown authority",
        1,
        "Unable to connect to the server: x509: certificate signed by unknown authority\n",
    ),
    "etcd is down": ("[-]etcd failed: reason withheld\nreadyz check failed", 1, "readyz check failed\n"),
}


@pytest.mark.parametrize(("said", "code", "why"), CHECKS.values(), ids=CHECKS)
def test_external_is_asked_by_its_name(said: str, code: int, why: str, tmp_path: Path) -> None:
    """An API server of this cluster is enough, whatever it thinks of a stranger; else the last word is the reason."""
    spec = a_spec_for("external")
    kubectl = tmp_path / "kubectl"
    ends = "echo ok; echo a warning >&2; exit 0" if said == "ok" else f"cat <<'END' >&2\n{said}\nEND\nexit 1"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/words\n{ends}\n')
    kubectl.chmod(0o755)
    script = LBS["external"].check(spec, spec.workers[0])
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=False, env=environment)

    assert (done.returncode, done.stdout) == (code, why)
    words = (tmp_path / "words").read_text()
    assert "--server https://apiserver.cluster.local:8443" in words
    assert "--certificate-authority /etc/kubernetes/pki/ca.crt" in words


def test_direct_leads_control_planes_to_themselves_and_workers_to_the_first() -> None:
    """So that a control plane does not depend on another one."""
    spec = a_spec_for("direct")

    lines = [LBS["direct"].hosts(spec, node) for node in spec.nodes]

    name = "apiserver.cluster.local"
    addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.1"]
    assert [((address, name),) for address in addresses] == lines
    assert Endpoint(name, 6443) == LBS["direct"].endpoint(spec)


def test_direct_warns_when_workers_hang_on_one_of_several_control_planes() -> None:
    """And only then."""
    direct = LBS["direct"]

    assert "through 10.0.0.1 only" in direct.warnings(a_spec_for("direct"))[0]
    assert direct.warnings(a_spec(control_planes=1, workers=3)) == ()
    assert direct.warnings(a_spec(control_planes=3, workers=0)) == ()


def test_external_by_address_keeps_the_name_and_takes_the_port() -> None:
    """Nodes and kubeconfigs have the name, so that the balancer can move."""
    spec = a_spec_for("external")

    assert str(LBS["external"].endpoint(spec)) == "apiserver.cluster.local:8443"
    assert LBS["external"].hosts(spec, spec.workers[0]) == (("10.0.9.9", "apiserver.cluster.local"),)
    assert "10.0.9.9" in LBS["external"].sans(spec)


def test_external_by_name_is_left_to_dns() -> None:
    """A balancer with a name of its own is the endpoint."""
    spec = a_spec(load_balancer={"mode": "external", "address": "lb.example.com:6443"})

    assert str(LBS["external"].endpoint(spec)) == "lb.example.com:6443"
    assert LBS["external"].hosts(spec, spec.nodes[0]) == ()
    assert "lb.example.com" in LBS["external"].sans(spec)


@pytest.mark.parametrize("mode", ["haproxy", "direct"])
def test_an_address_without_external_is_a_problem(mode: str) -> None:
    """Ignoring it would surprise who wrote it."""
    balancer = a_spec_for("external").load_balancer.model_copy(update={"mode": mode})
    spec = a_spec().model_copy(update={"load_balancer": balancer})

    assert LBS[mode].problems(spec)[0][0] == "loadBalancer.address"
