"""Clusters of three control planes and two workers that modules hand on to each other: a create takes a minute.

Each leaves it as it was: three control planes, two workers, the same mode. One that did not gets a new one made for the
next.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from kubeon.state.home import Home
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.lab import hosts
from tests.lab.hosts import LabHost, Snapshot

MakeKubeon = Callable[[], Kubeon]
LARGE = (
    "test_upgrade",
    *("test_high_availability", "test_info", "test_certs"),  # share one
    *("test_updater", "test_lb_switch"),
    "test_upgrade_cut_off",
)
"""Modules with a cluster of 3 + 2 that is asked all the while, in their order: one after the other, in one process.

Such a cluster keeps one of two cores busy; beside a second one kubeadm's own time-outs run out.
"""


def rank(module: str) -> int:
    """Its place among all modules."""
    return LARGE.index(module) if module in LARGE else len(LARGE)


@dataclass
class Living:
    """A cluster, and hosts beside it that are bare."""

    kubeon: Kubeon
    name: str
    control_planes: list[LabHost]
    workers: list[LabHost]
    bare: list[LabHost]

    @property
    def hosts(self) -> list[LabHost]:
        """All members."""
        return [*self.control_planes, *self.workers]

    def local_haproxies(self) -> dict[str, tuple[str, int]]:
        """The container of each worker's, and how often it was restarted."""
        found = {}
        for worker in self.workers:
            asked = f"get pod local-haproxy-{worker.name} --namespace kube-system -o json"
            (status,) = json.loads(kubectl(self.control_planes[-1], asked))["status"]["containerStatuses"]
            found[worker.name] = (str(status["containerID"]), int(status["restartCount"]))
        return found

    def is_whole(self, mode: str) -> bool:
        """As the next module expects it."""
        spec = Home(self.kubeon.home).cluster(self.name).read_spec()
        if (len(self.control_planes), len(self.workers)) != (3, 2) or not spec or spec.load_balancer.mode != mode:
            return False
        return self.kubeon.run("create", self.name, "--yes").exit_code == 0


@dataclass
class Keeper:
    """Makes them when they are asked for, and again when they are not whole."""

    make_kubeon: MakeKubeon
    like: Callable[[str], Snapshot]
    made: dict[str, Living] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)  # those that failed are in it, too

    def living(self, name: str, network: str, mode: str, release: str = VERSION) -> Living:
        """The cluster of this name, whole; its hosts' addresses begin with `network`."""
        for other in self.made.keys() - {name}:
            self.remove(other)
            del self.made[other]
        found = self.made.get(name)
        if found is None or not found.is_whole(mode):
            self.remove(name)
            self.begun.add(name)
            found = self.made[name] = self._make(name, network, mode, release)
        return found

    def remove(self, name: str) -> None:
        """Its hosts, and those that its modules have started beside them."""
        hosts.down([host.name for host in hosts.known() if host.name.startswith(f"{name}-")])

    def _make(self, name: str, network: str, mode: str, release: str) -> Living:
        addresses = {f"{name}-m{number}": f"{network}.1{number}" for number in (1, 2, 3)}
        addresses |= {f"{name}-w{number}": f"{network}.2{number}" for number in (1, 2)}
        addresses[f"{name}-x1"] = f"{network}.31"
        members = hosts.up([f"{host}={address}" for host, address in addresses.items()], like=self.like(release))
        found = Living(self.make_kubeon(), name, members[:3], members[3:5], members[5:])
        flags = [*nodes(found.control_planes, found.workers), "--lb-mode", mode, *sources(release)]
        found.kubeon.ok("create", name, release, *flags, "--yes")
        return found
