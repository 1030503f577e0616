"""`kubeon certs` on fakes: what is renewed and restarted, what is shown, CAs rotated without a moment of distrust."""

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.cluster.leaves import users_of
from kubeon.cluster.options import Options
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import HostErrors, Interrupted, KubeonError, PreflightError, SpecError, StateError, UsageError
from kubeon.hosts.marks import MARKER
from kubeon.operations import create
from kubeon.operations.certs_rotate_ca import Pods
from kubeon.pki.authorities import CLIENT, Authorities, Subject
from kubeon.pki.inspect import describe, split
from kubeon.pki.leaves import FILES, PKI
from kubeon.state.rotation import Stage
from kubeon.waiting import SYSTEM_CLOCK
from tests.conftest import MakeWorld
from tests.engine.test_runner import Watcher
from tests.fakes.machine import KUBERNETES, MANAGER, Machine
from tests.fakes.restore import ExitError
from tests.fakes.trust import distrust, of_user
from tests.fakes.world import World
from tests.pki.expiry import aged

KINDS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DISTURBING = ("stop_container", "restart_kubelet", "paid", "kubectl", "certificates")


def watch_trust(here: World) -> list[str]:
    """Look at all machines whenever one is disturbed; who distrusts whom, ever."""
    found: list[str] = []

    def look(token: str) -> None:
        if token in DISTURBING:
            found.extend(now(here))

    for machine in here.machines.values():
        machine.hook = look
    return found


def now(here: World) -> list[str]:
    """Who distrusts whom."""
    user = of_user(here.kubeconfig.read_text(), here.spec.name)
    return list(distrust(list(here.machines.values()), here.api.trusted_by_pods, user))


def created(world: MakeWorld, **fields: Any) -> World:
    """A cluster, with what pods trust from the start."""
    here = world(**{"version": "v1.20.2", "control_planes": 3, "workers": 2} | fields)
    here.create()
    here.api.trusted_by_pods = here.api.root_ca
    for machine in here.machines.values():
        machine.restarted.clear()
    return here


def serials(machine: Machine) -> dict[str, str]:
    """Fingerprints of all that was issued for it, by kubeadm's names."""
    return {
        name: describe(machine.files[path][0].encode(), path).fingerprint
        for name, path in FILES.items()
        if path in machine.files
    }


def expire(here: World, *, hours: int = -1, only: tuple[str, ...] = ()) -> None:
    """Certificates (all, or only some) end then; whatever runs has read them."""
    authorities = Authorities.from_files(here.state.read_pki())
    for machine in here.machines.values():
        texts = {path: content for path, (content, _) in machine.files.items()}
        for path, content in aged(texts, authorities, hours=hours, only=only).items():
            machine.files[path] = (content, machine.files[path][1])
        for component in machine.loaded:
            machine.loaded[component] = dict(machine.files)


def test_nothing_is_renewed_where_everything_is_fit(world: MakeWorld) -> None:
    """And nothing is asked or restarted."""
    here = created(world)
    before = here.snapshot()

    result = here.renew()

    assert not result.changed
    assert not here.plans[-1].changes
    assert here.snapshot() == before


def test_all_are_renewed_and_everything_restarted(world: MakeWorld) -> None:
    """One control plane at a time, and what is served is what was placed."""
    here = created(world)
    before = {name: serials(here[name]) for name in ("cp1", "cp3", "w1")}
    problems = watch_trust(here)

    result = here.renew("all")

    assert problems == []
    for name, had in before.items():
        has = serials(here[name])
        assert has.keys() == had.keys()
        assert not set(has.values()) & set(had.values())
        assert set(result.renewed[name]) == set(had)
    for name in ("cp1", "cp2", "cp3"):
        assert sorted(here[name].restarted) == sorted(KINDS)
    assert here["w1"].restarted == []
    assert here.ended("restart-kubelet") == {"w1": "changed", "w2": "changed"}
    assert here.inspect().ok
    admin = here.state.read_admin_conf()
    assert admin in [here[name].files[FILES["admin.conf"]][0] for name in ("cp1", "cp2", "cp3")]
    assert describe(of_user(here.kubeconfig.read_text(), "demo").encode()).fingerprint == (
        describe(admin.encode()).fingerprint
    )


