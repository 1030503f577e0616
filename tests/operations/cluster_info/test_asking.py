"""Asking a whole cluster, on fakes: who is asked what, what follows, and that nothing is changed."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from kubeon.errors import ConnectError, KubeonError, StateError
from kubeon.hosts.marks import MARKER
from kubeon.lb.haproxy import HOSTS
from kubeon.lb.updater import STARTUP
from kubeon.operations.certs_rotate_ca import Pods
from kubeon.operations.listing import overview
from kubeon.state.restoring import Attempt, write_attempt
from kubeon.state.rotation import Stage
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
    info = world.cluster_info(**how)
    return info.verdict.value, [f"{' '.join(reason.nodes)}: {reason.what}" for reason in info.reasons]


def test_all_is_well_and_nothing_is_changed(demo: World) -> None:
    """No lock, no log, no line in the journal; one control plane is asked for nodes and pods, once."""
    before, logs = demo.snapshot(), demo.state.logs()
    for machine in demo.machines.values():
        machine.told.clear()
        machine.changed.clear()

    with demo.state.lock("upgrade", demo.cluster_info().found.now):
        info = demo.cluster_info()

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
        "w1: it does not reach the API: exit code 1",
        "w2: it does not reach the API: haproxy does not answer on 127.0.0.1:8842",
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
    info = demo.cluster_info()

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
            for line in lines[: lines.index("@@kubeon ask balancer")]:
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

    info = demo.cluster_info()

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

    assert whats(demo)[1][0].startswith("w1: it does not reach the API: haproxy serves 10.0.0.1:6443, not")
    assert HOSTS in demo["w1"].files


def test_an_operation_that_was_cut_off(demo: World) -> None:
    """The record says so, and what the journal has of it. One that failed before it changed anything is no such."""
    now = demo.cluster_info().found.now
    demo.state.journal.append("add", "begun", now, run="2")
    demo.state.journal.append("add", "failed", now, run="2")
    assert whats(demo) == ("healthy", [])

    demo.state.journal.append("add", "begun", now, run="3")
    demo.state.journal.append("add", "changed", now, phase="prepare-host", host="w9", run="3")
    (what,) = whats(demo)[1]
    assert what.startswith(": an operation is not finished: add by ")
    assert what.endswith(", cut-off")

    demo.state.write_renaming(("demo", "other"))
    assert demo.cluster_info().reasons[0].hint == "finish it: kubeon rename demo other"


@pytest.mark.parametrize("operation", ["exec", "cp", "etcd-defrag", "etcd-snapshot"])
def test_an_operation_that_leaves_nothing_unfinished(demo: World, operation: str) -> None:
    """It failed on one host and changed another: nothing is to be finished. Nor does it hide what is."""
    now = demo.cluster_info().found.now
    demo.state.journal.append("del", "changed", now, phase="clean-host", host="w2", run="2")
    demo.state.journal.append("del", "ok", now, run="2")
    demo.state.journal.append(operation, "changed", now, phase=operation, host="w1", run="3")
    demo.state.journal.append(operation, "failed", now, run="3")
    assert whats(demo) == ("healthy", [])

    demo.state.journal.append("del", "failed", now, run="2")
    (reason,) = demo.cluster_info().reasons
    assert reason.what.startswith("an operation is not finished: del by ")
    assert reason.hint == "finish it: the same command again; kubeon history demo shows it"


def propose(demo: World, **changes: object) -> None:
    spec = demo.state.read_spec()
    assert spec
    demo.state.write_proposed(spec.model_copy(update=changes))


def begin_upgrade(demo: World) -> None:
    propose(demo, version="v1.20.15")


def begin_switch(demo: World) -> None:
    way = demo.spec.load_balancer.model_copy(update={"mode": "updater"})
    propose(demo, load_balancer=way)


def begin_restore(demo: World) -> None:
    write_attempt(demo.state, Attempt("1", "member cp1", ("10.0.0.1",), "", "20260131T120000Z"))


def begin_renewal(demo: World) -> None:
    settings = demo.spec.certificates.model_copy(update={"validity": "10y"})
    propose(demo, certificates=settings)


def begin_addition(demo: World) -> None:
    propose(demo)


@pytest.mark.parametrize(
    ("begin", "command", "refused"),
    [
        (lambda demo: demo.rotate(pods=Pods(pause=True)), "resume it: kubeon certs rotate-ca demo", "create"),
        (
            begin_restore,
            "resume it: the same kubeon etcd snapshot restore again; kubeon history demo shows it",
            "create",
        ),
        (begin_upgrade, "resume it: kubeon upgrade demo v1.20.15", "create"),
        (begin_switch, "resume it: kubeon lb switch demo --mode updater; ", "create"),
        (begin_upgrade, "resume it: kubeon upgrade demo v1.20.15", "rotate"),
        (begin_renewal, "finish it: the same command again; kubeon history demo shows it", "rotate"),
        (begin_addition, "finish it: kubeon create demo", "rotate"),
    ],
)
def test_what_was_begun_is_told_with_the_command_that_goes_on(
    demo: World, begin: Callable[[World], object], command: str, refused: str
) -> None:
    """By `cluster-info`, `list` and whatever is refused meanwhile, in the same words; what came later hides nothing."""
    begin(demo)
    demo.state.journal.append("exec", "ok", demo.cluster_info().found.now, run="9")

    info, (known,) = demo.cluster_info(), overview(demo.home)
    with pytest.raises(StateError) as caught:
        getattr(demo, refused)()

    (reason,) = info.reasons
    assert info.verdict.value == "healthy"
    assert reason.what == caught.value.what
    assert reason.hint == caught.value.hint.splitlines()[0]
    assert reason.hint.startswith(command)
    assert (known.state, known.detail) == ("unfinished", f"{reason.what}; {reason.hint}")


def test_a_damaged_record_of_a_rotation_hides_no_health(demo: World) -> None:
    """It is told; `list` calls the record damaged."""
    (demo.state.path / "rotation").mkdir()
    (demo.state.path / "rotation/stage").write_text("once more")

    info, (known,) = demo.cluster_info(), overview(demo.home)

    assert info.verdict.value == "healthy"
    assert "rotation/stage is damaged" in info.reasons[0].what
    assert known.state == "damaged"


def test_both_marks_of_a_rotation_are_the_clusters(demo: World) -> None:
    """Hosts get the new one in its last stage, and the record has it at the end: it is cut off at any moment."""
    old, cp2 = demo["cp1"].files[MARKER], demo["cp2"]

    def cut(token: str) -> None:
        rotation = demo.state.rotation.read()
        if rotation and rotation.stage is Stage.DROP and token == "paid":
            cp2.cuts.add(token)

    cp2.hook = cut
    with pytest.raises(KubeonError):
        demo.rotate()

    assert [machine.name for machine in demo.machines.values() if machine.files[MARKER] == old] == []
    assert whats(demo) == ("healthy", [": the CAs of cluster demo are being rotated"])
    cp2.hook = lambda token: None
    demo.rotate()
    assert whats(demo) == ("healthy", [])
    demo["w2"].files[MARKER] = old
    assert whats(demo)[1] == ["w2: the machine at 10.0.1.2 bears the mark of another cluster, demo"]


def test_both_names_of_a_renaming_are_the_clusters(demo: World) -> None:
    """Some hosts bear the one, some the other."""
    text, mode = demo["cp1"].files[MARKER]
    demo["cp1"].files[MARKER] = (text.replace("demo", "other"), mode)
    assert whats(demo)[0] == "degraded"

    demo.state.write_renaming(("demo", "other"))

    assert whats(demo) == ("healthy", [": renaming demo to other is not finished"])


def test_workers_on_a_detour_use_the_api(world: MakeWorld) -> None:
    """Mode updater, and all workers have booted: kube-proxy is not there yet, and control planes serve them."""
    found = world(control_planes=3, workers=2, load_balancer={"mode": "updater"})
    found.create()
    for name in ("w1", "w2"):
        found[name].units[STARTUP] = "inactive"
        found[name].detour = "10.0.0.2:6443"

    said = "it reaches the API by a detour: /etc/hosts leads past the cluster IP 10.96.0.2 to control plane 10.0.0.2"
    assert whats(found) == ("degraded", [f"w1 w2: {said} for now"])
    found.power_off("cp2")
    assert whats(found)[0] == "down"  # there it leads to nobody


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
    assert json.dumps([pod.component for pod in demo.cluster_info().found.pods]) == '["coredns"]'
