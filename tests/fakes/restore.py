"""A machine's part in snapshots and restores of etcd: manifests that move, data that is exchanged."""

import base64
import gzip
import hashlib
import json
import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kubeon import quick_yaml
from kubeon.cluster.restoration import PARKED
from kubeon.etcd import snapshots
from kubeon.spec.releases import numbers

if TYPE_CHECKING:
    from tests.fakes.machine import Machine

MANIFESTS = "/etc/kubernetes/manifests"
MEMBER = "/var/lib/etcd/member"
ATTEMPT = f"{snapshots.WORK}/attempt"


class ExitError(Exception):
    """The script ends here with an error."""

    def __init__(self, text: str = "", code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def etcd_manifest(name: str, address: str, version: str) -> str:
    """As kubeadm writes it, of what matters here."""
    flags = {"name": name, "initial-advertise-peer-urls": f"https://{address}:2380", "data-dir": "/var/lib/etcd"}
    command = ["etcd", *(f"--{flag}={value}" for flag, value in flags.items())]
    container: dict[str, Any] = {"name": "etcd", "image": f"k8s.gcr.io/etcd:{version}-0", "command": command}
    return quick_yaml.dump({"kind": "Pod", "spec": {"containers": [container]}})


class EtcdTokens:
    """Tokens by name; arguments are the groups of their patterns."""

    machine: "Machine"
    stdin: Iterable[bytes]
    out: list[str]

    def say(self, line: str) -> None:
        """To standard output."""
        raise NotImplementedError

    def etcd_runs(self) -> None:
        """Raises ExitError where no container does."""
        machine = self.machine
        if MEMBER not in machine.files or f"{MANIFESTS}/etcd.yaml" not in machine.files or "etcd" in machine.aside:
            raise ExitError("no container etcd runs on this host")
        if self.machine.without_etcd or not (self.machine.kubelet_runs or self.machine.lingers):
            self.machine.without_etcd = max(0, self.machine.without_etcd - 1)
            raise ExitError("no container etcd runs on this host")

    def do_save_snapshot(self) -> None:
        """By the member itself; what a run before has left is gone."""
        self.etcd_runs()
        self.machine.snapshot_file = self.machine.api.etcd.snapshot()

    def do_describe_snapshot(self) -> None:
        """As etcdctl of 3.4 says it, or etcdutl where there is one; etcdctl since 3.6 has no such command."""
        content = self.machine.snapshot_file
        etcdutl = self.machine.image_has_etcdutl or snapshots.ETCDUTL in self.machine.programs
        if not etcdutl and numbers(self.machine.api.etcd.version) >= (3, 6, 0):
            self.say("Usage: etcdctl snapshot <subcommand>")
            return
        self.say(json.dumps({"hash": 7, "revision": revision_of(content), "totalKey": 12, "totalSize": len(content)}))
        self.say(f"{hashlib.sha256(content).hexdigest()} {len(content)}")

    def do_has_etcdutl(self) -> None:
        """Does the image?"""
        if self.machine.image_has_etcdutl:
            self.say("there")

    def do_send_snapshot(self, number: str) -> None:
        """A piece."""
        content = self.machine.snapshot_file
        piece = content[int(number) * snapshots.PIECE : (int(number) + 1) * snapshots.PIECE]
        self.out.append(base64.b64encode(gzip.compress(piece)).decode())

    def do_has_snapshot(self, sha256: str) -> None:
        """It lies there, or the script fails."""
        if hashlib.sha256(self.machine.snapshot_file).hexdigest() != sha256:
            raise ExitError("")

    def do_receive_snapshot(self, sha256: str) -> None:
        """From standard input."""
        content = b"".join(self.stdin)
        assert hashlib.sha256(content).hexdigest() == sha256
        self.machine.snapshot_file = content

    def do_clear_snapshot(self) -> None:
        """Nothing of it stays."""
        self.machine.snapshot_file = b""
        self.machine.files.pop(ATTEMPT, None)

    def do_inspect_etcd(self) -> None:
        """One of the two has the manifest."""
        files = self.machine.files
        for folder in (PARKED, MANIFESTS):
            if f"{folder}/etcd.yaml" in files:
                self.say(f"manifest {base64.b64encode(files[f'{folder}/etcd.yaml'][0].encode()).decode()}")
        self.say(f"free {self.machine.etcd_disk}")
        self.say(f"used {9 if MEMBER in files else ''}")
        self.say(f"attempt {files.get(ATTEMPT, ('', ''))[0]}")

    def do_restore_library(self, image: str, parked: str, old: str, attempt: str) -> None:
        """What a call finds in its variables."""
        assert image == f"k8s.gcr.io/etcd:{self.machine.api.etcd.version}-0"
        assert parked == PARKED
        self.old, self.attempt = old, attempt

    def do_park(self) -> None:
        """The kubelet ends what is not described any more."""
        files = self.machine.files
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
            if f"{MANIFESTS}/{name}.yaml" in files:
                files[f"{PARKED}/{name}.yaml"] = files.pop(f"{MANIFESTS}/{name}.yaml")
                self.say(f"stopped {name}")
        self.machine.api.etcd.stop(self.machine.address)

    def do_unpark(self, names: str) -> None:
        """etcd starts with the data that is there."""
        files = self.machine.files
        for name in names.split():
            if f"{PARKED}/{name}.yaml" in files:
                files[f"{MANIFESTS}/{name}.yaml"] = files.pop(f"{PARKED}/{name}.yaml")
                self.say(f"started {name}")
        if "etcd" in names.split() and (data := files[MEMBER][0]):
            found = json.loads(data)
            etcd = self.machine.api.etcd
            etcd.start_restored(
                found["token"], found["name"], self.machine.address, found["cluster"], found["revision"]
            )

    def do_rescue(self, member: str) -> None:
        """Out of the data, etcd not running."""
        assert member == self.machine.name
        assert f"{MANIFESTS}/etcd.yaml" not in self.machine.files
        if MEMBER not in self.machine.files:
            raise ExitError("this member has no data")
        self.machine.snapshot_file = self.machine.api.etcd.snapshot()

    def do_restore_data(self, words: str) -> None:
        """Once in an attempt; the old data stays beside."""
        files = self.machine.files
        if files.get(ATTEMPT, ("", ""))[0] == self.attempt:
            return
        assert f"{MANIFESTS}/etcd.yaml" not in files, "etcd has its data open"
        given = shlex.split(words)
        flags = dict(zip(given[::2], given[1::2], strict=False))
        if MEMBER in files:
            if f"{self.old}/member" in files:  # two restores in one second
                self.old += "-1"
            files[f"{self.old}/member"] = files.pop(MEMBER)
            self.say(f"the data as it was: {self.old}")
        pairs = [pair.partition("=")[::2] for pair in flags["--initial-cluster"].split(",")]
        data = {
            "token": flags["--initial-cluster-token"],
            "name": flags["--name"],
            "cluster": {name: url.removeprefix("https://").removesuffix(":2380") for name, url in pairs},
            "revision": revision_of(self.machine.snapshot_file),
        }
        files[MEMBER] = (json.dumps(data), "600")
        files[ATTEMPT] = (self.attempt, "600")
        self.say("etcd's data restored")


def revision_of(content: bytes) -> int:
    """Of a snapshot that the fake etcd made."""
    if not content.startswith(b"revision "):
        raise ExitError("this is no snapshot")
    return int(content.split()[1])
