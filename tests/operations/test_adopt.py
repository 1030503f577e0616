"""`adopt` on fakes: what is found, what is refused, how little is written, and what later commands do."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import yaml

from kubeon.cluster.options import Options
from kubeon.errors import KubeonError, PreflightError, StateError
from kubeon.hosts.marks import ADOPTED, MARKER
from kubeon.operations import adopt as operation
from kubeon.operations import forget, rename
from kubeon.operations.base import CreateResult
from kubeon.pki.authorities import new_authorities
from kubeon.spec.loading import dump_spec, load_file
from kubeon.waiting import SYSTEM_CLOCK
from tests.conftest import MakeWorld
from tests.engine.test_runner import Watcher
from tests.fakes.machine import CGROUP_V1, Machine
from tests.fakes.world import World

Change = Callable[[World], None]
FIRST = [{"address": "10.0.0.1", "role": "control-plane"}]
W2 = {"address": "10.0.1.2", "role": "worker"}


def plain(world: MakeWorld, **fields: Any) -> World:
    """A cluster as plain kubeadm leaves it, and a control machine that does not know it."""
    here = world(workers=2, networking={"plugin": "none"}, **fields)
    for machine in here.machines.values():
        machine.files["/etc/cni/net.d/10-flannel.conflist"] = ("{}\n", "644")
    here.create()
    here.state.remove()
    for machine in here.machines.values():
        for path in [MARKER, *(path for path in machine.files if path.startswith("/var/lib/kubeon/"))]:
            machine.files.pop(path, None)
        machine.settings.clear()
        machine.changed.clear()
        node = here.api.nodes[machine.name]
        node["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""} if machine.is_control_plane else {}
    here.api.configmaps = {"kubeadm-config": {}, "kubelet-config": {"kubelet": "cgroupDriver: systemd\n"}}
    configure(here)
    return here


def configure(here: World, **changes: Any) -> None:
    """kubeadm-config's ClusterConfiguration."""
    document = {
        "kubernetesVersion": "v1.34.1",
        "controlPlaneEndpoint": "10.0.0.1:6443",
        "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/12", "dnsDomain": "cluster.local"},
        "apiServer": {"certSANs": ["api.example.org"]},
        "imageRepository": "registry.k8s.io",
        "etcd": {"local": {"dataDir": "/var/lib/etcd"}},
    }
    here.api.configmaps["kubeadm-config"]["ClusterConfiguration"] = yaml.safe_dump({**document, **changes})


def adopt(here: World, name: str = "demo", *, yes: bool = True, given: Any = None, **how: Any) -> CreateResult:
    """`kubeon adopt`, of the first control plane."""
    here.watcher = Watcher()
    options = Options(secrets=here.secrets, kubeconfig=here.kubeconfig, **how)
    confirm = partial(here._confirm, yes)
    wanted = given or {"nodes": FIRST}
    result = operation.adopt(name, options, here.home, here.watcher, confirm, given=wanted)
    here.spec = here.home.cluster(name).read_spec() or here.spec
    return result


def add_worker(here: World) -> Machine:
    """`kubeon add` of w9, to which the user's own plug-in brings its network."""
    machine = here.machines["10.0.1.9"] = Machine("w9", "10.0.1.9", here.api)
    machine.files["/etc/cni/net.d/10-flannel.conflist"] = ("{}\n", "644")
    here.add({"address": "10.0.1.9", "role": "worker", "name": "w9"})
    return machine


def written(here: World) -> set[str]:
    """All that scripts which change a host did since."""
    return {token for machine in here.machines.values() for token in machine.changed}