def test_a_second_ctrl_c_while_things_restart(world: MakeWorld) -> None:
    """Nobody waits for anybody any more; what is still owed is made up for by the same command."""
    here, interrupt = created(world), Interrupt()

    def twice(token: str) -> None:
        if token == "stop_container":
            here["cp2"].closed.clear()
            interrupt.request()
            interrupt.request()
            assert here["cp2"].closed.wait(30)

    here["cp2"].hook = twice
    with pytest.raises(Interrupted):
        here.renew("all", interrupt=interrupt)

    assert here.state.journal.entries()[-1].status == "interrupted"
    here["cp2"].hook = lambda token: None
    here.renew()
    assert here.inspect().ok


def test_who_has_started_again_by_itself_is_left_alone(world: MakeWorld) -> None:
    """A scheduler that loses its lead ends; asked to end once more, it would wait for its turn."""
    here = created(world)
    here["cp2"].falls = ("kube-scheduler",)

    here.renew("all")

    assert "kube-scheduler" not in here["cp2"].restarted
    assert "kube-scheduler" in here["cp1"].restarted
    assert here.inspect().ok


def test_only_what_was_named_is_renewed_and_only_what_uses_it_restarted(world: MakeWorld) -> None:
    """By kubeadm's names."""
    here = created(world)
    before = serials(here["cp2"])

    here.renew("scheduler.conf", "apiserver")

    after = serials(here["cp2"])
    assert {name for name in after if after[name] != before[name]} == {"scheduler.conf", "apiserver"}
    assert here["cp2"].restarted == ["kube-scheduler"]  # API servers read theirs again by themselves
    assert here.ended("restart-kubelet") == {"w1": "ok", "w2": "ok"}


def test_unknown_names_are_told(world: MakeWorld) -> None:
    """With the one that was meant."""
    here = created(world, control_planes=1, workers=0)
    with pytest.raises(UsageError, match="no certificate is called api-server") as caught:
        here.renew("api-server")
    assert "did you mean apiserver?" in caught.value.hint
    with pytest.raises(UsageError, match="no CA is called root"):
        here.rotate("root")


def test_what_expires_soon_is_renewed(world: MakeWorld) -> None:
    """By days; what lasts longer stays."""
    here = created(world, control_planes=1, workers=1)
    expire(here, hours=20)
    before = serials(here["w1"])

    here.renew()

    assert "renew kubelet-serving, kubelet-client: expires on " in here.plans[-1].hosts["w1"][0]
    assert not set(serials(here["w1"]).values()) & set(before.values())
    here.renew("all", validity="2y")
    assert here.renew(warn_days=700).renewed == {}
    assert set(here.renew(warn_days=800).renewed) == {"cp1", "w1"}


@pytest.mark.parametrize("what", [(), ("all",)])
def test_an_expired_cluster_is_brought_back_by_one_command(what: tuple[str, ...], world: MakeWorld) -> None:
    """No API answers, so all control planes are restarted together."""
    here = created(world)
    expire(here)
    assert not here.inspect().ok

    result = here.renew(*what)

    assert "the API does not answer: all control planes are restarted together" in here.plans[-1].header
    assert set(result.renewed) == {"cp1", "cp2", "cp3", "w1", "w2"}
    assert now(here) == []
    assert here.inspect().ok
    assert not here.create(here.state.read_spec()).changed


def test_what_only_has_to_be_restarted_is(world: MakeWorld) -> None:
    """Somebody has tried `create`, which has placed new certificates, and nothing has read them."""
    here = created(world)
    expire(here)
    with pytest.raises(KubeonError):
        here.create()
    assert {what for _, what in here.inspect().problems} == {"another one is served: restart it"}

    result = here.renew()

    assert result.renewed == {}
    assert result.changed
    assert here.inspect().ok


