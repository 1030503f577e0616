"""An upgrade that is cut off at every turn, and goes on by the same command.

Of a cluster with one control plane: others are upgraded by the same phases, which take minutes.
"""

import time

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, nodes, sources
from tests.cluster.test_upgrade import NEW, Upgraded
from tests.lab import faults, mirror

pytestmark = pytest.mark.lab


def test_cut_off_at_every_turn(up: Up, module_kubeon: Kubeon) -> None:
    """SIGKILL while files are brought, inside kubeadm upgrade apply, while a worker is drained; then a power cut."""
    mirror.prepare((VERSION, NEW))
    first, *workers = up("uc-m1", "uc-w1", "uc-w2")
    cluster = Upgraded(module_kubeon, "cut", [first], workers, [])
    module_kubeon.ok("create", cluster.name, VERSION, *nodes([first], workers), *sources(), "--yes")
    cluster.serves()
    for moment in (
        r"uc-w2.*bring-images.*: started|\[bring-images\]: started",
        r"\[upgrade/staticpods\] Preparing for \"kube-controller-manager\"",
        r"\[upgrade-workers\]: started",
    ):
        run = cluster.kubeon.watched(cluster.name, *cluster.upgrade())
        run.reach(moment, patience=400)
        time.sleep(1)
        run.kill()
    refused = cluster.kubeon.run("create", cluster.name, "--yes")
    assert refused.exit_code == 6, refused.text
    assert f"kubeon upgrade {cluster.name} {NEW} goes on with it" in refused.text

    run = cluster.kubeon.watched(cluster.name, *cluster.upgrade("--drain-timeout", "30"))  # nobody leaves a dead host
    run.reach(r"\[upgrade-workers\]: started", patience=400)
    busy = next(host for host in cluster.workers if cluster.kubelets()[host.name] == VERSION)
    faults.power_off(busy)
    failed = run.end(patience=400)
    assert failed.exit_code != 0, failed.text
    faults.power_on(busy)

    cluster.kubeon.ok(*cluster.upgrade(), timeout=900)
    cluster.check()