def test_a_plain_cluster_is_taken_over_and_hardly_written_to(world: MakeWorld) -> None:
    """The mark, and what says that kubeon did not make the node; the description is what the cluster is."""
    here = plain(world)
    before = {name: dict(machine.files) for name, machine in here.machines.items()}

    result = adopt(here)

    assert [(node.name, node.ready) for node in result.nodes] == [("cp1", True), ("w1", True), ("w2", True)]
    for name, machine in here.machines.items():
        assert set(machine.files) - set(before[name]) == {MARKER, ADOPTED}
        assert {path: machine.files[path] for path in before[name]} == before[name]
    assert written(here) == {"file"}
    spec = here.spec
    assert (spec.version, spec.networking.plugin, spec.load_balancer.mode) == ("v1.34.1", "none", "external")
    assert (spec.load_balancer.address, spec.load_balancer.name) == ("10.0.0.1:6443", "10.0.0.1")
    assert spec.runtime.cgroup_driver == "systemd"
    assert spec.certificates.sans == ("api.example.org",)
    assert [(node.name, str(node.address)) for node in spec.nodes] == [
        ("cp1", "10.0.0.1"),
        ("w1", "10.0.1.1"),
        ("w2", "10.0.1.2"),
    ]
    shown = "\n".join(here.plans[-1].header)
    assert "not named, found from the API: w1, w2" in shown
    assert "network plug-in found: flannel" in shown
    assert "API at 10.0.0.1:6443" in shown
    assert "the first expires on" in shown
    assert yaml.safe_load(here.kubeconfig.read_text())["contexts"][0]["name"] == "demo"


def test_again_changes_nothing(world: MakeWorld) -> None:
    """Nor does it look at hosts."""
    here = plain(world)
    adopt(here)
    before, connected = here.snapshot(), len(here.connected)

    assert not adopt(here).changed
    assert (here.snapshot(), len(here.connected)) == (before, connected)
    with pytest.raises(StateError, match="known here already"):
        adopt(here, given={"nodes": [{"address": "10.0.0.9", "role": "control-plane"}]})


def test_after_a_login_by_password_the_next_one_needs_none(world: MakeWorld) -> None:
    """The cluster's own key is left, as by create."""
    here = plain(world)
    for machine in here.machines.values():
        machine.password = here.secrets.ssh_password
        machine.keys.clear()

    adopt(here)

    assert written(here) == {"file", "authorize"}
    assert all(len(machine.keys) == 1 for machine in here.machines.values())


@pytest.mark.parametrize("token", ["file", "read", "kubectl"])
def test_cut_off_it_is_finished_by_the_same_command(token: str, world: MakeWorld) -> None:
    """Anywhere."""
    here = plain(world)
    here["cp1"].cuts.add(token)

    with pytest.raises(KubeonError):
        adopt(here)
    adopt(here)

    assert here.home.clusters() == ["demo"]
    assert all(ADOPTED in machine.files and MARKER in machine.files for machine in here.machines.values())


def test_cut_off_other_commands_say_what_finishes_it(world: MakeWorld) -> None:
    """Not `create`, which would not take its hosts for its own."""
    here = plain(world)
    here["cp1"].cuts.add("file")
    with pytest.raises(KubeonError):
        adopt(here)

    with pytest.raises(StateError, match="cluster demo is not finished") as caught:
        here.upgrade("v1.35.0")

    assert caught.value.hint == "finish it: the same kubeon adopt again"


def test_create_changes_nothing_on_what_was_adopted(world: MakeWorld) -> None:
    """Not even with the description alone, when the record is lost; certificates of a year stay as they are."""
    here = plain(world)
    adopt(here)
    before, asked = here.snapshot(), here.server.asked.total()

    result = here.create()

    assert not result.changed
    assert {node.name for node in result.nodes if node.ready} == {"cp1", "w1", "w2"}
    assert here.snapshot() == before
    assert here.server.asked.total() == asked, "nothing is to be installed, so nothing is fetched"
    assert not here.plans[-1].changes
    here.state.remove()
    here.create()
    assert here.changes() == []
    assert here.snapshot() == before


def test_a_new_worker_is_kubeons_own_and_the_others_are_left_alone(world: MakeWorld) -> None:
    """It joins by the cluster's endpoint; naming an adopted node again does nothing to it."""
    here = plain(world)
    adopt(here)
    before = {name: machine.snapshot() for name, machine in here.machines.items()}

    new = add_worker(here)

    assert ADOPTED not in new.files
    assert "server: https://10.0.0.1:6443" in new.files["/etc/kubernetes/kubelet.conf"][0]
    assert {name: here[name].snapshot() for name in ("cp1", "w1", "w2")} == {
        machine.name: before[address] for address, machine in here.machines.items() if machine is not new
    }
    again = here.add(W2)
    assert not again.changed
    assert [node.ready for node in again.nodes] == [True]
    assert not here.create(here.home.known("demo")).changed


