"""An upgrade in mode updater that is cut off at every turn, under load, and goes on by the same command.

The tests go in order; what was measured is in pytest's summary.
"""

import time

import pytest

from kubeon.lb.updater import UPDATER
from tests.cluster.conftest import GOES_UP
from tests.cluster.driver import OLDER, VERSION, kubectl, wait_for
from tests.cluster.living import Keeper
from tests.cluster.test_updater import API
from tests.cluster.test_upgrade import Upgraded
from tests.lab import faults, hosts, mirror
from tests.measured import measured

pytestmark = [pytest.mark.lab, pytest.mark.soak, GOES_UP]


class CutOff(Upgraded):
    """The cluster."""

    def answers(self) -> bool:
        """Does the Deployment, each time? Pods of a host that has just booted may not be what the API has of them."""
        with self.asked() as asked:
            time.sleep(5)
        return not any(report.new.failed for report in asked.service)


@pytest.fixture(scope="module")
def cut(keeper: Keeper) -> CutOff:
    """Of the release before; nothing is left afterwards."""
    mirror.prepare((OLDER, VERSION))
    cluster = CutOff(**vars(keeper.living("uc", "10.77.10", "updater", OLDER)))
    cluster.serves()
    return cluster


@pytest.fixture(scope="module")
def certificates(cut: CutOff) -> dict[str, str]:
    """As they were before."""
    return cut.certificates()


@pytest.mark.usefixtures("certificates")
@pytest.mark.parametrize(
    "moment",
    [
        r"\[bring-images\]: started",
        r"\[upgrade/staticpods\] Preparing for \"kube-controller-manager\"",
        r"\[upgrade-workers\]: started",
    ],
    ids=["files", "kubeadm", "drain"],
)
def test_killed(cut: CutOff, moment: str) -> None:
    """While files are brought, inside `kubeadm upgrade apply`, while a worker is drained: no request fails."""
    with cut.asked() as asked:
        run = cut.kubeon.watched(cut.name, *cut.upgrade())
        run.reach(moment, patience=600)
        time.sleep(1)
        run.kill()
        time.sleep(3)

    assert [report.new.failed for report in asked.service] == [[], []]


def test_nothing_else_is_begun(cut: CutOff) -> None:
    """It says what goes on."""
    refused = cut.kubeon.run("create", cut.name, "--yes")

    assert refused.exit_code == 6, refused.text
    assert f"resume it: kubeon upgrade {cut.name} {VERSION}" in refused.text


def test_a_worker_without_power(cut: CutOff) -> None:
    """In the middle of its turn: the upgrade fails, and says so. What ran on it is missed until the cluster notices."""
    with cut.asked(*cut.control_planes[:2]):
        run = cut.kubeon.watched(cut.name, *cut.upgrade("--drain-timeout", "30"))  # nobody leaves a dead host
        run.reach(r"\[upgrade-workers\]: started", patience=600)
        busy = next(host for host in cut.workers if cut.kubelets()[host.name] == OLDER)
        faults.power_off(busy)
        failed = run.end(patience=600)
        faults.power_on(busy)

    assert failed.exit_code != 0, failed.text


def test_the_same_command_ends_it(cut: CutOff, certificates: dict[str, str]) -> None:
    """After all that everything has the new version, and the way to the API is what it was.

    Unlike in an upgrade without such an accident (tests/cluster/test_upgrade.py) some requests may fail: of a
    hundred none to four did.
    """
    wait_for(cut.answers)
    with cut.asked() as asked:
        began = time.monotonic()
        cut.kubeon.ok(*cut.upgrade(), timeout=900)
        measured(f"the upgrade that went on: {time.monotonic() - began:.0f} s")

    cut.check()
    assert all(len(report.new.failed) < report.new.sent / 10 for report in asked.service)
    assert cut.certificates() == certificates
    assert "nothing was changed" in cut.kubeon.ok(*cut.upgrade()).stdout
    assert cut.kubeon.data("create", cut.name, "--yes")["changed"] is False
    kubectl(cut.first, f"rollout status deployment/{UPDATER} -n kube-system --timeout=180s")
    wait_for(lambda: cut.kubeon.run("cluster-info", cut.name).exit_code == 0)


def test_nothing_is_left(cut: CutOff) -> None:
    """After destroy."""
    cut.kubeon.ok("destroy", cut.name, "--yes")

    for worker in cut.workers:
        found = hosts.ssh(
            worker, "ls -d /etc/systemd/system/apiserver-* /usr/local/lib/kubeon /etc/kubernetes", check=False
        )
        assert found.stdout == ""
        assert API not in hosts.ssh(worker, "cat /etc/hosts").stdout
