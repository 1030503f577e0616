"""An upgrade without an accident in the modes that the check upgrades no cluster of: what clients notice.

What was measured is in pytest's summary.
"""

import time

import pytest

from tests.cluster.balancer import start_haproxy
from tests.cluster.conftest import GOES_UP, Up
from tests.cluster.driver import OLDER, VERSION
from tests.cluster.living import Keeper
from tests.cluster.test_upgrade import FEW, Upgraded, nobody_missed
from tests.lab import mirror
from tests.measured import measured

pytestmark = [pytest.mark.lab, pytest.mark.soak, GOES_UP]
BALANCER = "10.77.11.40"
# Of what pods ask where the API server that workers hang on runs on while its etcd is exchanged: 13 of 2878.
WHILE_ETCD_IS_AWAY = 0.02


@pytest.mark.parametrize("mode", ["external", "direct"])
def test_upgrade(keeper: Keeper, up: Up, mode: str) -> None:
    """Nobody misses anything; in mode direct workers do without the API while the one that they have is upgraded.

    Pods, which reach the others too, wait for it a few times.
    """
    mirror.prepare((OLDER, VERSION))
    cluster = Upgraded(**vars(keeper.living("um", "10.77.11", "direct", OLDER)))
    if mode == "external":
        (balancer,) = up(f"um-lb={BALANCER}")
        start_haproxy(balancer, [each.address for each in cluster.control_planes])
        way = ("--mode", mode, "--lb-address", f"{BALANCER}:6443")
        cluster.kubeon.ok("lb", "switch", cluster.name, *way, "--yes")
    cluster.serves()

    with cluster.asked() as asked:
        began = time.monotonic()
        cluster.kubeon.ok(*cluster.upgrade(), timeout=1500)
        measured(f"the upgrade in mode {mode}: {time.monotonic() - began:.0f} s")

    if mode == "direct":
        asked.api.clear()
    nobody_missed(asked, WHILE_ETCD_IS_AWAY if mode == "direct" else FEW)
    cluster.check()
    assert "nothing was changed" in cluster.kubeon.ok(*cluster.upgrade()).stdout