def test_an_adopted_worker_can_leave_and_the_endpoint_cannot(world: MakeWorld) -> None:
    """A control plane whose address all kubeconfigs hold is not to be removed."""
    here = plain(world, control_planes=3)
    adopt(here)

    here.delete("@w2")
    with pytest.raises(PreflightError, match=r"the API is reached at 10.0.0.1:6443, which is cp1 itself"):
        here.delete("@cp1")

    assert not here["w2"].files
    assert sorted(here.api.nodes) == ["cp1", "cp2", "cp3", "w1"]


def test_renamed_forgotten_and_adopted_again(world: MakeWorld) -> None:
    """Under the name that the mark has; a node that kubeon added in between stays kubeon's own."""
    here = plain(world)
    adopt(here)
    add_worker(here)
    options = Options(secrets=here.secrets, kubeconfig=here.kubeconfig)
    rename.rename("demo", options, here.home, here.watcher, partial(here._confirm, True), new="prod")
    forget.forget("prod", options, here.home, partial(here._confirm, True))
    before = here.snapshot()

    with pytest.raises(PreflightError, match="adopted as prod already"):
        adopt(here)
    adopt(here, "prod")

    assert here.snapshot() == before
    assert ADOPTED not in here.machines["10.0.1.9"].files
    assert len(here.spec.nodes) == 4


def test_a_cluster_of_kubeons_own_is_not_adopted(world: MakeWorld) -> None:
    """Its description takes it up again."""
    here = plain(world)
    adopt(here)
    for machine in here.machines.values():
        del machine.files[ADOPTED]
    here.state.remove()

    with pytest.raises(PreflightError, match="kubeon made this cluster"):
        adopt(here)


def external_etcd(here: World) -> None:
    configure(here, etcd={"external": {"endpoints": ["https://10.0.0.9:2379"]}})


def old(here: World) -> None:
    configure(here, kubernetesVersion="v1.19.3")


def mixed(here: World) -> None:
    here.api.nodes["w1"]["status"]["nodeInfo"]["kubeletVersion"] = "v1.34.0"


def unready(here: World) -> None:
    here.api.nodes["w2"]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "message": "no news"}]


def docker(here: World) -> None:
    here.api.nodes["w2"]["status"]["nodeInfo"]["containerRuntimeVersion"] = "docker://19.3.5"


def six(here: World) -> None:
    configure(here, networking={"podSubnet": "10.244.0.0/16,fd00::/56", "serviceSubnet": "10.96.0.0/12"})


def no_ca_key(here: World) -> None:
    del here["cp1"].files["/etc/kubernetes/pki/ca.key"]


def other_folder(here: World) -> None:
    configure(here, certificatesDir="/srv/pki")


def another_machine(here: World) -> None:
    here.api.nodes["w1"]["status"]["nodeInfo"]["machineID"] = "somebody"


def marked(here: World) -> None:
    here["w1"].files[MARKER] = ("other 0123\n", "644")


def down(here: World) -> None:
    here.dead.add("10.0.1.2")


def no_member(here: World) -> None:
    here.api.etcd.members[0].address = "10.0.0.7"


def no_configuration(here: World) -> None:
    here.api.configmaps["kubeadm-config"] = {"ClusterConfiguration": ""}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (external_etcd, "its etcd is an external one"),
        (old, "too old"),
        (mixed, "the kubelet of w1 v1.34.0"),
        (unready, "node w2 is not Ready: no news"),
        (docker, "node w2 runs on docker"),
        (six, "IPv6"),
        (no_ca_key, "cp1 lacks /etc/kubernetes/pki/ca.key"),
        (other_folder, "certificates are in /srv/pki"),
        (another_machine, "w1 .*another machine than the node"),
        (marked, "w1 .*mark of another cluster, other"),
        (down, "no route to host"),
        (no_member, "control plane cp1 has no member in etcd"),
        (no_configuration, "no ClusterConfiguration"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_kubeon_cannot_look_after_is_refused_untouched(change: Change, why: str, world: MakeWorld) -> None:
    """With the reason, exit code 4, and nothing on record."""
    here = plain(world)
    change(here)
    before = here.snapshot()

    with pytest.raises(PreflightError) as caught:
        adopt(here)

    assert "nothing was changed" in caught.value.what
    assert re.search(why, caught.value.why)
    assert here.snapshot() == before
    assert here.home.clusters() == []


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"address": "10.0.9.9", "role": "worker"}, "no node at 10.0.9.9"),
        ({"address": "10.0.1.1", "role": "worker", "name": "x"}, "is called w1, not x"),
        ({"address": "10.0.1.1", "role": "control-plane"}, "is a worker: -w"),
    ],
)
def test_what_is_said_of_nodes_has_to_be_so(node: dict[str, Any], why: str, world: MakeWorld) -> None:
    """By address, name and role."""
    here = plain(world)

    with pytest.raises(KubeonError, match=why):
        adopt(here, given={"nodes": [*FIRST, node]})


