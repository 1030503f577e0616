"""The verdict: what makes a cluster degraded or down, and in what words."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kubeon.errors import ConnectError, LoginError
from kubeon.hosts.health import Answer
from kubeon.hosts.looking import Container, Disk, Unit
from kubeon.hosts.marks import UNMARKED, Mark
from kubeon.lb.base import DETOUR
from kubeon.operations.cluster_info.gathered import Gathered
from kubeon.operations.cluster_info.reasons import Reason, Severity, folded, span
from kubeon.operations.cluster_info.verdict import judge
from kubeon.operations.pending import Kind, Pending
from kubeon.state.lock import Holder
from tests.operations.cluster_info.factory import (
    NOW,
    a_cluster,
    a_control_plane,
    a_node,
    a_past,
    a_pod,
    a_view,
    an_end,
    changed,
    noted,
    silent,
)

REFUSED = Answer("", 1, "The connection to the server 10.0.0.1:6443 was refused")
NO_QUORUM = Answer('[{"endpoint":"https://10.0.0.1:2379","health":false}]', 1)
EXITED = (Container("kube-apiserver", "kube-apiserver-cp1", "exited", 7),)


def told(found: Gathered) -> tuple[str, list[tuple[str, str, tuple[str, ...], str]]]:
    """The verdict, and (severity, check, nodes, what) of each reason."""
    verdict, reasons = judge(found)
    assert all(reason.what and reason.hint for reason in reasons)  # every reason says what to type or look at next
    return verdict.value, [(reason.severity.value, reason.check, reason.nodes, reason.what) for reason in reasons]


@pytest.mark.parametrize(("control_planes", "workers"), [(1, 0), (1, 2), (3, 2), (5, 200)])
def test_all_is_well(control_planes: int, workers: int) -> None:
    """Nothing to say, whatever the size. That of one member none may fail is how it was wanted."""
    assert told(a_cluster(control_planes, workers)) == ("healthy", [])


def test_a_control_plane_without_power() -> None:
    """The machine, what the others say of it, and etcd's arithmetic."""
    assert told(silent(a_cluster(), "cp2")) == (
        "degraded",
        [
            ("degraded", "Etcd", (), "etcd: cp2 does not answer: 3 voters, 2 answer, 2 needed: none may fail"),
            (
                "degraded",
                "Unreachable",
                ("cp2",),
                "cannot be reached by SSH (No route to host); not Ready for 3m; "
                "2 of 2 balancers have taken its API server off",
            ),
        ],
    )


def test_a_worker_without_power() -> None:
    """Right after that the API still takes it for Ready; kubeon does not wait for it to notice."""
    found = silent(a_cluster(), "w1")

    assert told(noted(found, "w1", ready=True))[1][0][3].endswith("; the API has it as Ready still")
    assert told(found) == (
        "degraded",
        [("degraded", "Unreachable", ("w1",), "cannot be reached by SSH (No route to host); not Ready for 3m")],
    )


def test_a_login_that_is_refused_is_no_fault_of_the_node() -> None:
    """It answers, and works: a warning, with what to do about the login. Not where the node is ill besides."""
    error = LoginError("the login as root was refused", why="tried keys", hint="give a key with --key")
    found = silent(a_cluster(), "w1")
    found = noted(replace(found, silent={"10.0.1.1": error}), "w1", ready=True)

    verdict, (reason,) = judge(found)

    assert (verdict.value, reason.severity.value, reason.hint) == ("healthy", "warning", "give a key with --key")
    assert judge(noted(found, "w1", ready=False))[0].value == "degraded"


