"""Asking a whole cluster, on fakes: who is asked what, what follows, and that nothing is changed."""

import json
from typing import Any

import pytest

from kubeon.errors import ConnectError
from kubeon.lb.haproxy import HOSTS
from tests.conftest import MakeWorld
from tests.fakes.connection import FakeConnection
from tests.fakes.world import World


@pytest.fixture
def demo(world: MakeWorld) -> World:
    """Three control planes, two workers with a haproxy each."""
    found = world(control_planes=3, workers=2)
    found.create()
    return found


def whats(world: World, **how: Any) -> tuple[str, list[str]]:
    """The verdict and the reasons."""
    info = world.information(**how)
    return info.verdict.value, [f"{' '.join(reason.nodes)}: {reason.what}" for reason in info.reasons]


def test_all_is_well_and_nothing_is_changed(demo: World) -> None:
    """No lock, no log, no line in the journal; one control plane is asked for nodes and pods, once."""
    before, logs = demo.snapshot(), demo.state.logs()
    for machine in demo.machines.values():
        machine.told.clear()
        machine.changed.clear()

    with demo.state.lock("upgrade", demo.information().found.now):
        info = demo.information()

    assert demo.snapshot() == before
    assert (demo.state.logs(), [machine.changed for machine in demo.machines.values()]) == (logs, [[]] * 5)
    assert "lock" not in {token for machine in demo.machines.values() for token in machine.told}
    assert info.verdict.value == "healthy"
    assert [reason.check for reason in info.reasons] == ["Operation"]
    assert info.found.nodes
    assert set(info.found.nodes) == {"cp1", "cp2", "cp3", "w1", "w2"}
    assert info.found.last
    assert (info.found.last.operation, info.found.last.result) == ("create", "ok")
    assert info.found.certificates
    objects = [machine.told.count("kubectl") for machine in demo.machines.values() if machine.is_control_plane]
    assert sum(objects) == 2 * (3 + 1)  # in each look /readyz of all, and nodes and pods of the first that is ready


def test_one_of_everything_is_down(demo: World) -> None:
    """A control plane without power, a worker's kubelet that is stopped, and another one's load balancer."""
    demo.power_off("cp2")
    demo["w1"].units["kubelet.service"] = "inactive"
    demo["w1"].fails["check_haproxy"] = ""
    demo["w2"].fails["check_haproxy"] = "haproxy does not answer on 127.0.0.1:8842"

    verdict, reasons = whats(demo)

    assert verdict == "down"  # of two workers none finds the API
    assert reasons[1:] == [
        ": etcd: cp2 does not answer: 3 voters, 2 answer, 2 needed: none may fail",
        "cp2: no route to host; not Ready for ?",
        "w1: kubelet is inactive; Stopped kubelet.",
        "w1: its way to the API does not work: exit code 1",
        "w2: its way to the API does not work: haproxy does not answer on 127.0.0.1:8842",
    ]
    demo["w1"].units["kubelet.service"] = "active"
    assert whats(demo)[0] == "degraded"


def test_any_control_plane_will_do(demo: World) -> None:
    """The first is gone, the second one's kubectl fails just now: the third tells."""
    demo.power_off("cp1")

    def refuse(token: str) -> None:
        if token == "health_end":  # after its /readyz
            demo["cp2"].fails["kubectl"] = "x509: certificate signed by unknown authority"

    demo["cp2"].hook = refuse
    info = demo.information()

    assert info.found.nodes
    assert info.verdict.value == "degraded"


def test_no_api_answers(demo: World) -> None:
    """Kubelets are stopped on all control planes: what the hosts say is all there is, and it is enough."""
    for name in ("cp1", "cp2", "cp3"):
        demo[name].units["kubelet.service"] = "inactive"

    verdict, reasons = whats(demo)

    assert verdict == "down"
    assert reasons[0].startswith(
        ": no API server is ready: cp1 (The connection to the server 10.0.0.1:6443 was refused)"
    )
    assert reasons[1].startswith(": no member of etcd answers; of 3 voters 2 are needed")
    assert "cp1 cp2 cp3: kubelet is inactive; Stopped kubelet." in reasons
    assert "cp1 cp2 cp3: kube-apiserver: its container exited (attempt 0)" in reasons


def test_etcd_without_quorum(demo: World) -> None:
    """What the one that runs says without the others."""
    demo.power_off("cp2")
    demo.power_off("cp3")

    verdict, reasons = whats(demo)

    assert verdict == "down"
    assert ": etcd has lost its quorum: of 3 voters cp1 runs, 2 are needed" in reasons