def test_logins_that_are_given_are_kept(world: MakeWorld) -> None:
    """For all, and for one node."""
    here = plain(world)
    worker = {**W2, "ssh": {"user": "admin", "port": 2222}}

    adopt(
        here, given={"nodes": [*FIRST, worker], "ssh": {"user": "operator"}, "sources": {"registry": "r.example.org"}}
    )

    mapping = load_file(dump_spec(here.spec), "it")
    assert mapping["ssh"] == {"user": "operator"}
    assert mapping["nodes"][2]["ssh"] == {"user": "admin", "port": 2222}
    assert mapping["sources"] == {"registry": "r.example.org"}


def test_what_has_a_price_is_said(world: MakeWorld) -> None:
    """No endpoint, no pod network, other images, a cordoned node."""
    here = plain(world)
    configure(here, controlPlaneEndpoint="", networking={}, imageRepository="mirror.example.org/k8s")
    here.api.nodes["w1"]["spec"]["unschedulable"] = True

    adopt(here, yes=False)

    warnings = "\n".join(f"{finding.host}: {finding.what}" for finding in here.plans[-1].warnings)
    for text in (
        "reached at cp1 itself",
        "no controlPlaneEndpoint",
        "pods' addresses",
        "mirror.example.org",
        "w1: it is cordoned",
    ):
        assert text in warnings
    assert here.home.clusters() == []


def test_an_endpoint_with_a_name_is_its_owners_business(world: MakeWorld) -> None:
    """It is looked up by DNS, on new nodes too."""
    here = plain(world)
    configure(here, controlPlaneEndpoint="api.example.org")

    adopt(here)

    assert here.spec.load_balancer.address == "api.example.org:6443"
    assert not here.plans[-1].warnings


def test_a_record_of_another_cluster_under_that_name_is_not_overwritten(world: MakeWorld) -> None:
    """An unfinished create left CAs of its own."""
    here = plain(world)
    here.state.write_pki(new_authorities(timedelta(days=9), SYSTEM_CLOCK.now()).to_files())

    with pytest.raises(StateError, match="its CA differs"):
        adopt(here)


def test_what_kubelets_are_told_is_described_and_holds_for_new_nodes(world: MakeWorld) -> None:
    """Also where an earlier kubeon has adopted the cluster without it; what is described beside it stays."""
    here = plain(world, version="v1.36.3")
    configure(here, kubernetesVersion="v1.36.3")
    here.api.configmaps["kubelet-config"]["kubelet"] = "failCgroupV1: false\nmaxPods: 200\nhealthzPort: 10248\n"

    adopt(here, given={"nodes": FIRST, "kubelet": {"maxPods": 99, "podPidsLimit": 512}})

    assert here.spec.kubelet == {"failCgroupV1": False, "maxPods": 200, "podPidsLimit": 512}
    assert here.spec.runtime.cgroup_driver == "systemd"
    here.state.write_spec(here.spec.model_copy(update={"kubelet": {}}))
    new = here.machines["10.0.1.9"] = Machine("w9", "10.0.1.9", here.api)
    new.files["/etc/cni/net.d/10-flannel.conflist"] = ("{}\n", "644")
    for machine in here.machines.values():
        machine.cgroup = CGROUP_V1
    here.add({"address": "10.0.1.9", "role": "worker", "name": "w9"})
    assert "w9" in here.api.nodes


def test_the_cgroup_driver_is_the_one_that_runs_where_kubelets_were_told_none(world: MakeWorld) -> None:
    """Not what some release of kubeadm would have said."""
    here = plain(world)
    here.api.configmaps["kubelet-config"]["kubelet"] = "maxPods: 200\n"
    here["cp1"].pod_cgroups = "/sys/fs/cgroup/kubepods"

    adopt(here)

    assert here.spec.runtime.cgroup_driver == "cgroupfs"