def test_two_of_three_control_planes_are_gone() -> None:
    """etcd cannot decide, so the API serves nobody: down, and who has to come back."""
    found = silent(a_cluster(), "cp2", "cp3")
    found = changed(found, ["cp1"], answers={"etcd-health": NO_QUORUM, "api": Answer("", 1, "[-]etcd failed: reason")})
    found = changed(found, ["w1", "w2"], answers={"balancer": Answer("haproxy reaches no API server: ...", 1)})

    verdict, reasons = judge(replace(found, nodes=None, pods=()))

    assert verdict.value == "down"
    assert [reason.what for reason in reasons if not reason.nodes] == [
        "no API server is ready: cp1 (its checks fail: etcd), cp2 (its host does not answer), "
        "cp3 (its host does not answer)",
        "etcd has lost its quorum: of 3 voters cp1 runs, 2 are needed",
    ]
    assert reasons[1].hint.startswith("bring back cp2 or cp3; or restore")
    assert {name for reason in reasons for name in reason.nodes if reason.check == "Unreachable"} == {"cp2", "cp3"}


def test_nobody_answers() -> None:
    """All that is known is that nobody says anything."""
    found = a_cluster(1, 1)
    errors = {address: ConnectError("cannot be reached by SSH", why="No route to host") for address in found.answers}

    verdict, reasons = judge(replace(found, answers={}, silent=errors, nodes=None, pods=(), certificates=()))

    assert verdict.value == "down"
    assert [(reason.check, reason.nodes) for reason in reasons] == [
        ("Api", ()),
        ("Etcd", ()),
        ("Unreachable", ("cp1", "w1")),
    ]


def test_only_this_machine_does_not_reach_the_control_planes() -> None:
    """Workers do, by their balancers: the cluster is not down for that."""
    hidden = silent(a_cluster(), "cp1", "cp2", "cp3")
    found = changed(hidden, ["w1", "w2"], answers={"balancer": Answer(a_view(3), 0)})

    verdict, reasons = judge(replace(found, nodes=None, pods=()))

    assert verdict.value == "degraded"
    assert reasons[0].what == "no control plane can be asked; by their balancers, workers reach the API"
    assert [reason.check for reason in reasons] == ["Api", "Unreachable"]


def test_the_api_servers_containers_crash() -> None:
    """No API to ask: what the runtime says of static pods is the reason."""
    found = changed(
        a_cluster(1, 1), ["cp1"], containers=EXITED, static_pods=("kube-apiserver",), answers={"api": REFUSED}
    )

    verdict, reasons = judge(replace(found, nodes=None, pods=()))

    assert verdict.value == "down"
    assert reasons[0].what.startswith("no API server is ready: cp1 (The connection to the server")
    assert {reason.what for reason in reasons if reason.check == "StaticPod"} == {
        "kube-apiserver: its container exited (attempt 7)",
        "etcd: there is no /etc/kubernetes/manifests/etcd.yaml",
        "kube-controller-manager: there is no /etc/kubernetes/manifests/kube-controller-manager.yaml",
        "kube-scheduler: there is no /etc/kubernetes/manifests/kube-scheduler.yaml",
    }


def test_one_api_server_of_three() -> None:
    """The others go on."""
    found = changed(a_cluster(), ["cp2"], answers={"api": REFUSED})

    assert told(found) == (
        "degraded",
        [("degraded", "ApiServer", ("cp2",), f"its API server is not ready: {REFUSED.said}")],
    )


def test_no_worker_finds_the_api() -> None:
    """It is up, and nobody has anything of it."""
    found = changed(
        a_cluster(), ["w1", "w2"], answers={"balancer": Answer("haproxy does not answer on 127.0.0.1:8842", 1)}
    )

    verdict, reasons = judge(found)

    assert verdict.value == "down"
    assert reasons[0].what == "no worker reaches the API: w1, w2; haproxy does not answer on 127.0.0.1:8842"


def test_workers_on_a_detour() -> None:
    """The API serves them: degraded, also where no control plane answers this machine."""
    said = Answer("/etc/hosts leads api past the cluster IP 10.96.0.2 to control plane 10.0.0.1 for now", DETOUR)
    balancers = {"answers": {"balancer": said}}
    found = changed(a_cluster(loadBalancer={"mode": "updater"}), ["w1", "w2"], **balancers)
    what = f"it reaches the API by a detour: {said.text}"

    assert told(found) == ("degraded", [("degraded", "ApiLoadBalancer", ("w1", "w2"), what)])
    hidden = replace(silent(found, "cp1", "cp2", "cp3"), nodes=None, pods=())
    assert judge(changed(hidden, ["w1", "w2"], **balancers))[0].value == "degraded"


