"""Whole operations on fakes that remember: create, again, interrupted, destroy."""

import json
import re
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import pytest

from kubeon.engine.interrupt import Interrupt
from kubeon.errors import (
    CommandError,
    ConnectError,
    HostErrors,
    Interrupted,
    KubeonError,
    PreflightError,
    SpecError,
    StateError,
)
from kubeon.hosts.host import SESSIONS
from kubeon.hosts.marks import JOINED
from kubeon.operations.steps import CREATE
from kubeon.pki.authorities import Authorities
from kubeon.waiting import SYSTEM_CLOCK
from tests.conftest import MakeWorld
from tests.fakes.world import PASSWORD, Busy, World
from tests.specs import a_spec

NODES = [
    *({"address": f"10.0.0.{number}", "role": "control-plane"} for number in (1, 2, 3)),
    *({"address": f"10.0.{1 + number // 250}.{1 + number % 250}", "role": "worker"} for number in range(297)),
]


def order(here: World) -> list[str]:
    """Phases as they ended, "host phase"."""
    return [f"{host} {phase}" for host, phase, _ in here.watcher.ended()]


@pytest.mark.parametrize(("control_planes", "workers"), [(1, 0), (1, 2), (3, 2)])
def test_create_then_again(control_planes: int, workers: int, world: MakeWorld) -> None:
    """All nodes are members, labelled and ready; the second run changes nothing anywhere and says so."""
    here = world(control_planes=control_planes, workers=workers)

    first = here.create()
    before, asked = here.snapshot(), here.server.asked.total()
    again = here.create()

    assert first.changed
    assert {node.name: node.ready for node in first.nodes} == dict.fromkeys(here.api.nodes, True)
    assert len(here.api.nodes) == control_planes + workers
    assert not again.changed
    assert here.changes() == []
    assert not here.plans[-1].changes
    assert here.snapshot() == before
    assert here.server.asked.total() == asked
    assert here.api.pods == {}


def test_every_phase_is_walked_on_every_host_it_concerns(world: MakeWorld) -> None:
    """In the order of the table of contents."""
    here = world(control_planes=3, workers=2)
    here.create()

    mine = {host: [phase for name, phase, _ in here.watcher.ended() if name == host] for host in ("cp1", "cp2", "w1")}
    names = [phase.name for phase in CREATE]
    everybody = names[1 : names.index("place-load-balancer")]
    at_last = ["apply-network", "record-pod-ranges", "mend-objects", "register-node", "verify-cluster"]
    assert mine["cp1"] == [*everybody, "init-control-plane", *at_last]
    assert mine["cp2"] == [*everybody, "join-control-planes", "register-node"]
    assert mine["w1"] == [*everybody, "place-load-balancer", "join-workers", "register-node", "update-load-balancer"]


def test_nobody_joins_before_init_and_nothing_is_verified_before_all_have_joined(world: MakeWorld) -> None:
    """What waits, waits."""
    here = world(control_planes=3, workers=2)
    here.create()

    done = order(here)
    joins = [index for index, line in enumerate(done) if "join-" in line]
    assert done.index("cp1 init-control-plane") < min(joins)
    assert done[-1] == "cp1 verify-cluster"


def test_control_planes_join_one_at_a_time(world: MakeWorld) -> None:
    """etcd takes one new member at a time; workers do not wait for each other."""
    here, busy = world(control_planes=3, workers=3), Busy()
    for machine in here.machines.values():
        machine.around = partial(_counted, busy, machine.name[0])

    here.create()

    assert busy.most["c kubeadm"] == 1


def test_workers_are_prepared_while_init_runs(world: MakeWorld) -> None:
    """A slow init delays nobody who need not wait for it."""
    here = world(control_planes=1, workers=1)
    found: list[str] = []

    def wait(token: str) -> None:
        if token == "kubeadm":
            for _ in range(500):
                if "place-load-balancer" in here.ended_by("w1"):
                    break
                SYSTEM_CLOCK.sleep(0.01)
            found.extend(here.ended_by("w1"))

    here["cp1"].hook = wait
    here.create()

    assert found[-1] == "place-load-balancer"


