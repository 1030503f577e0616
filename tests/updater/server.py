"""A real API server and its etcd as plain processes on loopback, with what kubeon would have put into the cluster."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from apiserver_updater.target import WRITER
from kubeon.pki.authorities import Authorities
from kubeon.pki.issuing import control_plane_files
from tests.lab import mirror
from tests.lab.mirror.services import free_port
from tests.pki.factories import a_request
from tests.updater.objects import ACCOUNT, ACCOUNTS, LEASE, Json, rights

PROGRAM = Path(__file__).parents[2] / "updater"

# What is to be told of afterwards: every write, with what was written and what came of it.
POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  users: ["system:serviceaccount:kube-system:apiserver-updater"]
  verbs: [update]
  resources:
  - {group: discovery.k8s.io, resources: [endpointslices]}
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [endpoints]}
- level: Metadata
  users: ["system:serviceaccount:kube-system:apiserver-updater"]
- level: None
"""


def programs() -> dict[str, Path]:
    """kube-apiserver and etcd: those on PATH, or the newest that the lab has built; only what there is."""
    built = mirror.programs()
    found = {name: shutil.which(name) or built.get(name) for name in ("kube-apiserver", "etcd")}
    return {name: Path(path) for name, path in found.items() if path}


def wait_for(condition: Callable[[], object], what: str, seconds: float = 15) -> float:
    """Look again and again, for so long; how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + seconds, what
        time.sleep(0.05)
    return time.monotonic() - begun


def machine_address() -> str:
    """An address of this machine that is not loopback, which the API refuses in slices. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


class Cluster:
    """An API server, and an administrator's way to it."""

    def __init__(self, folder: Path, authorities: Authorities) -> None:
        self.folder, self.port = folder, free_port()
        self._etcd, self._peers = free_port(), free_port()
        self._audit = folder / "audit.log"
        self._audit.touch()
        self._put_files(authorities)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.trust = ssl.create_default_context(cafile=str(folder / "pki/ca.crt"))
        admin = ssl.create_default_context(cafile=str(folder / "pki/ca.crt"))
        admin.load_cert_chain(self.pki / "apiserver-kubelet-client.crt", self.pki / "apiserver-kubelet-client.key")
        self.url = f"https://127.0.0.1:{self.port}"
        self._client = httpx.Client(base_url=self.url, verify=admin, trust_env=False, timeout=30)

    @property
    def pki(self) -> Path:
        """Certificates, as on a control plane."""
        return self.folder / "pki"

    def start(self) -> None:
        """Start both, and wait for the API."""
        pki = self.pki
        files = {
            "client-ca-file": "ca.crt",
            "tls-cert-file": "apiserver.crt",
            "tls-private-key-file": "apiserver.key",
            "service-account-key-file": "sa.pub",
            "service-account-signing-key-file": "sa.key",
        }
        self._start("etcd", {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": f"http://127.0.0.1:{self._etcd}",
            "advertise-client-urls": f"http://127.0.0.1:{self._etcd}",
            "listen-peer-urls": f"http://127.0.0.1:{self._peers}",
            "initial-advertise-peer-urls": f"http://127.0.0.1:{self._peers}",
            "initial-cluster": f"default=http://127.0.0.1:{self._peers}",
            "logger": "zap",
        })  # fmt: skip
        self._start("kube-apiserver", {
            "etcd-servers": f"http://127.0.0.1:{self._etcd}",
            "bind-address": "127.0.0.1",
            "secure-port": self.port,
            "advertise-address": "192.0.2.11",
            "endpoint-reconciler-type": "none",  # tests say which API servers there are
            "service-cluster-ip-range": "10.96.0.0/12",
            "service-account-issuer": "https://kubernetes.default.svc",
            "authorization-mode": "RBAC",
            "audit-policy-file": self.folder / "policy.yaml",
            "audit-log-path": self._audit,
            **{option: pki / name for option, name in files.items()},
        })  # fmt: skip
        wait_for(self._answers, f"no API; see {self.folder}", 60)
        for path, content in rights().items():
            self.call("POST", path, content)
        self.call("POST", ACCOUNTS, {"metadata": {"name": "apiserver-updater"}})

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            process.wait()

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """An administrator's call, which must succeed."""
        answer = self._client.request(method, path, json=body)
        assert answer.status_code // 100 == 2, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Json = answer.json()
        return found

    def put(self, path: str, content: Json) -> Json:
        """Create the object, or put the content in place of what is there."""
        if self._client.get(path).status_code == 404:
            return self.call("POST", path.rpartition("/")[0], content)
        return self.call("PUT", path, content)

    def delete(self, path: str) -> None:
        """Delete the object, if it is there."""
        self._client.delete(path)

    def token(self) -> str:
        """A token of the program's service account."""
        return str(self.call("POST", f"{ACCOUNT}/token", {"spec": {"expirationSeconds": 3600}})["status"]["token"])

    def holder(self) -> str:
        """Who holds the lease."""
        return str(self.call("GET", LEASE)["spec"].get("holderIdentity") or "")

    def audit(self) -> list[Json]:
        """What the program has done, and what became of it."""
        events = [json.loads(line) for line in self._audit.read_text().splitlines()]
        return [event for event in events if event["user"]["username"].endswith(":apiserver-updater")]

    def _put_files(self, authorities: Authorities) -> None:
        # certificates as before 1.29: the API server's own is of system:masters, and may all without a binding
        request = a_request("v1.28.15", address=machine_address(), sans=("127.0.0.1",))
        files = control_plane_files(authorities, request, datetime.now(UTC), {}).files
        files |= {f"/etc/kubernetes/pki/{path}": content for path, content in authorities.to_files().items()}
        for path, content in files.items():
            target = self.folder / path.removeprefix("/etc/kubernetes/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        (self.folder / "policy.yaml").write_text(POLICY)

    def _start(self, name: str, options: Mapping[str, object]) -> None:
        words = [str(programs()[name]), *(f"--{option}={value}" for option, value in options.items())]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes.append(subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder))

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), f"it ended; see {self.folder}"
        try:
            paths = ("/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system")
            return all(self._client.get(path).status_code == 200 for path in paths)
        except httpx.HTTPError:
            return False