def test_one_load_balancer() -> None:
    """Its node only. The hint is the plug-in's."""
    found = changed(a_cluster(), ["w2"], answers={"balancer": Answer("haproxy does not answer on 127.0.0.1:8842", 1)})

    verdict, (reason,) = judge(found)

    assert (verdict.value, reason.check, reason.nodes) == ("degraded", "ApiLoadBalancer", ("w2",))
    assert "crictl ps -a --name local-haproxy" in reason.hint


KUBELET = Unit("kubelet", "loaded", "failed", "failed", "exit-code", 255, 4)


@pytest.mark.parametrize(
    ("spoil", "verdict", "severity", "check", "words"),
    [
        (
            lambda found: changed(found, ["w1"], units={"kubelet": KUBELET}, kubelet_says="cgroup driver differs"),
            *("degraded", "degraded", "Kubelet", "kubelet is failed; exit-code 255, restarted 4 times; cgroup driver"),
        ),
        (
            lambda found: changed(found, ["w1"], units={"containerd": Unit("containerd", "loaded", "inactive")}),
            *("degraded", "degraded", "Containerd", "containerd is inactive"),
        ),
        (
            lambda found: changed(found, ["w1"], units={"kubelet": Unit("kubelet", "not-found", "inactive")}),
            *("degraded", "degraded", "Kubelet", "kubelet is not installed"),
        ),
        (
            lambda found: noted(found, "w1", ready=False, why="container runtime network not ready", since=NOW),
            *("degraded", "degraded", "NotReady", "not Ready for 0s: container runtime network not ready"),
        ),
        (
            lambda found: noted(found, "w1", pressures=("DiskPressure",)),
            *("degraded", "degraded", "Pressure", "the node has DiskPressure"),
        ),
        (lambda found: noted(found, "w1", cordoned=True), "healthy", "warning", "Cordoned", "it is cordoned"),
        (
            lambda found: changed(found, ["w1"], mark=UNMARKED),
            *("healthy", "warning", "Mark", "it does not bear this cluster's mark any more"),
        ),
        (
            lambda found: changed(found, ["w1"], mark=Mark("other", "99")),
            *("degraded", "degraded", "Mark", "the machine at 10.0.1.1 bears the mark of another cluster, other"),
        ),
        (
            lambda found: changed(found, ["w1"], complete=False),
            *("healthy", "warning", "Slow", "its host is slow: its answer was cut off"),
        ),
        (
            lambda found: changed(found, ["w1"], disks=(Disk("/", "/", 2**20, 2**18, 86),)),
            *("healthy", "warning", "Disk", "/: 86 % of the file system / is used, 0.2 GiB free"),
        ),
        (
            lambda found: changed(found, ["w1"], disks=(Disk("/var/lib/etcd", "/var", 2**20, 9, 96, "inodes"),)),
            *("degraded", "degraded", "Disk", "/var/lib/etcd: 96 % of the file system /var is used, of its inodes"),
        ),
        (
            lambda found: changed(found, ["w1"], clock=(3.1, 3.2)),
            *("healthy", "warning", "Clock", "its clock is 3.1 s ahead of the others'"),
        ),
        (
            lambda found: changed(found, ["w1"], clock=(-7.0, -6.5)),
            *("healthy", "warning", "Clock", "its clock is 6.5 s behind the others'"),
        ),
        (
            lambda found: replace(found, nodes={k: v for k, v in (found.nodes or {}).items() if k != "w1"}),
            *("degraded", "degraded", "NotAMember", "it is no node of the cluster"),
        ),
        (
            lambda found: replace(found, certificates=(an_end("w1", timedelta(days=29)), an_end("w1", timedelta(9)))),
            *(
                "healthy",
                "warning",
                "Certificate",
                "/etc/kubernetes/pki/ca.crt ends on 2026-02-09 12:00 UTC, and 1 more",
            ),
        ),
        (
            lambda found: replace(found, certificates=(an_end("w1", timedelta(hours=-1)),)),
            *("degraded", "degraded", "Certificate", "/etc/kubernetes/pki/ca.crt ended on 2026-01-31 11:00 UTC"),
        ),
        (
            lambda found: replace(
                found, pods=(a_pod("coredns", "w1", ready=False, why="CrashLoopBackOff", restarts=9),)
            ),
            *("degraded", "degraded", "Pods", "system pod coredns is not ready (CrashLoopBackOff, 9 restarts)"),
        ),
        (
            lambda found: replace(
                found, pods=(a_pod("coredns", "w1", restarts=12, last_end=NOW - timedelta(minutes=3)),)
            ),
            *(
                "healthy",
                "warning",
                "Pods",
                "system pod coredns restarts again and again: 12 times, the last one 3m ago",
            ),
        ),
    ],
)
def test_single_nodes(
    spoil: Callable[[Gathered], Gathered], verdict: str, severity: str, check: str, words: str
) -> None:
    """One thing wrong with one node: one reason that names it."""
    said, reasons = told(spoil(a_cluster()))

    ((found_severity, found_check, nodes, what),) = reasons
    assert (said, found_severity, found_check, nodes) == (verdict, severity, check, ("w1",))
    assert what.startswith(words)


