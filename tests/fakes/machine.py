"""A machine that understands every script kubeon sends, token by token, remembers what it did, and refuses any other.

A script is read from its start; at each place one of the patterns in GRAMMAR must match: kubeon's own shell libraries
word for word (they do nothing by themselves), or one of their calls, which changes the machine's memory.
"""

import base64
import gzip
import hashlib
import io
import json
import re
import shlex
import tarfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

from kubeon import quick_yaml
from kubeon.cluster import certificates, kubeadm
from kubeon.cri import containerd
from kubeon.errors import LostError, StateError
from kubeon.hosts import host
from kubeon.hosts.marks import ADOPTED, JOINED
from kubeon.lb import haproxy
from kubeon.pki.inspect import describe
from kubeon.spec.versions import Version, refuses_cgroup_v1
from kubeon.transport.base import Result
from kubeon.waiting import SYSTEM_CLOCK
from tests.fakes.api import FakeApi, KubectlError
from tests.fakes.etcd import EtcdError
from tests.fakes.grammar import GRAMMAR
from tests.fakes.restore import EtcdTokens, ExitError, etcd_manifest
from tests.fakes.startup import Startup, finds_the_api
from tests.fakes.upgrading import Upgrading
from tests.hosts.samples import sample

CGROUP_V1 = "tmpfs\n" + "\n".join(f"mount /sys/fs/cgroup/{name} 1" for name in ("cpu", "memory"))
# what ctr 2.2 and newer say on hosts with cgroup v1, on standard error, beside every answer
DEPRECATION = 'time="2026-11-29T10:00:00Z" level=warning msg="DEPRECATION: The support for cgroup v1 is deprecated"'
MANIFESTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
KUBERNETES, KUBELET = "/etc/kubernetes", "/var/lib/kubelet"
MANAGER = f"{KUBERNETES}/manifests/kube-controller-manager.yaml"
READS = {
    *("facts", "is_there", "images", "read", "waits", "init_done", "kubectl", "reach", "umask", "stamp", "inside"),
    *("busy", "send_snapshot", "describe_snapshot", "has_etcdutl"),
    *("try_way", "listening", "read_back", "pod_cgroups"),
    *("check_haproxy", "check_external", "check_updater", "health", "failure", "ask", "health_end", "through"),
    *("inspect_etcd", "has_snapshot", "restore_library"),
    *("check_haproxy", "check_external", "running", "owed", "healthz", "certificates", "served"),
}  # change nothing on the machine