def test_a_host_that_is_slow_holds_nobody_up(demo: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as such when the time is over; what had come of its answer counts."""
    whole = FakeConnection.run

    def half(self: FakeConnection, script: str, **how: Any) -> Any:
        lines: list[str] = []
        on_line = how.pop("on_line", None)
        if self.machine.name == "w2":
            raise ConnectError("no answer within 8 s", host="w2")
        result = whole(self, script, on_line=lines.append, **how)
        if self.machine.name == "w1" and on_line:
            for line in lines[: lines.index("@@kubeon ask way")]:
                on_line(line)
            raise ConnectError("no answer within 8 s", host="w1")
        for line in lines if on_line else ():
            on_line(line)
        return result

    monkeypatch.setattr(FakeConnection, "run", half)

    verdict, reasons = whats(demo)

    assert verdict == "degraded"
    assert reasons == [
        "w2: no answer within 8 s; the API has it as Ready still",
        "w1: its host is slow: its answer was cut off",
    ]


def test_workers_without_a_balancer_are_asked_by_the_kubelets_own_way(world: MakeWorld) -> None:
    """Mode direct has nothing of its own to ask."""
    found = world(control_planes=1, workers=1, load_balancer={"mode": "direct"})
    found.create()

    assert whats(found) == ("healthy", [])
    found.api.balancer_fails = "Unable to connect to the server: dial tcp: i/o timeout"
    assert whats(found)[0] == "down"


def test_a_stranger_in_a_nodes_place(demo: World) -> None:
    """The machine was installed anew, or is another cluster's now."""
    demo["w1"].files["/etc/kubernetes/kubeon-cluster"] = ("other 99\n", "644")
    del demo["w2"].files["/etc/kubernetes/kubeon-cluster"]

    assert whats(demo) == (
        "degraded",
        [
            "w1: the machine at 10.0.1.1 bears the mark of another cluster, other",
            "w2: it does not bear this cluster's mark any more, so kubeon leaves it alone",
        ],
    )


def test_another_cluster_is_not_asked_for_this_one(demo: World) -> None:
    """A control plane's machine is another cluster's now: what its API and its etcd say is not about this cluster."""
    demo["cp1"].files["/etc/kubernetes/kubeon-cluster"] = ("other 99\n", "644")
    told = demo["cp1"].told.count("kubectl")

    info = demo.information()

    assert info.found.nodes
    assert demo["cp1"].told.count("kubectl") == told + 1  # /readyz, and no objects
    assert [reason.what for reason in info.reasons] == [
        "the machine at 10.0.0.1 bears the mark of another cluster, other"
    ]
    assert not [end for end in info.found.certificates if end.node == "cp1"]


def test_a_clock_and_a_disk(demo: World) -> None:
    """Warnings leave it healthy."""
    demo["w1"].clock, demo["w2"].disk_used = 30.0, 90

    verdict, reasons = whats(demo)

    assert verdict == "healthy"
    assert len(reasons) == 2
    assert any(reason.startswith(("w1: its clock is 30", "w1: its clock is 29")) for reason in reasons)
    assert any(reason.startswith("w2: /: 90 % of the file system /") for reason in reasons)


def test_a_list_of_control_planes_that_is_old(demo: World) -> None:
    """The plug-in's own question: it serves others than it should."""
    demo["w1"].fails["check_haproxy"] = "haproxy serves 10.0.0.1:6443, not 10.0.0.1:6443 10.0.0.2:6443 10.0.0.3:6443"

    assert whats(demo)[1][0].startswith("w1: its way to the API does not work: haproxy serves 10.0.0.1:6443, not")
    assert HOSTS in demo["w1"].files


def test_an_operation_that_was_cut_off(demo: World) -> None:
    """The record says so, and what the journal has of it. One that failed before it changed anything is no such."""
    now = demo.information().found.now
    demo.state.journal.append("add", "begun", now, run="2")
    demo.state.journal.append("add", "failed", now, run="2")
    assert whats(demo) == ("healthy", [])

    demo.state.journal.append("add", "begun", now, run="3")
    demo.state.journal.append("add", "changed", now, phase="prepare-host", host="w9", run="3")
    (what,) = whats(demo)[1]
    assert what.startswith(": an operation has not come to its end: add by ")
    assert what.endswith(", cut-off")

    demo.state.write_renaming(("demo", "other"))
    assert demo.information().reasons[0].hint.endswith("kubeon rename demo other")


def test_system_pods(demo: World) -> None:
    """Of kube-system, as the API has them."""
    demo.api.system.append(
        {
            "kind": "Pod",
            "metadata": {
                "name": "coredns-1",
                "labels": {"app": "coredns"},
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"nodeName": "w1", "containers": [{"image": "coredns:1"}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
            },
        }
    )

    assert whats(demo) == ("degraded", ["w1: system pod coredns is not ready (CrashLoopBackOff)"])
    assert json.dumps([pod.component for pod in demo.information().found.pods]) == '["coredns"]'