def test_what_follows_is_no_reason_of_its_own() -> None:
    """Pods of a node whose kubelet is down, and a pod that is still starting."""
    pods = (
        a_pod("kube-proxy", "w1", ready=False, why="not ready"),
        a_pod("coredns", "w2", ready=False, why="ContainerCreating", since=NOW - timedelta(seconds=20)),
        a_pod("coredns", "w2", ready=False, leaving=True),
        a_pod("job", "w2", ready=False, phase="Succeeded"),
    )
    found = changed(a_cluster(), ["w1"], units={"kubelet": Unit("kubelet", "loaded", "inactive")})

    assert [check for _, check, _, _ in told(replace(found, pods=pods))[1]] == ["Kubelet"]


def test_a_slow_network_is_no_wrong_clock() -> None:
    """An answer that took five seconds says nothing about two of them."""
    assert told(changed(a_cluster(), ["w1"], clock=(-2.4, 2.6))) == ("healthy", [])


def an_etcd(**status: object) -> Answer:
    """cp1's own status."""
    own = {"header": {"member_id": 1}, "version": "3.5.24", "leader": 1, "raftTerm": 2, "dbSize": 2**21, **status}
    return Answer(json.dumps([{"Status": own}]), 0)


def test_etcd() -> None:
    """Alarms, no leader, a database that is full soon, strangers, and who is missing."""
    found = a_cluster(1, 0)

    def what(**answers: Answer) -> tuple[str, list[str]]:
        names = {f"etcd-{name}": answer for name, answer in answers.items()}
        verdict, reasons = told(changed(found, ["cp1"], answers=names))
        return verdict, [each[3] for each in reasons]

    assert what(status=an_etcd(errors=["memberID:1 alarm:NOSPACE "])) == (
        "degraded",
        ["etcd raised the alarm NOSPACE for cp1: its database is full, and the API refuses to write"],
    )
    assert what(status=an_etcd(leader=0)) == ("down", ["etcd has no leader"])
    assert what(status=an_etcd(dbSize=1700 * 2**20, dbSizeInUse=3 * 2**20)) == (
        "healthy",
        ["etcd's database on cp1 has 1700 of 2048 MiB, 3 in use"],
    )
    two = a_control_plane(2, 1, 2).answers
    assert what(members=two["etcd-members"], health=two["etcd-health"]) == (
        "down",
        [
            "etcd has lost its quorum: of 2 voters cp1 runs, 2 are needed",
            "etcd has a member cp2 (https://10.0.0.2:2380) that is no control plane on record",
        ],
    )
    one = a_control_plane(1, 1).answers
    verdict, reasons = told(changed(a_cluster(3, 0), ["cp1", "cp2", "cp3"], answers=one))
    assert verdict == "degraded"
    assert reasons == [("degraded", "Etcd", ("cp2", "cp3"), "it is no member of etcd")]