class Machine:
    """One host's memory, and what may go wrong on it: `fails` and `cuts` name the token that fails, or is the last."""

    def __init__(self, name: str, address: str, api: FakeApi, *, password: str | None = None) -> None:
        self.name, self.address, self.api, self.password = name, address, api, password
        self.files: dict[str, tuple[str, str]] = {}  # path: content, mode
        self.programs: dict[str, tuple[str, str]] = {}  # path: sha256, mode
        self.versions: dict[str, str] = {}  # of programs of Kubernetes, by path
        self.images: dict[str, list[Any]] = {}  # reference: digest, pinned
        self.units: dict[str, str] = {}  # unit: active, inactive; all of them enabled
        self.settings: dict[str, None] = {}  # calls of the preparation, in order
        self.stamps: set[str] = set()
        self.restarted: list[str] = []  # containers that were asked to end
        self.falls: tuple[str, ...] = ()  # containers that end by themselves with the API server
        self.snapshot_file = b""  # in the folder for snapshots
        self.aside: tuple[str, ...] = ()  # what was ended of the control plane, and waits for the kubelet
        self.trouble = ""  # what the script prints that asks why kubeadm has failed
        self.clock = 0.0  # seconds that it is ahead
        self.disk_used = 40  # % of its one file system
        self.etcd_disk = 9999  # MiB free
        self.detour = ""  # the control plane to which a worker's line for the API leads, where that is not kubeon's
        self.lingers = False  # the kubelet was stopped, and its pods run on
        self.containers: dict[str, int] = {}  # what runs of the control plane: how often it was started
        self.loaded: dict[str, dict[str, tuple[str, str]]] = {}  # by component, all files as they were when it started
        self.refuses = 0  # so many calls of kubectl, after which the API server is there again
        self.forbids = 0  # so many more, after which it knows who may do what
        self.without_etcd = 0  # so many questions to etcd, after which its container is there again
        self.kubelet_was = ""  # the version of the last one that was started
        self.image_has_etcdutl = True
        self.keys: list[str] = []  # authorized_keys
        self.fails: dict[str, str] = {}  # token: what it says; once
        self.cuts: set[str] = set()  # tokens after which the connection is lost; twice where kubeon asks once more
        self.cut_before: set[str] = set()
        self.closed = threading.Event()  # kubeon has closed a connection to it
        self.told: list[str] = []  # tokens, in order
        self.changed: list[str] = []  # those that are not reads
        self.hook: Callable[[str], object] = lambda token: None  # called before each token
        self.busy = ""  # what a run before still does here, for a while
        self.cgroup = "cgroup2fs\nmount /sys/fs/cgroup 2"
        self.pod_cgroups = "/sys/fs/cgroup/kubepods.slice"  # once pods run
        self.listening = ""  # lines of ss, of others' programs
        self.proxy = (0, "")  # kube-proxy's pod: the how many-th, and kubeon's block in the /etc/hosts of its start
        api.machines[address] = self
        self.around: Callable[[str], AbstractContextManager[None]] = lambda token: nullcontext()  # and around it

    def snapshot(self) -> tuple[object, ...]:
        """All its memory, to compare. Every script does that twice: what cannot change is not copied."""
        fixed = (self.files, self.programs, self.units, self.settings)
        images = tuple((reference, *image) for reference, image in tuple(self.images.items()))
        stamps, keys = frozenset(self.stamps), tuple(self.keys)
        return (*(tuple(each.items()) for each in fixed), images, stamps, keys, self.snapshot_file)

    def run(self, script: str, stdin: Iterable[bytes], on_line: Callable[[str], None] | None) -> Result:
        """Run a script."""
        return Run(self, script, stdin, on_line).result()

    def start(self, component: str) -> None:
        """It reads its files when it starts, and never again."""
        self.loaded[component] = dict(self.files)
        if component != "kubelet":
            self.containers[component] = self.containers.get(component, 0) + 1
        if component == "kube-controller-manager":
            self.api.root_ca = self.files[f"{KUBERNETES}/pki/ca.crt"][0]

    @property
    def hosts_block(self) -> str:
        """kubeon's lines in /etc/hosts."""
        calls = [call for call in self.settings if call.startswith("ensure_hosts_block")]
        return "".join(call.split("\n", 1)[1].removesuffix("KUBEON_HOSTS") for call in calls)

    @property
    def serves_names(self) -> tuple[str, ...]:
        """In the certificate that its API server has loaded."""
        return names_in(self.loaded["kube-apiserver"][f"{KUBERNETES}/pki/apiserver.crt"][0])

    @property
    def way_problem(self) -> str:
        """Why its kubelet does not reach the API by its line in /etc/hosts; "" when it does."""
        found = re.search(r"server: https://(\S+):(\d+)", self.files[f"{KUBERNETES}/kubelet.conf"][0])
        assert found
        name, port = found.groups()
        lines = [line.split() for line in self.hosts_block.splitlines()]
        address = next((words[0] for words in lines if name in words[1:]), name)
        address = self.detour.rpartition(":")[0] or address
        return self.api.problem_of(self, f"{address}:{port}", name)

    def start_proxy(self) -> None:
        """kube-proxy has a new pod."""
        self.proxy = (self.proxy[0] + 1, self.hosts_block)

    @property
    def is_control_plane(self) -> bool:
        """Does its API server run?"""
        if "kube-apiserver" in self.aside:
            return False
        return f"{KUBERNETES}/manifests/kube-apiserver.yaml" in self.files and (self.kubelet_runs or self.lingers)

    @property
    def kubelet_runs(self) -> bool:
        """Is the kubelet up, with a configuration?"""
        return self.units.get("kubelet.service") == "active" and f"{KUBELET}/config.yaml" in self.files

    def facts(self) -> str:
        """What the facts script prints here."""
        own = {
            "hostname": self.name,
            "machine-id": f"id-{self.address}",
            "product-uuid": f"uuid-{self.address}",
            "boot-id": f"boot-{self.address}",
            "container": "none",
            "addresses": f"2: eth0    inet {self.address}/16 brd 10.0.255.255 scope global eth0",
            "routes": "default via 10.0.255.254 dev eth0\n10.0.0.0/16 dev eth0 proto kernel scope link",
            "listening": self.listening,
            "units": "".join(f"{u} loaded active running x\n" for u, state in self.units.items() if state == "active"),
            "containerd-unit": "",
            "containers": "0",
            "cluster-marker": self._text(f"{KUBERNETES}/kubeon-cluster"),
            "ca": self._text(f"{KUBERNETES}/pki/ca.crt"),
            "kubelet-config": "yes" if f"{KUBELET}/config.yaml" in self.files else "",
            "kubelet-kubeconfig": "yes" if f"{KUBERNETES}/kubelet.conf" in self.files else "",
            "static-pods": "\n".join(
                n.rpartition("/")[2] for n in self.files if n.startswith(f"{KUBERNETES}/manifests/")
            ),
            "etcd-data": "yes" if "/var/lib/etcd/member" in self.files else "",
            "cni": "\n".join(n.rpartition("/")[2] for n in self.files if n.startswith("/etc/cni/net.d/")),
            "bridge-configuration": self._text("/etc/cni/net.d/10-kubeon-bridge.conflist"),
            "configuration": "\n".join(
                path.removeprefix("/etc/")
                for path in self.files
                if re.fullmatch(rf"{KUBERNETES}/[^/]+/[^/]+|/etc/systemd/system/[^/]+[.]service", path)
            ),
            "records": ("found\nfound/sysctl\ninstalled" if self.settings else "")
            + ("\njoined" if JOINED in self.files else "")
            + ("\nadopted" if ADOPTED in self.files else ""),
            "cgroup": self.cgroup,
            "cgroup-controllers": "cpu cpuacct cpuset devices freezer memory pids",
            "modules": "overlay\nbr_netfilter\nnf_conntrack",
            "hosts-block": self.hosts_block,
            "clock": "",
        }
        text = sample("debian-12-prepared")
        packages = [call.removeprefix("package ") for call in self.settings if call.startswith("package ")]
        text = re.sub(r"(@@kubeon (?:packages|commands)\n)", r"\1" + "".join(f"{name}\n" for name in packages), text)
        for section, body in own.items():
            text = re.sub(rf"(?ms)^@@kubeon {section}\n.*?(?=^@@kubeon |\Z)", "", text)
            text += f"\n@@kubeon {section}\n{body}\n"
        return text

    def health(self) -> str:
        """What the script of cluster-info prints here, to the end of what every host is asked."""
        pods = [name.rpartition("/")[2].removesuffix(".yaml") for name in self.files if "/manifests/" in name]
        containers = [
            {
                "metadata": {"name": pod, "attempt": 0},
                "state": "CONTAINER_RUNNING" if self.kubelet_runs else "CONTAINER_EXITED",
                "createdAt": "1",
                "labels": {"io.kubernetes.pod.name": f"{pod}-{self.name}"},
            }
            for pod in pods
        ]
        states = [(name, self.units.get(f"{name}.service", "inactive")) for name in ("kubelet", "containerd")]
        disk = f"/dev/vda1 1000 {self.disk_used * 10} {1000 - self.disk_used * 10} {self.disk_used}% /"
        crts = [(path, text) for path, (text, _) in self.files.items() if path.endswith(".crt")]
        sections = {
            "clock-first": f"{time.time() + self.clock:.6f}",
            "hostname": self.name,
            "kernel": "6.1.0-18-amd64",
            "os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
            "uptime": "86400.00 1.00",
            "cluster-marker": self._text(f"{KUBERNETES}/kubeon-cluster"),
            "units": "\n\n".join(f"Id={name}.service\nLoadState=loaded\nActiveState={state}" for name, state in states),
            "kubelet-says": "" if self.kubelet_runs else "Stopped kubelet.",
            "disks": f"space / {disk}\ninodes / {disk.replace(str(self.disk_used) + '%', '1%')}",
            "static-pods": "\n".join(f"{pod}.yaml" for pod in pods),
            "containers": json.dumps({"containers": containers}),
            "certificates": "\n".join(f"file {path}\n{text}" for path, text in crts),
        }
        return "".join(f"\n@@kubeon {name}\n{body}\n" for name, body in sections.items())

    def _text(self, path: str) -> str:
        return self.files.get(path, ("", ""))[0]