def test_a_worker_that_fails_stops_nobody_and_is_named(world: MakeWorld) -> None:
    """The others join and are verified; the next run brings in the one, and touches no other."""
    here = world(control_planes=1, workers=2)
    here["w1"].fails["import"] = "no space left on device"

    with pytest.raises(CommandError, match=r"w1: import images failed .*: no space left on device") as caught:
        here.create()

    assert caught.value.hint == "run the same command again to resume"
    assert sorted(here.api.nodes) == ["cp1", "w2"]
    assert here.ended("verify-cluster") == {"cp1": "ok"}
    assert not here.state.exists
    others = here["cp1"].snapshot() + here["w2"].snapshot()

    assert here.create().changed
    assert {host for host, _ in here.changes()} == {"w1"}
    assert here["cp1"].snapshot() + here["w2"].snapshot() == others


def test_several_failures_are_all_named(world: MakeWorld) -> None:
    """With how many went well."""
    here = world(control_planes=1, workers=3)
    here["w1"].fails["import"] = "no space left on device"
    here["w3"].cuts.add("unit")

    with pytest.raises(HostErrors, match="2 of 4 hosts failed") as caught:
        here.create()

    assert set(caught.value.errors) == {"w1", "w3"}
    assert isinstance(caught.value.errors["w3"], ConnectError)


@pytest.mark.parametrize("host", ["cp1", "cp2", "w1"])
@pytest.mark.parametrize(
    "token",
    ["setting", "packages", "place", "file", "unit", "import", "pin", "link", "kubeadm", "kubectl", "init_done"],
)
def test_a_run_cut_off_anywhere_is_continued(token: str, host: str, world: MakeWorld) -> None:
    """The connection is lost right after a step; the same command again gives the cluster that one run gives."""
    here = world(control_planes=2, workers=1)
    here[host].cuts.add(token)

    with suppress(KubeonError):
        here.create()
        assert token not in here[host].told
    result = here.create()

    assert [node.ready for node in result.nodes] == [True] * 3
    assert all(machine.stamps == set() for machine in here.machines.values())
    here.create()
    assert here.changes() == []


def test_an_init_that_was_cut_off_at_its_very_end_is_remembered(world: MakeWorld) -> None:
    """Or a static pod that somebody moves away later would make it look like a join that was cut off."""
    here = world(control_planes=1, workers=0)
    here.create()
    del here["cp1"].files[JOINED]

    here.create()

    assert JOINED in here["cp1"].files


def test_an_init_that_fails_blocks_all_and_names_them(world: MakeWorld) -> None:
    """kubeadm's own words are in the error; nothing is reset."""
    here = world(control_planes=1, workers=1)
    here["cp1"].fails["kubeadm"] = "[ERROR SystemVerification]: unexpected kernel config"

    with pytest.raises(HostErrors) as caught:
        here.create()

    assert "unexpected kernel config" in caught.value.errors["cp1"].why
    assert caught.value.errors["cp1"].hint.endswith("--ignore-preflight-errors SystemVerification")
    assert caught.value.errors["w1"].what == "stopped before Join the cluster"
    assert here["w1"].units["containerd.service"] == "active"


def test_ctrl_c_leaves_a_cluster_that_continues(world: MakeWorld) -> None:
    """What runs is finished, nothing new begins, the journal says so."""
    here, interrupt = world(control_planes=1, workers=1), Interrupt()
    here["cp1"].hook = lambda token: interrupt.request() if token == "kubeadm" else None

    with pytest.raises(Interrupted):
        here.create(interrupt=interrupt)

    assert sorted(here.api.nodes) == ["cp1"]
    assert here.state.journal.entries()[-1].status == "interrupted"
    here["cp1"].hook = lambda token: None
    assert here.create().changed
    assert sorted(here.api.nodes) == ["cp1", "w1"]


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_plan_that_is_not_confirmed_touches_nothing(dry_run: bool, world: MakeWorld) -> None:
    """The hosts saw read-only scripts only; a dry run leaves no record either."""
    here = world(control_planes=1, workers=1)

    result = here.create(yes=False, dry_run=dry_run)

    assert not result.changed
    assert {token for machine in here.machines.values() for token in machine.told} == {"lock", "facts"}
    assert all(machine.changed == [] for machine in here.machines.values())
    assert not here.state.read_pki()
    assert here.state.path.exists() is not dry_run
    plan = here.plans[-1]
    assert "kubeadm init: first control plane of demo, v1.34.1" in plan.hosts["cp1"]
    assert "kubeadm join: worker, v1.34.1" in plan.hosts["w1"]


