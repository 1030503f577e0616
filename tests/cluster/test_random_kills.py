"""SIGKILL at moments that nobody chose, thirty of them: nothing is lost, and the same command completes.

The tests go in order, on one cluster that begins with the release before. What was drawn is in pytest's summary;
KUBEON_SEED draws the same again.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.cluster.conftest import GOES_UP, Up
from tests.cluster.driver import OLDER, VERSION, Kubeon, kubectl, nodes, sources
from tests.cluster.prepared import snapshot
from tests.lab import mirror
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = [pytest.mark.lab, pytest.mark.soak, GOES_UP]

KILLS = 5  # of each operation
SEED = int(os.environ.get("KUBEON_SEED") or random.randrange(10**6))
PATIENCE = 1800  # seconds


@dataclass
class Rho:
    """The cluster of this module."""

    kubeon: Kubeon
    hosts: list[LabHost]
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))
    name: str = "rho"

    def survives(self, longest: float, *words: str, undo: Sequence[str] = ()) -> None:
        """The command, killed within so many seconds of its begin again and again; then it has to end well.

        Where it has ended before its time it is undone if it can be, and the next times are drawn from what it took.
        """
        drawn = []
        for _ in range(KILLS):
            began = time.monotonic()
            process = self.kubeon.start(*words)
            seconds = self.dice.uniform(0.5, longest)
            try:
                process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                drawn.append(f"{seconds:.1f}")
            else:
                assert process.returncode == 0, f"after {drawn} s it failed by itself"
                drawn.append("had ended")
                longest = min(longest, time.monotonic() - began)
                if undo:
                    self.kubeon.ok(*undo)
        began = time.monotonic()
        self.kubeon.ok(*words, timeout=PATIENCE)
        measured(
            f"seed {SEED}: {words[0]} killed after {', '.join(drawn)} s; then it took {time.monotonic() - began:.0f} s"
        )

    def check(self, *members: LabHost, release: str = OLDER) -> None:
        """Just these are nodes, Ready, of this release; etcd is healthy; what was written first is there."""
        first = members[0]
        items = json.loads(kubectl(first, "get nodes -o json"))["items"]
        ready = {
            item["metadata"]["name"]: each["status"]
            for item in items
            for each in item["status"]["conditions"]
            if each["type"] == "Ready"
        }
        assert ready == {host.name: "True" for host in members}
        assert {item["status"]["nodeInfo"]["kubeletVersion"] for item in items} == {release}
        assert not [item["metadata"]["name"] for item in items if item["spec"].get("unschedulable")]
        assert self.kubeon.data("etcd", "status", self.name)["healthy"]
        assert kubectl(first, "get secret precious -o jsonpath={.data.text}") == "a2VwdA=="
        assert self.kubeon.data("create", self.name, "--yes")["changed"] is False


@pytest.fixture(scope="module")
def rho(up: Up, module_kubeon: Kubeon) -> Rho:
    """Hosts that have the material of the release before."""
    mirror.prepare((OLDER, VERSION))
    five = up("rk-1", "rk-2", "rk-3", "rk-4", "rk-5", like=snapshot(module_kubeon, OLDER))
    return Rho(module_kubeon, five)


def test_create(rho: Rho) -> None:
    """One control plane, one worker."""
    words = (rho.name, OLDER, *nodes(rho.hosts[:1], rho.hosts[3:4]), *sources(OLDER), "--yes")
    rho.survives(40, "create", *words, undo=("destroy", rho.name, "--yes"))
    kubectl(rho.hosts[0], "create secret generic precious --from-literal=text=kept")
    rho.check(rho.hosts[0], rho.hosts[3])


def test_add(rho: Rho) -> None:
    """Two control planes and a worker more."""
    rho.survives(45, "add", rho.name, *nodes(rho.hosts[1:3], rho.hosts[4:]), "--yes")
    rho.check(*rho.hosts)


def test_del(rho: Rho) -> None:
    """The first control plane, which then returns."""
    first, *others = rho.hosts
    returns = ("add", rho.name, *nodes([first], []), "--yes")
    rho.survives(20, "del", rho.name, f"@{first.name}", "--yes", undo=returns)
    rho.check(*others)
    rho.kubeon.ok(*returns)
    rho.check(*rho.hosts)


def test_renew(rho: Rho) -> None:
    """All certificates."""
    rho.survives(80, "certs", "renew", rho.name, "all", "--yes")
    rho.check(*rho.hosts)


def test_restore(rho: Rho) -> None:
    """All members go back to a snapshot that has the secret."""
    saved = rho.kubeon.data("etcd", "snapshot", "save", rho.name)["path"]
    kubectl(rho.hosts[0], "delete secret precious")
    rho.survives(40, "etcd", "snapshot", "restore", rho.name, saved, "--yes")
    rho.check(*rho.hosts)


def test_upgrade(rho: Rho) -> None:
    """To the next minor release."""
    rho.survives(150, "upgrade", rho.name, VERSION, "--yes")
    rho.check(*rho.hosts, release=VERSION)