def test_what_expires_in_the_middle_of_a_rotation_is_brought_back(world: MakeWorld) -> None:
    """From the CAs of the stage that it is at; then the rotation goes on."""
    here = created(world)
    here.rotate(pods=Pods(pause=True))
    expire(here)
    with pytest.raises(KubeonError):
        here.rotate()

    here.renew()

    assert now(here) == []
    assert here.rotate().stage == ""
    assert here.inspect().ok


def test_an_administrator_who_expired_is_no_reason_to_stop_everything(world: MakeWorld) -> None:
    """Once there is a new one the API answers, and goes on to."""
    here = created(world)
    expire(here, only=("admin.conf",))

    here.renew()

    assert all(here[name].restarted == [] for name in ("cp1", "cp2", "cp3"))


def test_a_name_is_added_and_remembered(world: MakeWorld) -> None:
    """In the certificate, in the description, and where kubeadm looks when it upgrades."""
    here = created(world)
    here.api.cluster_configuration = {"apiServer": {"certSANs": ["127.0.0.1"]}, "controllerManager": {}}

    here.renew(sans=("api.example.org", "203.0.113.7"))

    for name in ("cp1", "cp2", "cp3"):
        names = describe(here[name].files[FILES["apiserver"]][0].encode()).names
        assert {"api.example.org", "203.0.113.7", "127.0.0.1"} <= set(names)
        assert "api.example.org" in here[name].serves_names
        assert here[name].restarted == []
    assert here.state.read_spec().certificates.sans == ("api.example.org", "203.0.113.7")
    wanted = ["127.0.0.1", "api.example.org", "203.0.113.7", "apiserver.cluster.local"]
    assert here.api.cluster_configuration["apiServer"]["certSANs"] == wanted
    assert not here.renew(sans=("api.example.org",)).changed
    with pytest.raises(SpecError, match="neither a DNS name"):
        here.renew(sans=("no name",))


def test_the_lifetime_is_a_setting(world: MakeWorld) -> None:
    """Of what is issued from now on, kubelets' by the controller manager too."""
    here = created(world, control_planes=1, workers=1)
    machine = here["cp1"]
    machine.files[MANAGER] = ("    - --cluster-signing-duration=876000h0m0s\n", "600")

    here.renew("all", validity="1y")

    info = describe(machine.files[FILES["apiserver"]][0].encode())
    assert 364 <= info.days_left(SYSTEM_CLOCK.now()) <= 365
    assert here.state.read_spec().certificates.validity == "1y"
    assert "--cluster-signing-duration=8760h" in machine.files[MANAGER][0]
    remembered = here.api.cluster_configuration
    assert remembered is not None
    assert remembered["controllerManager"]["extraArgs"] == {"cluster-signing-duration": "8760h0m0s"}
    assert remembered["apiServer"] == {"certSANs": ["apiserver.cluster.local"]}
    assert not here.create(here.state.read_spec()).changed


@pytest.mark.parametrize("token", ["file", "paid", "stop_container", "restart_kubelet", "owed", "running"])
def test_a_renewal_that_is_cut_anywhere_is_made_up_for(token: str, world: MakeWorld) -> None:
    """Without WHAT nothing is unfit any more, and the restart that is owed is made up for all the same."""
    here = created(world)
    here["cp2"].cuts.add(token)
    here["w1"].cuts.add(token)
    for what in (("all",), (), ()):
        try:
            here.renew(*what)
        except KubeonError:
            continue
    assert here.inspect().ok
    for machine in here.machines.values():
        assert not [stamp for stamp in machine.stamps if "owed" in stamp]
        for component, files in machine.loaded.items():
            read = [path for path in machine.files if component in users_of(path)]
            assert [path for path in read if files[path] != machine.files[path]] == []


def test_a_control_plane_that_does_not_come_back_stops_it(world: MakeWorld) -> None:
    """The others go on as they are, and the same command goes on with them."""
    here = created(world)
    for name in ("cp1", "cp2", "cp3"):
        here[name].hook = refuse

    with pytest.raises(HostErrors) as caught:
        here.renew("all")

    restarted = [name for name in ("cp1", "cp2", "cp3") if here[name].restarted]
    assert len(restarted) == 1
    assert sum("not restarted, because" in str(error) for error in caught.value.errors.values()) == 2
    for name in ("cp1", "cp2", "cp3"):
        here[name].hook = lambda token: None
    here.renew()
    assert here.inspect().ok