def test_one_operation_at_a_time(world: MakeWorld) -> None:
    """The second says who holds the lock, and touches nothing."""
    here = world()

    with here.state.lock("upgrade", SYSTEM_CLOCK.now()), pytest.raises(StateError, match="runs upgrade since"):
        here.create()

    assert here.connected == []


def test_the_journal_tells_what_was_done(world: MakeWorld) -> None:
    """A line for each phase on each host and one for the operation."""
    here = world()
    here.create()

    entries = here.state.journal.entries()
    assert (entries[-1].operation, entries[-1].status, entries[-1].host) == ("create", "ok", "")
    assert {(entry.host, entry.phase) for entry in entries if entry.host} == {
        (host, phase) for host, phase, _ in here.watcher.ended()
    }
    init = next(entry for entry in entries if entry.phase == "init-control-plane")
    assert init.changes == ("kubeadm init: v1.34.1",)


def test_no_secret_is_written_down(world: MakeWorld) -> None:
    """Password, join token and keys: not in log, journal, plan, progress or errors, though a host repeats them."""
    here = world(control_planes=1, workers=2)
    for machine in here.machines.values():
        machine.password = PASSWORD
    tokens: list[str] = []
    here["w1"].hook = lambda token: tokens.extend(_tokens(here)) if token == "kubeadm" else None
    here["w2"].fails["kubeadm"] = f"the password is {PASSWORD}"

    with pytest.raises(CommandError) as caught:
        here.create()

    logs = "".join(path.read_text() for path in here.state.logs()) + here.state.journal.path.read_text()
    assert "key added to /root/.ssh/authorized_keys" in logs
    assert "the password is ***" in logs
    secrets = [PASSWORD, *tokens, *(token.partition(".")[2] for token in tokens), "PRIVATE KEY-----"]
    assert len(tokens) == 1
    texts = {"log": logs, "plan": repr(here.plans), "events": _without_password(here), "error": caught.value.hint}
    assert [(what, secret) for what, text in texts.items() for secret in secrets if secret in text] == []


def test_no_token_stays_valid(world: MakeWorld) -> None:
    """When all have joined, tokens of this and of earlier runs are gone; a person's own stay."""
    here = world(control_planes=1, workers=1)
    here["w1"].cuts.add("kubeadm")
    with pytest.raises(KubeonError):
        here.create()
    here.api.secrets["bootstrap-token-person"] = {"token-id": "person", "description": "for the new rack"}

    here.create()

    assert sorted(here.api.secrets) == ["bootstrap-token-person"]
    assert [key for key in here.api.cluster_info if key.startswith("jws-")] == []


def test_the_password_is_needed_once(world: MakeWorld) -> None:
    """After the first create the cluster's own key opens all hosts."""
    here = world(control_planes=1, workers=1)
    for machine in here.machines.values():
        machine.password = PASSWORD
    here.create()

    here.secrets = type(here.secrets)()
    again = here.create()

    assert not again.changed
    assert [len(machine.keys) for machine in here.machines.values()] == [1, 1]


def test_a_host_that_refuses_the_login_stops_everything_before_anything(world: MakeWorld) -> None:
    """It is named with the others unharmed."""
    here = world(control_planes=1, workers=1)
    here["w1"].password = "another"

    with pytest.raises(PreflightError, match="refused"):
        here.create()

    assert all(machine.changed == [] for machine in here.machines.values())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"version": "v1.35.0"}, "version: .*kubeon upgrade changes it"),
        ({"networking": {"podSubnet": "10.200.0.0/16"}}, "networking.podSubnet: .*a new cluster"),
        ({"load_balancer": {"mode": "direct"}}, "loadBalancer.mode: .*kubeon lb switch"),
        ({"workers": 1}, "nodes: 10.0.1.2 is not among them; kubeon del"),
    ],
)
def test_create_again_refuses_what_it_may_not_change(fields: dict[str, object], problem: str, world: MakeWorld) -> None:
    """Before a host is asked, with the command that may."""
    here = world(control_planes=1, workers=2)
    here.create()
    before, here.connected = here.snapshot(), []

    with pytest.raises(SpecError) as caught:
        here.create(a_spec(**{"workers": 2, **fields}))  # type: ignore[arg-type]

    assert re.search(problem, caught.value.why)
    assert here.connected == []
    assert here.snapshot() == before


