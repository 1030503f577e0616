"""kubeon as a user runs it: a process with a home of its own."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeon.spec.versions import Version, refuses_cgroup_v1
from tests import tried
from tests.lab import base, cache, hosts, machine, mirror

VERSION = os.environ.get("KUBEON_LAB_RELEASE", "v1.37.2")
"""The release that clusters of the tests have."""
OLDER = "v1.36.3"
"""The one before it, from which clusters of the tests are upgraded."""

# The disk is this machine's, of which a kubelet's defaults want a share: then they evict, and collect images.
_KUBELET = (
    'kubelet.evictionHard."memory.available"=100Mi',
    'kubelet.evictionHard."nodefs.available"=1Gi',
    'kubelet.evictionHard."imagefs.available"=1Gi',
    "kubelet.imageGCHighThresholdPercent=100",
)
TIMEOUT = 600  # seconds; a create takes about 45 on a quiet machine
SLOW = 240  # seconds; for what takes thirty of them on a machine that does nothing else


@dataclass(frozen=True)
class Outcome:
    """How a run of kubeon ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.stdout + self.stderr


@dataclass
class Kubeon:
    """A control machine: its ~/.kubeon, its kubeconfig, its environment."""

    folder: Path
    password: str | None = base.ROOT_PASSWORD
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its ~/.kubeon."""
        return self.folder / "kubeon"

    @property
    def kubeconfig(self) -> Path:
        """The user's kubeconfig."""
        return self.folder / "kubeconfig"

    def start(self, *words: str, stdin: int = subprocess.DEVNULL, module: str = "kubeon") -> "subprocess.Popen[str]":
        """Run kubeon in the background; the caller ends it."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KUBEON_")} | {
            "KUBEON_HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "HOME": str(self.folder),  # no keys, agent or ssh configuration of whoever runs the tests
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONPYCACHEPREFIX": str(cache.root() / "bytecode"),  # a quarter of a second each time
            **self.environment,
        }
        for name in ("SSH_AUTH_SOCK", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        if self.password is not None:
            environment["KUBEON_SSH_PASSWORD"] = self.password
        self.folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            env=environment,
            cwd=self.folder,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, timeout: float = TIMEOUT) -> Outcome:
        """Run kubeon to its end."""
        process = self.start(*words)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        if process.returncode == 0:
            tried.note(self.home, words)
        return Outcome(process.returncode, stdout, stderr)

    def typed(self, text: str, *words: str, timeout: float = TIMEOUT) -> Outcome:
        """Run kubeon with a person at its terminal, who types this when asked."""
        keyboard, terminal = pty.openpty()
        try:
            process = self.start(*words, stdin=terminal)
            os.write(keyboard, f"{text}\n".encode())
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            os.close(keyboard)
            os.close(terminal)
        return Outcome(process.returncode, stdout, stderr)

    def ok(self, *words: str, timeout: float = TIMEOUT) -> Outcome:
        """Run kubeon; it has to end well."""
        outcome = self.run(*words, timeout=timeout)
        assert outcome.exit_code == 0, "\n".join(outcome.text.splitlines()[-40:])  # of a long text CI shows the ends
        return outcome

    def data(self, *words: str) -> Any:
        """What kubeon answers with --output json."""
        return json.loads(self.ok(*words, "--output", "json").stdout)

    def watched(self, cluster: str, *words: str) -> "Run":
        """Run kubeon in the background, with an eye on the log of this run."""
        known = set(self.logs(cluster))
        return Run(self.start(*words), lambda: [path for path in self.logs(cluster) if path not in known])

    def logs(self, cluster: str) -> list[Path]:
        """The log files of a cluster's operations."""
        return sorted((self.home / "clusters" / cluster / "logs").glob("*.log"))

    def journal(self, cluster: str) -> list[dict[str, Any]]:
        """The journal's lines."""
        path = self.home / "clusters" / cluster / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def kill_when(self, process: "subprocess.Popen[str]", when: Callable[[], bool], *, patience: float = 300) -> bool:
        """SIGKILL kubeon as soon as `when` says so; False when it ended by itself before."""
        deadline = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < deadline:
            if when():
                process.send_signal(signal.SIGKILL)
                process.communicate()
                return True
            time.sleep(0.02)
        process.communicate(timeout=patience)
        return False


