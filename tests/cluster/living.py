"""A cluster of three control planes and two workers that modules hand on to each other: a create takes minutes.

It begins with the release before, is upgraded, and in the end its mode is another one. Each module leaves it with three
control planes and two workers; where one did not, a new one is made for the next.
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
    *("test_high_availability", "test_info", "test_etcd", "test_certs"),
    "test_lb_switch",
    "test_updater",
    "test_upgrade_cut_off",
    "test_upgrade_modes",
)
"""Modules for a cluster of 3 + 2 that is asked all the while, in their order: one after the other, nothing beside them.

Such a cluster, with its clients, keeps both of two cores busy. With others beside it etcd did not answer for ten
seconds and more while those brought images: what clients miss then says nothing of kubeon, and nothing is won by it.
"""
LOOKS = 12
"""Of some seconds each: what a module has done last may need half a minute to be well."""
LONG = ("test_upgrade_chain", "test_random_kills", "test_membership", "test_create", "test_interrupted", "test_adopt")
"""Of the others those that take longest: what begins last should be short."""


def rank(module: str) -> int:
    """Its place among all modules."""
    order = (*LARGE, *LONG)
    return order.index(module) if module in order else len(order)


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

    def is_whole(self, mode: str, release: str) -> bool:
        """As the next module expects it."""
        spec = Home(self.kubeon.home).cluster(self.name).read_spec()
        if (len(self.control_planes), len(self.workers)) != (3, 2) or not spec:
            return False
        if (spec.load_balancer.mode, spec.version) != (mode, release):
            return False
        return any(self.kubeon.run("cluster-info", self.name).exit_code == 0 for _ in range(LOOKS))


@dataclass
class Keeper:
    """Makes it when it is asked for, and another one when it is not as it has to be."""

    make_kubeon: MakeKubeon
    like: Callable[[str], Snapshot]
    made: Living | None = None
    begun: set[str] = field(default_factory=set)  # those that failed are in it, too

    def living(self, name: str, network: str, mode: str, release: str = VERSION) -> Living:
        """The one that was handed on; else one of this name, whose hosts' addresses begin with `network`."""
        if self.made is None or not self.made.is_whole(mode, release):
            for other in {name, *self.begun}:
                self.remove(other)
            self.begun.add(name)
            self.made = None
            self.made = self._make(name, network, mode, release)
        return self.made

    def give_up(self) -> None:
        """Nobody asks for it any more."""
        for name in self.begun:
            self.remove(name)
        self.made = None

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