def test_a_node_more_is_added_and_the_others_stay(world: MakeWorld) -> None:
    """Adding one node touches one node; the pod ranges of the others are kept, and no token of init is left over."""
    here = world(control_planes=1, workers=3)
    here.create(a_spec(control_planes=1, workers=2))
    ranges = {name: node["spec"]["podCIDR"] for name, node in here.api.nodes.items()}

    result = here.create()

    assert result.changed
    assert {host for host, phase in here.changes() if phase != "record-pod-ranges"} == {"w3"}
    assert {name: here.api.nodes[name]["spec"]["podCIDR"] for name in ranges} == ranges
    assert here.api.nodes["w3"]["spec"]["podCIDR"] not in ranges.values()


def test_a_lost_record_is_rebuilt(world: MakeWorld) -> None:
    """With SSH and the description alone: the CAs come from a control plane, and nothing is issued anew."""
    here = world(control_planes=3, workers=1)
    here.create()
    before, pki = here.snapshot(), here.state.read_pki()
    here.state.remove()

    here.create()

    assert here.snapshot() == before
    assert here.state.read_pki() == pki
    assert here.state.exists


def test_the_bootstrap_node_is_one_that_answers(world: MakeWorld) -> None:
    """With the first control plane's API down, another one is asked; there is no second init."""
    here = world(control_planes=3, workers=1)
    here.create(a_spec(control_planes=3, workers=0))
    here["cp1"].units["kubelet.service"] = "inactive"

    here.create()

    assert sorted(here.api.nodes) == ["cp1", "cp2", "cp3", "w1"]
    assert here.ended("init-control-plane") == {"cp2": "ok"}
    assert here["cp1"].units["kubelet.service"] == "active"


def test_another_clusters_hosts_are_refused(world: MakeWorld, tmp_path: Path) -> None:
    """A control machine without the record, that made up another CA: nothing is taken over."""
    here = world(control_planes=1, workers=1)
    here["w1"].files["/etc/kubernetes/kubeon-cluster"] = ("other 00ff\n", "644")

    with pytest.raises(PreflightError, match="belongs to cluster other"):
        here.create()

    assert here["cp1"].changed == []


def test_destroy_leaves_nothing(world: MakeWorld) -> None:
    """No file, program, image, setting or key on the hosts, no record here, and the user's kubeconfig without it."""
    here = world(control_planes=3, workers=2)
    empty = here.snapshot()
    for machine in here.machines.values():
        machine.password = PASSWORD
    here.create()

    result = here.destroy()

    assert sorted(result.hosts) == ["cp1", "cp2", "cp3", "w1", "w2"]
    assert any("package socat stays" in line for line in result.stays)
    assert not any("@@kubeon" in line for line in result.stays)
    here.api.applied.clear()
    assert here.snapshot() == empty
    assert not here.state.path.exists()
    assert "demo" not in here.kubeconfig.read_text()
    with pytest.raises(StateError, match="there is no cluster demo"):
        here.destroy()


def test_destroy_touches_only_hosts_that_bear_the_mark(world: MakeWorld) -> None:
    """A host that was never prepared, or is another cluster's by now, stays as it is."""
    here = world(control_planes=1, workers=2)
    here["w1"].fails["setting"] = "no"
    with pytest.raises(KubeonError):
        here.create()
    here["w2"].files["/etc/kubernetes/kubeon-cluster"] = ("other 00ff\n", "644")
    before = here["w2"].snapshot()

    result = here.destroy()

    assert sorted(result.hosts) == ["cp1", "w1"]
    assert here["w2"].snapshot() == before