def test_versions_that_differ() -> None:
    """An upgrade that stopped half-way."""
    pods = tuple(a_pod("kube-apiserver", f"cp{n}", images=(f"kube-apiserver:v1.34.{n // 3}",)) for n in (1, 2, 3))
    found = replace(noted(a_cluster(), "w1", kubelet="v1.34.0"), pods=pods)

    assert told(found) == (
        "healthy",
        [
            (
                "warning",
                "Versions",
                (),
                "kubelets of different versions: v1.34.0 on w1, v1.34.1 on cp1, cp2, cp3 and 1 more",
            ),
            (
                "warning",
                "Versions",
                (),
                "API servers of different versions: 2 of kube-apiserver:v1.34.0, 1 of kube-apiserver:v1.34.1",
            ),
        ],
    )


def test_the_record() -> None:
    """Who is at work, what was not finished, who is not on record."""
    holder = Holder("ops@control", 4711, "2026-01-31T11:59:00+00:00", "upgrade")
    begun = Pending(
        Kind.ROTATION, "the CAs of cluster demo are being rotated", "resume it: kubeon certs rotate-ca demo"
    )
    found = replace(a_cluster(), unfinished=begun, last=a_past("exec", "ok"))

    assert told(found) == ("healthy", [("warning", "Operation", (), begun.what)])
    assert judge(found)[1][0].hint == begun.hint
    lacking = replace(found, nodes={name: node for name, node in (found.nodes or {}).items() if name != "w1"})
    assert {reason.hint for reason in judge(lacking)[1]} == {begun.hint}, "kubeon create is refused meanwhile"
    assert [each[3] for each in told(replace(found, holder=holder))[1]] == [
        "ops@control (process 4711) runs upgrade since 2026-01-31T11:59:00+00:00: what is not well may be its work"
    ]
    assert told(replace(a_cluster(), marks=frozenset()))[1][0][1] == "Record"
    stranger = {**(a_cluster().nodes or {}), "w9": a_node("w9")}
    assert told(replace(a_cluster(), nodes=stranger))[1] == [
        ("warning", "Record", ("w9",), "it is a node of the cluster and not on record")
    ]


def test_an_api_that_does_not_list_nodes() -> None:
    """It says that it is ready, and does not tell."""
    found = replace(a_cluster(), nodes=None, pods=(), api_problem="cp1: kubectl get nodes,pods failed: Forbidden")

    assert told(found)[0] == "degraded"
    assert told(found)[1][0][3].endswith("failed: Forbidden")


def test_many_nodes_with_one_ill_are_one_reason() -> None:
    """A rack without power is one line, worst things come first, and the cluster before its nodes."""
    names = tuple(f"w{number}" for number in range(100, 140))
    verdict, reasons = judge(silent(a_cluster(3, 200), *names))

    assert verdict.value == "degraded"
    assert [(reason.check, reason.nodes) for reason in reasons] == [("Unreachable", names)]

    warning, down = Reason(Severity.WARNING, "A", "a", "", ("w1",)), Reason(Severity.DOWN, "B", "b")
    assert folded([warning, down, Reason(Severity.WARNING, "A", "a", "", ("w2",))]) == (
        down,
        Reason(Severity.WARNING, "A", "a", "", ("w1", "w2")),
    )


def test_a_balancer_says_how_it_sees_the_servers() -> None:
    """What it has taken off is told of a control plane that is silent, and of no other."""
    found = changed(silent(a_cluster(), "cp2"), ["w2"], answers={"balancer": Answer(a_view(3), 0)})

    assert "; 1 of 2 balancers have taken its API server off" in told(found)[1][1][3]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (59, "59s"), (119, "119s"), (120, "2m"), (7200, "2h"), (90000, "1d")]
)
def test_spans(seconds: float, text: str) -> None:
    """One unit is enough."""
    assert span(seconds) == text