def refuse(token: str) -> None:
    """Managers never answer."""
    if token == "healthz":
        raise ExitError("connection refused")


def test_hosts_that_cannot_be_reached_stop_it_unless_they_are_given_up(world: MakeWorld) -> None:
    """What cannot be reached keeps what it has."""
    here = created(world)
    here.power_off("w2")
    with pytest.raises(PreflightError, match="1 of 5 hosts cannot be reached; nothing was changed"):
        here.renew("all")
    here.renew("all", ignore_preflight_errors=frozenset({"Unreachable"}))
    assert here.inspect().missed.keys() == {"w2"}


def test_cas_are_rotated_without_a_moment_of_distrust(world: MakeWorld) -> None:
    """At each step everybody trusts all that anybody shows: kubelets, etcd, API servers, pods, the user."""
    here = created(world)
    old = Authorities.from_files(here.state.read_pki())
    problems = watch_trust(here)

    result = here.rotate()

    new = Authorities.from_files(here.state.read_pki())
    assert problems == []
    assert result.names == ("ca", "etcd-ca", "front-proxy-ca")
    for mine, its in ((old.ca, new.ca), (old.etcd_ca, new.etcd_ca), (old.front_proxy_ca, new.front_proxy_ca)):
        assert mine.certificate != its.certificate
    for machine in here.machines.values():
        everything = "".join(content for content, _ in machine.files.values())
        texts = [everything, *re.findall(r"(?:data|authority-data): (\S{100,})", everything)]
        seen = [base64.b64decode(text).decode() if " " not in text else text for text in texts]
        assert not any(old.ca.pem.decode() in text or old.etcd_ca.pem.decode() in text for text in seen)
        assert machine.files[MARKER][0] == f"demo {new.fingerprint}\n"
        assert machine.files[f"{PKI}/ca.crt"][0] == new.ca.pem.decode()
        assert f"{PKI}/ca-signing.crt" not in machine.files
    for name in ("cp1", "cp2", "cp3"):
        assert here[name].files[f"{PKI}/ca.key"][0] == new.to_files()["ca.key"].decode()
        assert here[name].files[MANAGER][0] == f"    - --cluster-signing-cert-file={KUBERNETES}/pki/ca.crt\n"
    info = yaml.safe_load(here.api.cluster_info["kubeconfig"])["clusters"][0]["cluster"]
    assert base64.b64decode(info["certificate-authority-data"]) == new.ca.pem
    assert here.api.trusted_by_pods == new.ca.pem.decode()
    assert here.state.rotation.read() is None
    assert result.old is not None
    assert (result.old / "ca.key").read_bytes() == old.to_files()["ca.key"]
    assert here.inspect().ok
    assert not here.create(here.state.read_spec()).changed


def test_the_controller_manager_signs_with_one_certificate(world: MakeWorld) -> None:
    """It refuses a file that holds two, as ca.crt does meanwhile; and it always has the key that belongs to it."""
    here = created(world, control_planes=1, workers=0)
    wrong: list[str] = []

    def look(token: str) -> None:
        files = here["cp1"].loaded["kube-controller-manager"]
        path = files[MANAGER][0].strip().partition("=")[2]
        if token in DISTURBING and len(split(files[path][0].encode())) != 1:
            wrong.append(path)

    here["cp1"].hook = look
    here.rotate("ca")
    assert wrong == []


def test_only_the_ca_of_etcd(world: MakeWorld) -> None:
    """Workers and pods have nothing to do with it."""
    here = created(world)
    before, fingerprint = here["w1"].files, here.state.read_pki()["ca.crt"]
    problems = watch_trust(here)

    here.rotate("etcd-ca")

    assert problems == []
    assert here["w1"].files == before
    assert here.api.rolled == []
    assert here.state.read_pki()["ca.crt"] == fingerprint
    assert "kube-scheduler" not in here["cp1"].restarted


