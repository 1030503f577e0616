"""Why kubeadm failed: kubeon asks the host, says the one reason, and once it is gone the same command goes on.

Both hosts are begun with together: kubeadm waits for a minute before it gives up.
"""

import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, Outcome, kubectl, nodes, sources
from tests.lab import hosts
from tests.lab.hosts import LabHost, Snapshot

pytestmark = [pytest.mark.lab, pytest.mark.soak]

WRONG = ("--set", "extraArgs.apiServer.no-such-flag=1")
_TAKES = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 2381, Listen => 5) or die; sleep 3600"
Begun = dict[str, "tuple[LabHost, subprocess.Popen[str]]"]


def words(host: LabHost, *more: str) -> list[str]:
    """A cluster of one, called like its host."""
    return ["create", host.name, VERSION, *nodes([host], []), *sources(), *more, "--yes"]


@pytest.fixture(scope="module")
def begun(up: Up, prepared: Snapshot, module_kubeon: Kubeon) -> Iterator[Begun]:
    """Two creates that cannot end well: a port of etcd's is taken, and the API server is given a flag too many."""
    taken, wrong = up("re-port", "re-flag", like=prepared)
    hosts.ssh(taken, f"systemd-run --unit taker perl -e '{_TAKES}'")
    started = {
        "port": (taken, module_kubeon.start(*words(taken))),
        "flag": (wrong, module_kubeon.start(*words(wrong, *WRONG))),
    }
    yield started
    for _, process in started.values():
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_a_port_is_taken(begun: Begun, module_kubeon: Kubeon) -> None:
    """Of a component that ends: which, with which exit code, and its own last words."""
    host, process = begun["port"]
    failed = Outcome(0, *process.communicate(timeout=600))

    assert process.returncode == 5, failed.text
    why = "etcd ended with exit code 1: listen tcp 127.0.0.1:2381: bind: address already in use"
    assert why in " ".join(failed.text.split())
    hosts.ssh(host, "systemctl stop taker")
    module_kubeon.ok(*words(host))
    assert kubectl(host, "get nodes -o name").split() == [f"node/{host.name}"]


def test_a_flag_that_nobody_knows(begun: Begun, module_kubeon: Kubeon) -> None:
    """And the description may be corrected: no cluster is there yet."""
    host, process = begun["flag"]
    failed = Outcome(0, *process.communicate(timeout=600))

    assert process.returncode == 5, failed.text
    assert "kube-apiserver ended with exit code 1: unknown flag: --no-such-flag" in " ".join(failed.text.split())
    module_kubeon.ok(*words(host))
    assert kubectl(host, "get nodes -o name").split() == [f"node/{host.name}"]
