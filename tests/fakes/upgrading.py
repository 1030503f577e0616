"""What a fake machine does when it is upgraded, with what kubeadm and Kubernetes would object to."""

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kubeon import quick_yaml
from kubeon.bundle.install import WAITING
from kubeon.cluster.apart import KUBECONFIG
from kubeon.hosts.marks import UPGRADED
from kubeon.spec.versions import Version, kubeadm_api, kubelet_client_group, lists_flags, refuses_cgroup_v1
from tests.fakes.restore import ExitError

if TYPE_CHECKING:
    from tests.fakes.machine import Machine

KUBEADM, KUBELET = "/usr/local/bin/kubeadm", "/usr/local/bin/kubelet"


class Upgrading:
    """Tokens of an upgrade."""

    machine: "Machine"
    root: str
    stdin: Iterable[bytes]
    apart_from: str
    led: bool

    if TYPE_CHECKING:

        def say(self, line: str) -> None:
            """See Run."""

        def _start_kubelet(self) -> None: ...

        def do_toward(self, server: str) -> None: ...

    def do_root(self, root: str) -> None:
        """The folder that stands for /."""
        self.root = root.strip("'")

    def do_waits(self) -> None:
        """Is anything brought that is not in use yet?"""
        if any(path.startswith(WAITING) for path in self.machine.programs):
            self.say(WAITING)

    def do_activate(self, sha256: str, mode: str, path: str, owing: str) -> None:
        """From where it waits to where it is used."""
        machine = self.machine
        if machine.programs.get(path) == (sha256, mode):
            return
        assert machine.programs[f"{WAITING}{path}"] == (sha256, mode), f"{path} does not wait"
        assert path != KUBELET or not machine.kubelet_runs, "the kubelet runs"
        if owing:
            machine.stamps.add(owing)
        machine.programs[path] = (sha256, mode)
        if f"{WAITING}{path}" in machine.versions:
            machine.versions[path] = machine.versions[f"{WAITING}{path}"]
        self.say(path)

    def do_stand_apart(self, own: str, other: str, address: str | None, led: str | None) -> None:
        """Others are asked meanwhile: one that is a control plane, and not this one. `address`: its API server ends.

        `led`: until others lead, which have one.
        """
        machine = self.machine
        self.led = bool(led)
        assert address in (None, machine.address)
        if address:
            machine.api.ended.append(machine.name)
        others = [each for each in machine.api.machines.values() if each.name in machine.api.versions]
        assert other in {f"{each.address}:6443" for each in others if each is not machine}
        self.apart_from = own
        self.do_toward(other)
        self._start_kubelet()

    def do_end_apart(self, own: str) -> None:
        """Also when the script fails."""
        assert own == self.apart_from
        self.apart_from = ""
        self.do_toward(own)
        self._start_kubelet()

    def do_end_api_server(self, address: str) -> None:
        """Without the kubelet it stays away, and so does etcd: of one control plane at a time."""
        machine = self.machine
        assert address == machine.address
        assert not machine.kubelet_runs, "the kubelet would start it again"
        assert not [each.name for each in machine.api.machines.values() if each.aside], "one of them has ended already"
        machine.aside = ("kube-apiserver",)

    def do_end_etcd(self) -> None:
        """Its API server has gone before."""
        assert self.machine.aside == ("kube-apiserver",)
        self.machine.aside += ("etcd",)

    def do_kubeadm_upgrade(self, line: str) -> None:
        """As kubeadm does, and only in the order that it wants."""
        words, machine, api = shlex.split(line), self.machine, self.machine.api
        assert (f"--kubeconfig={KUBECONFIG}" in words) == bool(self.apart_from)
        mine = Version.parse(machine.versions[KUBEADM])
        assert "--certificate-renewal=false" in words
        ignored = dict(word.partition("=")[::2] for word in words).get("--ignore-preflight-errors", "").lower()
        if (
            machine.cgroup.startswith("tmpfs")
            and refuses_cgroup_v1(mine)
            and "systemverification" not in ignored.split(",")
        ):
            raise ExitError("[ERROR SystemVerification]: cgroups v1 support is deprecated")
        self.read_configuration(api.cluster_configuration or {})
        if words[2] == "apply":
            assert Version.parse(words[3]) == mine, "kubeadm and the version it is told"
            assert self.led or machine.name not in api.ended, "no controller makes the pod of kubeadm's Job"
            ill = [name for name in api.versions if not _is_ready(api.nodes[name])]
            assert not ill, f"there are NotReady control-planes in the cluster: {ill}"
            api.configured = words[3]
            self.let_api_servers_in(mine)
            if api.cluster_configuration:
                api.cluster_configuration = _converted(api.cluster_configuration, mine)
        assert Version.parse(api.configured) == mine, "kubeadm upgrade apply has not been"
        if machine.name in api.versions:
            api.versions[machine.name] = api.configured
        api.upgraded.append((words[2], machine.name))
        self.say("[upgrade] done")

    def do_read_back(self, kubeadm: str) -> None:
        """kubeadm reads what is to be stored; without a node's part it would look for that on the host."""
        document, node = quick_yaml.load_all(b"".join(self.stdin))
        version = Version.parse(self.machine.versions.get(KUBEADM, document["kubernetesVersion"]))
        assert kubeadm == f"kubeadm config {'validate' if version.at_least(28) else 'images list'}"
        assert node["localAPIEndpoint"]["advertiseAddress"] == self.machine.address
        self.read_configuration(document)
        self.machine.api.read_back.append(document)

    def read_configuration(self, document: Mapping[str, Any]) -> None:
        """In its own words."""
        listed = lists_flags(str(document.get("apiVersion", "v1beta3")).rpartition("/")[2])
        for name in ("apiServer", "controllerManager", "scheduler"):
            args = (document.get(name) or {}).get("extraArgs")
            if args is not None and isinstance(args, list) != listed:
                kind = "object" if listed else "array"
                raise ExitError(f"json: cannot unmarshal {kind} into Go struct field ControlPlaneComponent.{name}")

    def let_api_servers_in(self, version: Version) -> None:
        """Releases whose certificates have no group bind the user."""
        if not kubelet_client_group(version):
            self.machine.api.applied["ClusterRoleBinding/kubeadm:apiserver-kubelet-client"] = {}

    def do_upgraded(self, version: str) -> None:
        """kubeadm came to its end."""
        self.machine.files[UPGRADED] = (f"{version}\n", "644")

    def do_stop_kubelet(self) -> None:
        """Its node is not Ready before long; pods run on."""
        node = self.machine.api.nodes[self.machine.name]
        assert node["spec"].get("unschedulable"), "pods are still sent here"
        self.machine.units["kubelet.service"], self.machine.lingers = "inactive", True
        node["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]

    def do_start_kubelet_again(self) -> None:
        """Whichever it is; where it runs nothing happens."""
        if self.machine.units["kubelet.service"] != "active":
            self._start_kubelet()

    def do_start_new_kubelet(self) -> None:
        """Nothing waits any more, and what has ended starts."""
        machine = self.machine
        assert machine.aside in ((), ("kube-apiserver", "etcd"))
        machine.programs = {path: what for path, what in machine.programs.items() if not path.startswith(WAITING)}
        self._start_kubelet()

    def remake_static_pods(self, version: str) -> None:
        """A kubelet of another minor release than the one before does it: their hash is another one."""
        machine = self.machine
        before, machine.kubelet_was = machine.kubelet_was, version
        if before and Version.parse(before).minor != Version.parse(version).minor:
            for name in machine.containers:
                machine.start(name)
            if machine.containers:
                machine.forbids = machine.without_etcd = 1

    def do_unpin(self, reference: str) -> None:
        """The kubelet may collect it."""
        self.machine.images[reference][1] = False


def _is_ready(node: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def _converted(document: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """As kubeadm of a release writes it."""
    api = kubeadm_api(version)
    manager = document.get("controllerManager") or {}
    if lists_flags(api) and isinstance(args := manager.get("extraArgs"), dict):
        manager = manager | {"extraArgs": [{"name": name, "value": value} for name, value in args.items()]}
    return {
        **document,
        "apiVersion": f"kubeadm.k8s.io/{api}",
        "kubernetesVersion": str(version),
        "controllerManager": manager,
    }
