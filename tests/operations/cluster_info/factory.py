"""A healthy cluster as it was gathered, and ways to spoil it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kubeon.errors import ConnectError
from kubeon.hosts.health import Answer, HostHealth
from kubeon.hosts.looking import Container, Disk, Unit
from kubeon.hosts.marks import Mark
from kubeon.kube.objects import NodeState, PodState
from kubeon.operations.cluster_info.gathered import CertificateEnd, Gathered
from kubeon.operations.cluster_info.of_nodes import STATIC_PODS
from kubeon.spec.model import ClusterSpec
from kubeon.state.history import PastOperation

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DEPRECATION = (
    'level=warning msg="DEPRECATION: The support for cgroup v1 is deprecated"'  # of ctr 2.2, beside its answer
)
MARK = Mark("demo", "0123abcd")


def a_cluster(control_planes: int = 3, workers: int = 2, **fields: Any) -> Gathered:
    """cp1, cp2 ... and w1, w2 ..., all well."""
    nodes = [
        {"address": f"10.0.0.{number}", "role": "control-plane", "name": f"cp{number}"}
        for number in range(1, control_planes + 1)
    ]
    nodes += [
        {"address": f"10.0.{1 + number // 250}.{number % 250}", "role": "worker", "name": f"w{number}"}
        for number in range(1, workers + 1)
    ]
    spec = ClusterSpec.model_validate({"name": "demo", "version": "v1.34.1", "nodes": nodes, **fields})
    names = {str(node.address): str(node.name) for node in spec.nodes}
    answers = {str(node.address): a_worker(spec) for node in spec.workers}
    answers |= {
        str(node.address): a_control_plane(control_planes, at) for at, node in enumerate(spec.control_planes, 1)
    }
    return Gathered(
        spec=spec,
        now=NOW,
        answers=answers,
        nodes={name: a_node(name, address) for address, name in names.items()},
        pods=tuple(a_pod("kube-proxy", name) for name in names.values()),
        certificates=tuple(an_end(name, timedelta(days=36499)) for name in names.values()),
        marks=frozenset({MARK}),
        last=a_past("create", "ok"),
        seconds=1.5,
    )


def a_past(operation: str, result: str) -> PastOperation:
    """What was done yesterday."""
    words = ("create", "demo", "v1.34.1")
    return PastOperation(
        1, operation, "ops@control", "2026-01-30T09:00:00.000+00:00", result, 63.1, words, "", None, ()
    )


def a_host(**fields: Any) -> HostHealth:
    """Any host."""
    values: dict[str, Any] = {
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-18-amd64",
        "uptime": 86400.0,
        "mark": MARK,
        "units": {name: Unit(name, "loaded", "active", "running", "success") for name in ("kubelet", "containerd")},
        "disks": (
            Disk("/", "/", 50 * 2**20, 30 * 2**20, 40),
            Disk("/var/lib/kubelet", "/", 50 * 2**20, 30 * 2**20, 40),
        ),
        "containers": (),
        "clock": (-0.01, 0.02),
        "complete": True,
    }
    return HostHealth(**{**values, **fields})


def a_worker(spec: ClusterSpec) -> HostHealth:
    """Its haproxy reaches every API server."""
    return a_host(answers={"balancer": Answer(a_view(len(spec.control_planes)), 0)})


def a_view(control_planes: int, *down: int) -> str:
    """How a balancer sees the servers."""
    servers = range(1, control_planes + 1)
    return ", ".join(f"10.0.0.{n}:6443 {'DOWN L4TOUT' if n in down else 'UP L7OK'}" for n in servers)


def a_control_plane(members: int, number: int, *dead: int) -> HostHealth:
    """It runs, and etcd's members answer but for the dead ones."""
    listed = [
        {
            "ID": n,
            "name": f"cp{n}",
            "peerURLs": [f"https://10.0.0.{n}:2380"],
            "clientURLs": [f"https://10.0.0.{n}:2379"],
        }
        for n in range(1, members + 1)
    ]
    health = [{"endpoint": f"https://10.0.0.{n}:2379", "health": n not in dead} for n in range(1, members + 1)]
    status = {"header": {"member_id": number}, "version": "3.5.24", "leader": 1, "raftTerm": 2, "dbSize": 2**21}
    return a_host(
        static_pods=STATIC_PODS,
        containers=tuple(Container(name, f"{name}-cp{number}", "running") for name in STATIC_PODS),
        answers={
            "etcd-status": Answer(json.dumps([{"Endpoint": "127.0.0.1:2379", "Status": status}]), 0),
            "etcd-members": Answer(json.dumps({"members": listed}), 0, DEPRECATION),
            "etcd-health": Answer(json.dumps(health), 1 if dead else 0),
            "api": Answer("ok", 0),
        },
    )


def a_node(name: str, address: str = "", **fields: Any) -> NodeState:
    """A Ready Node of a month ago."""
    values: dict[str, Any] = {
        "ready": True,
        "since": NOW - timedelta(days=30),
        "created": NOW - timedelta(days=30),
        "kubelet": "v1.34.1",
        "runtime": "containerd://2.1.4",
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-18-amd64",
    }
    return NodeState(name, address, **{**values, **fields})


def a_pod(component: str, node: str = "", **fields: Any) -> PodState:
    """A pod that is ready."""
    values: dict[str, Any] = {
        "phase": "Running",
        "ready": True,
        "images": (f"registry.k8s.io/{component}:v1.34.1",),
        "since": NOW - timedelta(days=30),
    }
    return PodState(f"{component}-x7k2p", component, node, **{**values, **fields})


def an_end(node: str, after: timedelta, path: str = "/etc/kubernetes/pki/ca.crt") -> CertificateEnd:
    """A certificate that ends so long after NOW."""
    return CertificateEnd(node, path, "CN=kubernetes", NOW + after)


def silent(found: Gathered, *names: str, why: str = "No route to host") -> Gathered:
    """The machines of these nodes are gone: nobody hears of them, and etcd's other members say so."""
    gone = {str(node.address): node for node in found.spec.nodes if node.name in names}
    numbers = [int(name[2:]) for name in names if name.startswith("cp")]
    count = len(found.spec.control_planes)
    answers = {address: health for address, health in found.answers.items() if address not in gone}
    if numbers:
        for at, node in enumerate(found.spec.control_planes, 1):
            if str(node.address) in answers:
                answers[str(node.address)] = a_control_plane(count, at, *numbers)
        for node in found.spec.workers:
            if str(node.address) in answers:
                answers[str(node.address)] = a_host(answers={"balancer": Answer(a_view(count, *numbers), 0)})
    error = {address: ConnectError("cannot be reached by SSH", why=why) for address in gone}
    nodes = {
        name: replace(state, ready=False, why="Kubelet stopped posting node status.", since=NOW - timedelta(minutes=3))
        if name in names
        else state
        for name, state in (found.nodes or {}).items()
    }
    return replace(found, answers=answers, silent={**found.silent, **error}, nodes=nodes)


def changed(found: Gathered, names: Sequence[str], **fields: Any) -> Gathered:
    """The hosts of these nodes say something else; `answers` are added to those there are."""
    answers = dict(found.answers)
    for node in found.spec.nodes:
        if node.name in names:
            health = answers[str(node.address)]
            more = {**health.answers, **fields.get("answers", {})}
            answers[str(node.address)] = replace(health, **{**fields, "answers": more})
    return replace(found, answers=answers)


def noted(found: Gathered, name: str, **fields: Any) -> Gathered:
    """The Node object of this node says something else."""
    nodes = dict(found.nodes or {})
    return replace(found, nodes={**nodes, name: replace(nodes[name], **fields)})
