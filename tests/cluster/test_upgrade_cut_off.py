"""An upgrade that is cut off at every turn, and goes on by the same command. The tests go in order.

Of a cluster with one control plane: others are upgraded by the same phases, which take minutes.
"""

import time

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, nodes, sources
from tests.cluster.test_upgrade import NEW, Upgraded
from tests.lab import faults, mirror
from tests.lab.hosts import Snapshot

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cut(up: Up, prepared: Snapshot, module_kubeon: Kubeon) -> Upgraded:
    """One control plane, two workers, and something that people use."""
    mirror.prepare((VERSION, NEW))
    first, *workers = up("uc-m1", "uc-w1", "uc-w2", like=prepared)
    cluster = Upgraded(module_kubeon, "cut", [first], workers, [])
    module_kubeon.ok("create", cluster.name, VERSION, *nodes([first], workers), *sources(), "--yes")
    cluster.serves()
    return cluster


@pytest.mark.parametrize(
    "moment",
    [
        r"uc-w2.*bring-images.*: started|\[bring-images\]: started",
        r"\[upgrade/staticpods\] Preparing for \"kube-controller-manager\"",
        r"\[upgrade-workers\]: started",
    ],
    ids=["files", "kubeadm", "drain"],
)
def test_killed(cut: Upgraded, moment: str) -> None:
    """While files are brought, inside `kubeadm upgrade apply`, while a worker is drained."""
    run = cut.kubeon.watched(cut.name, *cut.upgrade())
    run.reach(moment, patience=400)
    time.sleep(1)
    run.kill()


def test_nothing_else_is_begun(cut: Upgraded) -> None:
    """It says what goes on."""
    refused = cut.kubeon.run("create", cut.name, "--yes")

    assert refused.exit_code == 6, refused.text
    assert f"kubeon upgrade {cut.name} {NEW} goes on with it" in refused.text


def test_a_worker_without_power(cut: Upgraded) -> None:
    """In the middle of its turn: the upgrade fails, and says so."""
    run = cut.kubeon.watched(cut.name, *cut.upgrade("--drain-timeout", "30"))  # nobody leaves a dead host
    run.reach(r"\[upgrade-workers\]: started", patience=400)
    busy = next(host for host in cut.workers if cut.kubelets()[host.name] == VERSION)
    faults.power_off(busy)
    failed = run.end(patience=400)
    faults.power_on(busy)

    assert failed.exit_code != 0, failed.text


def test_the_same_command_ends_it(cut: Upgraded) -> None:
    """After all that everything has the new version."""
    cut.kubeon.ok(*cut.upgrade(), timeout=900)
    cut.check()