CUTS = ("file", "set_flag", "owed", "paid", "stop_container", "restart_kubelet", "kubectl", "certificates", "gone")


@pytest.mark.parametrize("stage", list(Stage))
def test_a_rotation_that_is_cut_anywhere_goes_on(stage: Stage, world: MakeWorld) -> None:
    """The connection to two hosts is lost again and again; nobody ever distrusts anybody, and no key is lost."""
    here = created(world, control_planes=2, workers=1)
    problems = watch_trust(here)
    left = {name: set(CUTS) for name in ("cp2", "w1")}

    def cutting(machine: Machine, watched: Callable[[str], object], token: str) -> None:
        watched(token)
        rotation = here.state.rotation.read()
        if token in left[machine.name] and rotation and rotation.stage is stage:
            left[machine.name].remove(token)
            machine.cuts.add(token)

    for name in left:
        here[name].hook = partial(cutting, here[name], here[name].hook)
    runs = 0
    while runs < 30:
        runs += 1
        try:
            here.rotate()
        except KubeonError:
            continue
        break

    assert problems == []
    assert 5 < runs < 30
    assert here.state.rotation.read() is None
    assert here.inspect().ok


def test_create_and_add_wait_for_a_rotation_to_end(world: MakeWorld) -> None:
    """They say what to type; nodes may leave."""
    here = created(world)
    here.rotate(pods=Pods(pause=True))

    with pytest.raises(StateError, match="the CAs of cluster demo are being rotated") as caught:
        here.create(here.state.read_spec())
    assert "resume it: kubeon certs rotate-ca demo" in caught.value.hint
    with pytest.raises(StateError, match="being rotated"):
        here.add({"address": "10.0.1.9", "role": "worker"})
    with pytest.raises(StateError, match="being rotated"):
        create.preflight(here.home.known("demo"), Options(secrets=here.secrets), here.home, Watcher())
    with pytest.raises(StateError, match="being rotated"):
        here.renew("all")
    with pytest.raises(StateError, match="being rotated"):
        here.upgrade("v1.21.14")
    with pytest.raises(UsageError, match="a rotation of ca, etcd-ca, front-proxy-ca is under way"):
        here.rotate("ca")
    here.delete("@w2")

    problems = watch_trust(here)
    assert here.rotate().stage == ""
    assert problems == []
    assert here["w2"].files == {}
    here.add({"address": "10.0.1.9", "role": "worker"})


def test_pods_of_users_are_named_or_restarted(world: MakeWorld) -> None:
    """They trust the CAs of their start; a pause leaves the time to restart them."""
    here = created(world)
    here.api.more_workloads = ["shop Deployment/web"]

    paused = here.rotate(pods=Pods(pause=True))

    assert paused.stage == Stage.ISSUE
    assert paused.others == ("shop Deployment/web",)
    assert "those that talk to the API have to be restarted" in here.plans[-1].warnings[0].what
    assert len(split(here["w1"].files[f"{PKI}/ca.crt"][0].encode())) == 2
    assert "shop Deployment/web" not in here.api.rolled
    assert here.inspect().ok

    done = here.rotate(pods=Pods(restart=True))

    assert done.others == ()
    assert "shop Deployment/web" in here.api.rolled


def test_a_rotation_needs_everybody(world: MakeWorld) -> None:
    """Whoever is not told of the new CA would be lost."""
    here = created(world)
    here.power_off("w2")
    with pytest.raises(PreflightError, match="cannot be reached"):
        here.rotate()
    here.power_on("w2")
    here["cp3"].units["kubelet.service"] = "inactive"
    with pytest.raises(PreflightError, match="not every control plane is healthy") as caught:
        here.rotate()
    assert "cp3" in caught.value.why
    assert here.state.rotation.read() is None