class Run(EtcdTokens, Startup, Upgrading):
    """One script on its way."""

    def __init__(
        self, machine: Machine, script: str, stdin: Iterable[bytes], on_line: Callable[[str], None] | None
    ) -> None:
        self.machine, self.script, self.stdin, self.on_line = machine, script, stdin, on_line
        self.out: list[str] = []
        self.told: list[str] = []
        self.lock = ""
        self.umask = "022"
        self.stamp = ""
        self.stage: dict[str, bytes] = {}
        self.root = ""
        self.temporary: set[str] = set()
        self.led = False  # by others than the managers of this host
        self.apart_from = ""  # where the kubelet goes when nobody stands apart any more

    def result(self) -> Result:
        """Read it to its end."""
        at, status, why = 0, 0, ""
        machine, before = self.machine, self.machine.snapshot()
        try:
            while at < len(self.script):
                found = ((name, match) for name, pattern in GRAMMAR if (match := pattern.match(self.script, at)))
                name, match = next(found, ("", None))
                if match is None or match.end() == at:
                    raise AssertionError(f"{self.machine.name} was not told about:\n{self.script[at : at + 600]}")
                at = match.end()
                self._do(name, match)
        except ExitError as error:
            status, why = error.code, str(error)
        finally:
            if self.apart_from:
                self.do_end_apart(self.apart_from)
            for path in self.temporary:
                machine.files.pop(path, None)
            writes = [name for name in self.told if name not in (*READS, "lock")]
            if writes and machine.snapshot() != before:  # else it was another lane's script
                machine.changed += writes
                assert self.lock == "x", f"{machine.name} was changed without the lock by {self.told}"
        return Result("".join(f"{line}\n" for line in self.out), why, status)

    def _do(self, name: str, match: re.Match[str]) -> None:
        machine = self.machine
        if name == "text":
            return  # told are only tokens with a meaning
        machine.told.append(name)
        self.told.append(name)
        if name in machine.fails:
            raise ExitError(machine.fails.pop(name))
        with machine.around(name):
            machine.hook(name)
            getattr(self, f"do_{name}")(**match.groupdict())
        if name in machine.cuts:
            if self.lock == "x" or name in machine.cut_before:
                machine.cuts.remove(name)
                machine.cut_before.discard(name)
            else:  # it is asked once more
                machine.cut_before.add(name)
            raise LostError("the connection was lost", host=machine.name)

    def say(self, line: str) -> None:
        """To standard output."""
        self.out.append(line)
        if self.on_line:
            self.on_line(line)

    # -- tokens, by name; arguments are the groups of their patterns ------------------------------------------------

    def do_lock(self, mode: str, seconds: str) -> None:
        assert int(seconds) == host.LOCK_WAIT
        if self.machine.busy:
            self.say(f"{host._WAITS}1785000085 1785000000 {self.machine.busy}")
            self.machine.busy = ""
        self.lock = mode.removeprefix("-")

    def do_busy(self, what: str) -> None:
        """For whoever waits."""
        assert what

    def do_umask(self, umask: str) -> None:
        self.umask = umask

    def do_stamp(self, stamp: str) -> None:
        self.stamp = shlex.split(stamp)[0] if stamp else ""  # one, or several with spaces between

    def do_facts(self) -> None:
        self.say(self.machine.facts())

    def do_health(self) -> None:
        self.tell(self.machine.health())

    def do_ask(self, name: str, seconds: str, script: str) -> None:
        """A script in a script."""
        assert int(seconds) <= 5
        result = Run(self.machine, script, (), None).result()
        self.tell(f"\n@@kubeon ask {name}\n{result.stdout}\n@@exit {result.exit_code}")
        warning = DEPRECATION if "ctr " in script else ""
        self.tell(f"\n@@kubeon said {name}\n{warning}\n{result.stderr}")

    def do_failure(self, since: str) -> None:
        """Nothing that anybody could see, unless a test has put something there."""
        assert int(since) < 600
        self.tell(self.machine.trouble)

    def do_health_end(self) -> None:
        self.tell(f"\n@@kubeon clock-last\n{time.time() + self.machine.clock:.6f}\n\n@@kubeon end")

    def do_through(self) -> None:
        """The kubelet's own way."""
        if not self.machine.kubelet_runs or self.machine.api.balancer_fails:
            raise ExitError(self.machine.api.balancer_fails or "The connection was refused")
        self.say("ok")

    def tell(self, text: str) -> None:
        """Many lines."""
        for line in text.splitlines():
            self.say(line)

    def do_file(self, path: str, mode: str, content: str, end: str) -> None:
        del end
        if self.machine.files.get(path) != (content, mode):
            self.machine.stamps.update(self.stamp.split())
            self.machine.files[path] = (content, mode)
            self.say(path)

    def do_link(self, target: str, path: str) -> None:
        self.machine.files[path] = self.machine.files[target]

    def do_setting(self, call: str) -> None:
        if call.startswith("ensure_hosts_block"):
            same = f"ensure_hosts_block {call.split()[1]} "  # one block for each cluster
            for other in [one for one in self.machine.settings if one.startswith(same) and one != call]:
                del self.machine.settings[other]
                if "\n# BEGIN" not in call:
                    self.say("/etc/hosts: entries removed")
            if "\n# BEGIN" not in call:
                return
        if call not in self.machine.settings:
            self.machine.settings[call] = None
            if call.startswith("ensure_hosts_block"):
                self.machine.detour = ""
                self.say(f"/etc/hosts: entries of kubeon {call.split()[1]}")
            else:
                self.say(call.splitlines()[0])

    def do_record(self) -> None:
        """Without a word."""

    def do_packages(self, required: str, optional: str) -> None:
        for package in f"{required} {optional}".replace("'", "").split():
            self.do_setting(f"package {package}")

    def do_is_there(self, sha256: str, mode: str, path: str) -> None:
        if self.machine.programs.get(path) != (sha256, mode):
            self.say(path)

    def do_unpack(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(self.stdin)), mode="r:gz") as archive:
            members = {info.name: archive.extractfile(info) for info in archive if info.isfile()}
            self.stage = {name.removeprefix("./"): file.read() for name, file in members.items() if file}

    def do_gunzip(self, path: str) -> None:
        self.stage = {f"{path}.kubeon-new": gzip.decompress(b"".join(self.stdin))}

    def do_place(self, sha256: str, mode: str, source: str, path: str) -> None:
        content = self.stage[source if source in self.stage else f"{path}.kubeon-new"]
        assert hashlib.sha256(content).hexdigest() == sha256
        self.machine.programs[self.root + path] = (sha256, mode)
        if content.startswith(b"\x7fELF kube"):
            self.machine.versions[self.root + path] = content.decode().split()[-1]

    def do_images(self) -> None:
        for reference, (digest, pinned) in self.machine.images.items():
            self.say(f"{reference} {digest} {containerd.PIN_LABEL if pinned else '-'}")

    def do_import(self) -> None:
        assert self.machine.units.get("containerd.service") == "active"
        with tarfile.open(fileobj=io.BytesIO(b"".join(self.stdin)), mode="r:") as archive:
            index = archive.extractfile("index.json")
            assert index is not None
            for image in json.load(index)["manifests"]:
                assert f"blobs/{image['digest'].replace(':', '/')}" in archive.getnames()
                self.machine.images[image["annotations"]["io.containerd.image.name"]] = [image["digest"], False]

    def do_pin(self, reference: str) -> None:
        self.machine.images[reference][1] = True

    def do_read(self, path: str) -> None:
        number, block = self.machine.proxy
        if path == f"{KUBELET}/pods/proxy-{number}/etc-hosts":
            self.say(f"{path} {base64.b64encode(block.encode()).decode()}")
        if path in self.machine.files:
            self.say(f"{path} {base64.b64encode(self.machine.files[path][0].encode()).decode()}")

    def do_unit(self, unit: str, stamp: str, start: str) -> None:
        units, owed = self.machine.units, stamp in self.machine.stamps
        if unit not in units:
            units[unit] = "inactive"
            self.say(f"{unit} enabled")
        if owed and units[unit] == "active":
            self.machine.restarted.append(unit)
            self.say(f"{unit} restarted")
        elif start and units[unit] != "active":
            units[unit] = "active"
            self.say(f"{unit} started")
        self.machine.stamps.discard(stamp)

    def do_authorize(self, key: str) -> None:
        if key not in self.machine.keys:
            self.machine.keys.append(key)
            self.say("key added to /root/.ssh/authorized_keys")

    def do_trap(self, path: str, other: str) -> None:
        self.temporary |= {path, other}

    def do_config(self, path: str, content: str) -> None:
        assert self.umask == "077"
        assert path in self.temporary
        assert path.startswith("/run/")
        self.machine.files[path] = (content, "600")

    def do_kubeadm(self, privately: str | None, line: str) -> None:
        words = shlex.split(line)
        assert bool(privately) == (kubeadm.HOSTS in self.machine.files)
        flags = dict(word.partition("=")[::2] for word in words[4:])
        assert words[0] == "kubeadm"
        assert words[2] == "--config"
        self._preflight(set(flags.get("--ignore-preflight-errors", "").split(",")))
        documents = {each["kind"]: each for each in quick_yaml.load_all(self.machine.files[words[3]][0])}
        self.say(f"[{words[1]}] begins")
        if words[1] == "init":
            self._init(documents)
        else:
            self._join(documents["JoinConfiguration"])

    def _preflight(self, ignored: set[str]) -> None:
        """kubeadm's own, of what matters here."""
        machine = self.machine
        assert {"/usr/local/bin/kubelet", "/usr/local/bin/kubeadm"} <= set(machine.programs)
        assert machine.units["containerd.service"] == "active"
        assert {"/etc/systemd/system/kubelet.service", f"{KUBERNETES}/pki/ca.crt"} <= set(machine.files)
        complaints = {
            "FileAvailable--etc-kubernetes-kubelet.conf": f"{KUBERNETES}/kubelet.conf" in machine.files,
            "FileAvailable--etc-kubernetes-pki-ca.crt": f"{KUBERNETES}/pki/ca.crt" in machine.files,
            "Port-10250": machine.kubelet_runs,
            "DirAvailable--var-lib-etcd": "/var/lib/etcd/member" in machine.files,
            **{
                f"FileAvailable--etc-kubernetes-manifests-{name}.yaml": f"{KUBERNETES}/manifests/{name}.yaml"
                in machine.files
                for name in MANIFESTS
            },
        }
        if failed := [name for name, there in complaints.items() if there and name not in ignored]:
            raise ExitError("".join(f"[ERROR {name}]\n" for name in failed))

    def _init(self, documents: dict[str, Any]) -> None:
        api, machine = self.machine.api, self.machine
        assert not [name for name in api.nodes if name != machine.name], "kubeadm init in a cluster that is there"
        assert documents["InitConfiguration"]["nodeRegistration"]["name"] == machine.name
        machine.api.configured = str(documents["ClusterConfiguration"]["kubernetesVersion"])
        machine.api.configmaps["kubelet-config"] = {"kubelet": quick_yaml.dump(documents["KubeletConfiguration"])}
        self._start_control_plane()
        self._start_kubelet()
        given = documents["InitConfiguration"]["bootstrapTokens"][0]
        identifier, _, secret = given["token"].partition(".")
        data = {"token-id": identifier, "token-secret": secret, "description": given["description"]}
        api.secrets[f"bootstrap-token-{identifier}"] = data
        api.cluster_info.setdefault("kubeconfig", _cluster_info(machine.files[f"{KUBERNETES}/pki/ca.crt"][0]))
        api.applied["DaemonSet/kube-proxy"] = {}
        self.let_api_servers_in(Version.parse(api.configured))

    def _join(self, document: dict[str, Any]) -> None:
        discovery = document["discovery"]["bootstrapToken"]
        assert discovery["caCertHashes"]
        if not self.machine.api.accepts(discovery["token"]):
            raise ExitError("error execution phase preflight: couldn't validate the identity of the API Server")
        assert document["nodeRegistration"]["name"] == self.machine.name
        self.read_configuration(self.machine.api.cluster_configuration or {})
        if "controlPlane" in document:
            assert f"{KUBERNETES}/pki/ca.key" in self.machine.files
            wanted = (self.machine.api.cluster_configuration or {}).get("apiServer", {}).get("certSANs", ())
            lacking = set(wanted) - set(
                describe(self.machine.files[f"{KUBERNETES}/pki/apiserver.crt"][0].encode()).names
            )
            assert not lacking, f"kubeadm refuses a certificate without {lacking}"
            assert self.kubelet_server == discovery["apiServerEndpoint"], "the API server beside it is not there yet"
            self._start_control_plane()
        self._start_kubelet()

    def _start_control_plane(self) -> None:
        assert f"{KUBERNETES}/pki/etcd/server.crt" in self.machine.files
        for name in MANIFESTS:
            version = self.machine.api.etcd.version
            text = etcd_manifest(self.machine.name, self.machine.address, version) if name == "etcd" else ""
            self.machine.files[f"{KUBERNETES}/manifests/{name}.yaml"] = (text, "600")
            assert any(reference.rpartition(":")[0].endswith(name) for reference in self.machine.images), name
        self.machine.api.versions[self.machine.name] = self.machine.api.configured
        self.machine.files[MANAGER] = (f"    - --cluster-signing-cert-file={KUBERNETES}/pki/ca.crt\n", "600")
        for name in MANIFESTS:
            self.machine.start(name)
        self.machine.files["/var/lib/etcd/member"] = ("", "600")
        etcd = self.machine.api.etcd
        if not any(member.address == self.machine.address for member in etcd.members):
            etcd.add(self.machine.name, self.machine.address)

    def _start_kubelet(self) -> None:
        machine = self.machine
        assert finds_the_api(machine), "its kubelet finds no API"
        machine.lingers, machine.aside = False, ()
        version = machine.versions["/usr/local/bin/kubelet"]
        settings = quick_yaml.load(machine.api.configmaps["kubelet-config"]["kubelet"])
        takes_v1 = settings.get("failCgroupV1") is False or not refuses_cgroup_v1(Version.parse(version))
        if machine.cgroup == CGROUP_V1 and not takes_v1:
            raise ExitError("kubelet is configured to not run on a host using cgroup v1")
        self.remake_static_pods(version)
        assert Version.parse(version) <= min(map(Version.parse, list(machine.api.versions.values()))), (
            "newer than an API server"
        )
        assert f"{KUBELET}/pki/kubelet-client-current.pem" in machine.files
        machine.files[f"{KUBELET}/config.yaml"] = machine.files[f"{KUBELET}/kubeadm-flags.env"] = ("", "644")
        machine.units["kubelet.service"] = "active"
        machine.start("kubelet")
        has_network = any(path.startswith("/etc/cni/net.d/") for path in machine.files)
        machine.api.register(
            machine.name, version, ready=has_network, address=machine.address, machine_id=f"id-{machine.address}"
        )
        if not machine.proxy[0]:
            machine.start_proxy()

    def do_private(self, address: str, name: str, path: str) -> None:
        """/etc/hosts for kubeadm alone."""
        assert path in self.temporary
        self.machine.files[path] = (f"{address} {name}", "644")

    @property
    def kubelet_server(self) -> str:
        """host:port to which the kubelet goes."""
        found = re.search(r"server: https://(\S+)", self.machine.files[f"{KUBERNETES}/kubelet.conf"][0])
        assert found
        return found[1]

    def do_toward(self, server: str) -> None:
        """The kubelet goes to another API server; the file has one server only."""
        content, mode = self.machine.files[f"{KUBERNETES}/kubelet.conf"]
        changed, count = re.subn(r"(?m)^( *server: https://).*", rf"\g<1>{server}", content)
        assert count == 1
        self.machine.files[f"{KUBERNETES}/kubelet.conf"] = (changed, mode)

    def do_remember(self) -> None:
        self.machine.files.setdefault(JOINED, ("", "644"))

    def do_clear_join(self) -> None:
        machine = self.machine
        machine.units["kubelet.service"] = "inactive"
        for name in MANIFESTS:
            machine.files.pop(f"{KUBERNETES}/manifests/{name}.yaml", None)
        for path in (
            "/var/lib/etcd/member",
            f"{KUBELET}/config.yaml",
            f"{KUBELET}/instance-config.yaml",
            f"{KUBELET}/kubeadm-flags.env",
            JOINED,
        ):
            machine.files.pop(path, None)
        self.say("cleared away a join that was cut off")

    def do_restart_kubelet(self) -> None:
        self._start_kubelet()

    def do_stop_api_server(self, address: str) -> None:
        assert address == self.machine.address
        for name in MANIFESTS[1:]:
            self.machine.files.pop(f"{KUBERNETES}/manifests/{name}.yaml", None)
        self.machine.files.pop(JOINED, None)
        self.machine.api.versions.pop(self.machine.name, None)

    def do_inside(self, line: str) -> None:
        """In etcd's container."""
        self.etcd_runs()
        words = shlex.split(line)
        self._expect_fresh("etcd", "etcd/server.crt", f"{KUBERNETES}/pki/etcd/healthcheck-client.crt")
        flags = dict(zip(words[1:9:2], words[2:9:2], strict=True))
        assert words[0] == "etcdctl"
        assert set(flags) == {"--cacert", "--cert", "--key", "--endpoints"}
        if words[9] == "move-leader":
            leader = next(each for each in self.machine.api.etcd.members if each.id == self.machine.api.etcd.leader)
            assert flags["--endpoints"] == f"https://{leader.address}:2379", "only the leader hands over"
        try:
            answer = self.machine.api.etcd.etcdctl(
                words[9:], at=self.machine.address, endpoints=flags["--endpoints"].split(",")
            )
        except EtcdError as error:
            raise ExitError(str(error)) from None
        self.tell(answer)

    def do_stop_container(self, container: str) -> None:
        self.machine.restarted.append(container)
        self.machine.start(container)  # by the kubelet, at once
        if container == "kube-apiserver":
            self.machine.refuses = 2
            for other in self.machine.falls:
                self.machine.start(other)

    def do_running(self, container: str) -> None:
        if self.machine.kubelet_runs and container in self.machine.containers:
            self.say(f"{container}-{self.machine.containers[container]}")

    def do_pod_cgroups(self) -> None:
        if self.machine.kubelet_runs:
            self.say(self.machine.pod_cgroups)

    def do_owed(self) -> None:
        for stamp in sorted(self.machine.stamps):
            if stamp.startswith("/run/kubeon-owed-"):
                self.say(f"owed {stamp.removeprefix('/run/kubeon-owed-')}")

    def do_owe(self, stamp: str) -> None:
        self.machine.stamps.add(stamp)

    def do_paid(self, stamps: str) -> None:
        self.machine.stamps -= set(stamps.split())

    def do_healthz(self, port: str) -> None:
        assert port in ("10257", "10259")
        self.say("ok")

    def do_certificates(self) -> None:
        for path, (content, _) in sorted(self.machine.files.items()):
            if path.startswith((KUBERNETES, KUBELET)) and path.endswith((".crt", ".pub", ".conf", "-current.pem")):
                self.say(f"@@kubeon file {path}")
                lines = content.splitlines()
                if not path.endswith(".conf"):
                    lines = re.sub(
                        r"-----BEGIN [A-Z ]*PRIVATE.*?-----END [A-Z ]*-----\n", "", content, flags=re.S
                    ).split("\n")
                self.out += [line for line in lines if "client-key-data" not in line]

    def do_served(self, ports: str, mark: str, address: str, question: str) -> None:
        """As what listens there has loaded it; API servers do so every minute (kubernetes/kubernetes#84200)."""
        if api_server := self.machine.loaded.get("kube-apiserver"):
            pair = (f"{KUBERNETES}/pki/apiserver.crt", f"{KUBERNETES}/pki/apiserver.key")
            with suppress(StateError):  # it goes on with what it has
                expiry(self.machine.files.get(pair[0], ("", ""))[0])
                api_server.update({path: self.machine.files[path] for path in pair if path in self.machine.files})
        assert address == self.machine.address
        assert mark
        assert question
        for port in map(int, ports.split()):
            self.say(f"@@kubeon served {port}")
            loaded = self.machine.loaded.get(certificates.LISTENS[port], {})
            path = certificates.SERVED[port]
            if path in loaded:
                self.say(base64.b64encode(tls_answer(loaded[path][0])).decode())

    def do_set_flag(self, path: str, flag: str, value: str) -> None:
        if path not in self.machine.files:
            return
        content, mode = self.machine.files[path]
        changed = re.sub(rf"(?m)^( *- --{flag}=).*", rf"\g<1>{value}", content)
        if changed != content:
            self.machine.files[path] = (changed, mode)
            self.machine.start("kube-controller-manager")  # the kubelet sees it
            self.say(path)

    def do_gone(self, path: str) -> None:
        self.machine.files.pop(path, None)

    def do_check_haproxy(self, wanted: str) -> None:
        """As the kubelet's static pod would serve it."""
        assert f"{KUBERNETES}/manifests/local-haproxy.yaml" in self.machine.files
        if not self.machine.kubelet_runs:
            raise ExitError("haproxy does not answer")
        listed = [line for line in self.machine.files[haproxy.HOSTS][0].splitlines() if not line.startswith("#")]
        assert listed == wanted.split()
        silent = {f"{member.address}:6443" for member in self.machine.api.etcd.members if not member.runs}
        self.say(", ".join(f"{server} {'DOWN L4TOUT' if server in silent else 'UP L7OK'}" for server in listed))

    def do_check_external(self, endpoint: str) -> None:
        assert endpoint
        if self.machine.api.balancer_fails:
            raise ExitError(self.machine.api.balancer_fails)

    def do_try_way(self, server: str, name: str) -> None:
        if why := self.machine.api.problem_of(self.machine, server, name):
            raise ExitError(why)

    def do_stop_units(self, units: str) -> None:
        for unit in units.split():
            if self.machine.units.pop(unit, ""):
                self.say(f"{unit} stopped")

    def do_remove_files(self, paths: str) -> None:
        for path in paths.split():
            if self.machine.files.pop(path, None):
                self.say(f"removed {path}")

    def do_remove_folders(self, folders: str) -> None:
        assert not {"/etc/kubernetes/manifests", "/etc/systemd/system", "/etc/kubernetes"} & set(folders.split())

    def do_listening(self, ports: str) -> None:
        if haproxy.POD in self.machine.files:
            self.tell("\n".join(ports.split()))

    def do_init_done(self, address: str) -> None:
        assert address == self.machine.address
        if self.machine.is_control_plane and "DaemonSet/kube-proxy" in self.machine.api.applied:
            self.say("daemonset.apps/kube-proxy")

    def do_start_kubelet(self) -> None:
        if f"{KUBELET}/config.yaml" not in self.machine.files:
            raise ExitError
        if self.machine.units["kubelet.service"] != "active":
            self._start_kubelet()
            self.say("kubelet started")

    def do_kubectl(self, line: str) -> None:
        words = shlex.split(line)
        assert words[:5] == [
            "kubectl",
            "--kubeconfig",
            f"{KUBERNETES}/admin.conf",
            "--server",
            f"https://{self.machine.address}:6443",
        ]
        if not self.machine.is_control_plane or self.machine.refuses:
            self.machine.refuses = max(0, self.machine.refuses - 1)
            raise ExitError(f"The connection to the server {self.machine.address}:6443 was refused")
        if self.machine.forbids:
            self.machine.forbids -= 1
            raise ExitError('Error from server (Forbidden): User "kubernetes-admin" cannot get resource')
        if words[5:] == ["get", "--raw", "/version"]:
            return self.say(json.dumps({"gitVersion": self.machine.api.versions[self.machine.name]}))
        self._expect_fresh("kube-apiserver", "apiserver.crt", f"{KUBERNETES}/admin.conf")
        self._expect_fresh("etcd", "etcd/server.crt")
        try:
            answer = self.machine.api.kubectl(words[5:], b"".join(self.stdin).decode())
        except KubectlError as error:
            raise ExitError(str(error)) from None
        self.out.append(answer.rstrip("\n"))
        return None

    def _expect_fresh(self, component: str, name: str, *more: str) -> None:
        """What it serves has not expired, and neither has what it is asked with."""
        machine = self.machine
        asked = [machine.files.get(path, ("", ""))[0] for path in more]
        for text in (machine.loaded.get(component, {}).get(f"{KUBERNETES}/pki/{name}", ("", ""))[0], *asked):
            if text and expiry(text) <= SYSTEM_CLOCK.now():
                raise ExitError("x509: certificate has expired or is not yet valid")

    def do_reach(self, source: str, target: str, port: str) -> None:
        assert port == "53"
        addresses = {each["status"]["podIP"]: each["spec"]["nodeName"] for each in self.machine.api.pods.values()}
        assert addresses[source] == self.machine.name
        assert addresses[target]

    def do_clean(self) -> None:
        machine = self.machine
        if "/var/lib/etcd/member" in machine.files:
            machine.api.etcd.stop(machine.address)
            if not any(member.runs for member in machine.api.etcd.members):  # with its last member the cluster is gone
                machine.api.etcd.members.clear()
                machine.api.nodes.clear()
        machine.api.versions.pop(machine.name, None)
        kept = f"{KUBERNETES}/kubeon-cluster"
        machine.files = {path: file for path, file in machine.files.items() if path == kept}
        machine.programs, machine.images, machine.units, machine.stamps = {}, {}, {}, set()
        machine.loaded, machine.containers, machine.proxy = {}, {}, (0, "")
        self.say("removed the binaries")

    def do_name_packages(self) -> None:
        for call in [call for call in self.machine.settings if call.startswith("package ")]:
            self.say(f"@@kubeon stays {call} stays: kubeon had installed it")

    def do_restore(self) -> None:
        self.machine.settings.clear()
        self.machine.detour = ""

    def do_forget(self) -> None:
        self.machine.files.clear()
        self.machine.keys.clear()
        self.say("the host is as it was found")


@lru_cache(maxsize=1024)
def expiry(text: str) -> datetime:
    """When the certificate in a PEM text or kubeconfig ends."""
    return describe(text.encode()).not_after


@lru_cache(maxsize=1024)
def names_in(text: str) -> tuple[str, ...]:
    """Of the certificate in a PEM text."""
    return describe(text.encode()).names


def tls_answer(pem: str) -> bytes:
    """What a server says in TLS 1.2 before anybody has proved anything, as far as its certificate."""
    der = base64.b64decode("".join(pem.splitlines()[1 : pem.splitlines().index("-----END CERTIFICATE-----")]))
    chain = len(der).to_bytes(3, "big") + der
    body = len(chain).to_bytes(3, "big") + chain
    message = b"\x0b" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


def _cluster_info(ca: str) -> str:
    cluster = {"certificate-authority-data": base64.b64encode(ca.encode()).decode(), "server": "https://api:6443"}
    document = {"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", "cluster": cluster}]}
    return quick_yaml.dump(document)