@dataclass
class Run:
    """A kubeon that runs."""

    process: "subprocess.Popen[str]"
    logs: Callable[[], list[Path]]

    def reach(self, moment: str, patience: float = 300) -> None:
        """Wait until the log of this run says so (a regular expression)."""
        deadline = time.monotonic() + patience
        while not any(re.search(moment, path.read_text(), re.MULTILINE) for path in self.logs()):
            assert self.process.poll() is None, f"it ended before {moment}:\n{''.join(self.process.communicate())}"
            assert time.monotonic() < deadline, f"it did not come to {moment}"
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL, "it had ended before"

    def end(self, patience: float = 300) -> Outcome:
        """How it ended."""
        stdout, stderr = self.process.communicate(timeout=patience)
        return Outcome(self.process.returncode, stdout, stderr)


def sources(release: str = VERSION) -> list[str]:
    """Flags that lead to the lab's mirror and name the versions it has; and what a kubelet here needs."""
    files, registry = mirror.urls()
    settings = [word for each in kubelet_sets(release) for word in ("--set", each)]
    return ["--mirror", files, "--registry", f"http://{registry}", *components(release), *settings]


def components(release: str = VERSION) -> list[str]:
    """Flags that name the versions which the lab has for a release."""
    versions = mirror.versions()["releases"][release]
    sets = {
        "components.containerd": versions["containerd"],
        "components.runc": versions["runc"],
        "components.cniPlugins": versions["cni-plugins"],
        "components.crictl": versions["crictl"],
    }
    return [word for path, version in sets.items() for word in ("--set", f"{path}={version}")]


def kubelet_sets(release: str = VERSION) -> tuple[str, ...]:
    """What kubelets of the lab are told, as values of --set."""
    on_v1 = not machine.has_cgroup2() and refuses_cgroup_v1(Version.parse(release))
    return (*_KUBELET, "kubelet.failCgroupV1=false") if on_v1 else _KUBELET


def image(name: str, release: str = VERSION) -> str:
    """The full reference of a release's image ("pause", "etcd")."""
    (found,) = (one for one in mirror.versions()["releases"][release]["images"] if re.search(rf"/{name}:[^/]+$", one))
    return str(found)


def nodes(control_planes: Sequence[hosts.LabHost], workers: Sequence[hosts.LabHost]) -> list[str]:
    """-m and -w flags: nodes are called as their hosts."""
    flags = [word for host in control_planes for word in ("-m", f"{host.name}={host.address}")]
    return flags + [word for host in workers for word in ("-w", f"{host.name}={host.address}")]


def kubectl(host: hosts.LabHost, *words: str, stdin: str = "", check: bool = True) -> str:
    """kubectl as a person on a control plane runs it."""
    command = "kubectl --kubeconfig /etc/kubernetes/admin.conf " + " ".join(words)
    return hosts.ssh(host, command, stdin=stdin or None, check=check).stdout


def haproxy_servers(worker: hosts.LabHost) -> dict[str, str]:
    """The servers that a worker's haproxy knows, and their states."""
    text = hosts.ssh(worker, "curl -sS -m 5 'http://127.0.0.1:8842/stats;csv'").stdout
    rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
    return {
        row["svname"]: row["status"] for row in rows if row["pxname"] == "apiservers" and row["svname"] != "BACKEND"
    }


def wait_for(ready: Callable[[], bool], patience: float = SLOW) -> None:
    """Until it is so; `patience` in seconds."""
    deadline = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.5)