def test_destroy_cut_off_is_continued(world: MakeWorld) -> None:
    """The mark goes last: the same command again finds the host."""
    here = world(control_planes=1, workers=1)
    here.create()
    here["w1"].cuts.add("restore")

    with pytest.raises(ConnectError):
        here.destroy()
    assert here.state.exists

    assert here.destroy().hosts == ("w1",)
    assert here["w1"].files == {}


def test_destroy_with_a_host_that_is_gone_takes_the_word(world: MakeWorld) -> None:
    """Without it nothing is changed."""
    here = world(control_planes=1, workers=1)
    here.create()
    here["w1"].password = "another"

    with pytest.raises(PreflightError, match="1 of 2 hosts cannot be reached"):
        here.destroy()
    assert here["cp1"].is_control_plane

    assert here.destroy(ignore_preflight_errors=frozenset({"Unreachable"})).hosts == ("cp1",)


def test_a_cluster_whose_hosts_are_all_gone_is_forgotten(world: MakeWorld) -> None:
    """There is nothing to clean, and the plan says what goes: the record."""
    here = world(control_planes=1, workers=1)
    here.create()
    for name in ("cp1", "w1"):
        here[name].password = "another"

    result = here.destroy(ignore_preflight_errors=frozenset({"Unreachable"}))

    assert result.hosts == ()
    assert not here.state.path.exists()


def test_three_hundred_hosts(world: MakeWorld) -> None:
    """Seconds, at most 30 at once, 8 of them being sent the same kind of files."""
    here, busy = world(nodes=NODES, networking={"podSubnet": "10.128.0.0/12"}), Busy()
    for machine in here.machines.values():
        machine.around = busy.counted
        machine.hook = _sending_takes_a_moment

    here.create(parallel=30, uploads=8)

    assert len(here.api.nodes) == 300
    assert max(busy.most["gunzip"], busy.most["unpack"]) <= 8
    assert busy.most["import"] <= 8
    assert max(busy.most.values()) <= 30
    assert busy.most["kubectl"] <= SESSIONS


def test_the_api_is_asked_over_few_sessions(world: MakeWorld) -> None:
    """Thirty workers ask through one connection, on which sshd allows ten sessions."""
    here, busy = world(control_planes=1, workers=30), Busy()
    here["cp1"].around = busy.counted
    here["cp1"].hook = lambda token: SYSTEM_CLOCK.sleep(0.02 if token == "kubectl" else 0)

    here.create()

    assert len(here.api.nodes) == 31
    assert 2 < busy.most["kubectl"] <= SESSIONS


def test_uploads_have_one_limit(world: MakeWorld) -> None:
    """Binaries and images share the control machine's uplink."""
    here, busy = world(control_planes=1, workers=24), Busy()
    for machine in here.machines.values():
        machine.around = lambda name: busy.counted("uploads" if name in SENDS else name)
        machine.hook = _sending_takes_a_moment

    here.create(uploads=3)

    assert busy.most["uploads"] == 3


def _sending_takes_a_moment(token: str) -> None:
    if token in SENDS:
        SYSTEM_CLOCK.sleep(0.02)


SENDS = {"gunzip", "unpack", "import"}


def _counted(busy: Busy, kind: str, token: str) -> AbstractContextManager[None]:
    return busy.counted(f"{kind} {token}")


def _tokens(here: World) -> list[str]:
    return [
        f"{data['token-id']}.{data['token-secret']}" for data in here.api.secrets.values() if "token-secret" in data
    ]


def _without_password(here: World) -> str:
    """Events go to the console, which hides passwords itself."""
    return json.dumps([repr(event) for event in here.watcher.events]).replace(PASSWORD, "")


def test_authorities_are_not_made_twice(world: MakeWorld, some_authorities: Authorities) -> None:
    """A create that failed keeps its CAs for the next one."""
    here = world()
    here["cp1"].fails["kubeadm"] = "no"
    with pytest.raises(KubeonError):
        here.create()

    here.create()

    assert Authorities.from_files(here.state.read_pki()).fingerprint == some_authorities.fingerprint