def test_a_dry_run_changes_nothing(world: MakeWorld) -> None:
    """Neither on hosts nor in the record."""
    here = created(world)
    before = here.snapshot()

    here.renew("all", yes=False, dry_run=True, sans=("more.example.org",))
    here.rotate(yes=False, dry_run=True)

    assert here.snapshot() == before
    assert here.state.rotation.read() is None
    assert here.state.read_proposed() is None


def test_what_is_shown(world: MakeWorld, tmp_path: Path) -> None:
    """Everything, once each: files, what is inside kubeconfigs, the copies on this machine, and what is served."""
    here = created(world, control_planes=1, workers=1)
    found = here.inspect()

    names = {row.name for row in found.rows if row.node == "cp1"}
    assert names == {*(set(FILES) - {"super-admin.conf"}), "ca", "etcd-ca", "front-proxy-ca", "sa"}
    assert {row.name for row in found.rows if row.node == "w1"} == {"ca", "kubelet-client", "kubelet-serving"}
    assert {row.name for row in found.rows if row.node == "this machine"} == {
        *("ca", "etcd-ca", "front-proxy-ca", "admin.conf", "your kubeconfig")
    }
    assert {row.name: row.authority for row in found.rows if row.kind == "certificate"}["etcd-peer"] == "etcd-ca"
    assert {row.name for row in found.rows if row.served} == {
        *("apiserver", "etcd-server", "etcd-peer", "kubelet-serving")
    }
    assert found.ok
    assert not here.inspect(warn_days=40000).ok


def test_what_is_wrong_is_shown(world: MakeWorld, some_authorities: Authorities) -> None:
    """A certificate that is not the one that is served, one of another CA, one that is damaged, a host that is down."""
    here = created(world, control_planes=1, workers=2)
    foreign = some_authorities.renewed(("ca",), timedelta(days=400), SYSTEM_CLOCK.now())
    pair = foreign.ca.issue(Subject("x"), [CLIENT], [], validity=timedelta(days=300), now=SYSTEM_CLOCK.now())
    here["cp1"].files[FILES["front-proxy-client"]] = (pair.certificate.decode(), "644")
    here["cp1"].files[FILES["scheduler.conf"]] = ("nonsense", "600")
    here["w1"].files[FILES["kubelet-serving"]] = here["cp1"].files[FILES["kubelet-serving"]]
    here.power_off("w2")

    found = here.inspect()

    assert {(row.node, row.name): what for row, what in found.problems} == {
        ("cp1", "front-proxy-client"): "from a CA that is not this cluster's",
        ("cp1", "scheduler.conf"): next(what for row, what in found.problems if row.kind == "damaged"),
        ("w1", "kubelet-serving"): "another one is served: restart it",
    }
    assert list(found.missed) == ["w2"]


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
@pytest.mark.parametrize("name", ["apiserver", "etcd-server", "kubelet-serving"])
def test_a_damaged_certificate_is_shown_and_renewed(name: str, content: str, world: MakeWorld) -> None:
    """A disk that was full has left it so; what has read it before serves on."""
    here = created(world, control_planes=1, workers=1)
    here["cp1"].files[FILES[name]] = (content, "644")

    found = here.inspect()

    assert [(row.node, row.name, row.kind) for row, _ in found.problems] == [("cp1", name, "damaged")]
    assert FILES[name] in found.problems[0][1]
    assert not found.ok
    assert len(found.rows) == len({(row.node, row.name, row.file) for row in found.rows}) > 20
    assert here.renew().renewed == {"cp1": (name,)}
    assert here.inspect().ok
    assert not here.renew().changed


def test_a_ca_or_a_kubeconfig_that_is_damaged_is_shown(world: MakeWorld) -> None:
    """On a node, and on this machine."""
    here = created(world, control_planes=1, workers=1)
    here["w1"].files["/etc/kubernetes/pki/ca.crt"] = ("", "644")
    text = here.kubeconfig.read_text()
    here.kubeconfig.write_text(re.sub("(client-certificate-data: ).*", r"\1AAAA", text))

    found = here.inspect()

    assert {(row.node, row.name, row.kind) for row, _ in found.problems} == {
        ("w1", "ca", "damaged"),
        ("this machine", "your kubeconfig", "damaged"),
    }