@dataclass(frozen=True)
class Write:
    """A write that succeeded: at which revision of etcd, of what, and whose it says it is."""

    revision: int
    kind: str
    who: str


def writes(audit: list[Json]) -> list[Write]:
    """In the order in which etcd took them, which is the one of resourceVersions, over all kinds."""
    found = []
    for event in audit:
        if event["verb"] == "update" and event["responseStatus"]["code"] == 200:
            content = event["responseObject"]
            note = (content["metadata"].get("annotations") or {}).get(WRITER, "")
            who = content["spec"].get("holderIdentity", "") if "spec" in content else note.partition(" ")[2]
            found.append(Write(int(content["metadata"]["resourceVersion"]), event["objectRef"]["resource"], who))
    return sorted(found, key=lambda write: write.revision)


class Replica:
    """The program as a process, as it would run in a pod; `api` is where it looks for the API."""

    def __init__(self, cluster: Cluster, name: str, *api: str, **options: object) -> None:
        self.name, self.health = name, free_port()
        self.folder = cluster.folder / f"{name}-{self.health}"
        self.folder.mkdir()
        self.token, self.log = self.folder / "token", self.folder / "log"
        self.token.write_text(cluster.token())
        given: dict[str, object] = {
            "identity": name,
            "token-file": self.token,
            "ca-file": cluster.pki / "ca.crt",
            "health-port": self.health,
            "lease-duration": 3,
            "renew-deadline": 2,
            "retry-period": 0.4,
            "resync": 60,
        }
        given |= {option.replace("_", "-"): value for option, value in options.items()}
        words = [f"--{option}={value}" for option, value in given.items()]
        words += [f"--api={url}" for url in api or (cluster.url,)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "apiserver_updater", *words],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROGRAM)},
            )

    def said(self, text: str) -> bool:
        """Does its log have that?"""
        return text in self.log.read_text()

    def leads(self) -> bool:
        """Does it say so?"""
        return self.number("is_leader") == 1

    def number(self, name: str) -> float | None:
        """One of its metrics."""
        found = re.search(rf"(?m)^apiserver_updater_{re.escape(name)} (\S+)$", self.get("/metrics"))
        return float(found[1]) if found else None

    def get(self, path: str) -> str:
        """What its health server says."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.health}{path}", trust_env=False).text
        except httpx.HTTPError:
            return ""

    def signal(self, number: int) -> float:
        """Send a signal that ends it; how long that took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - begun
