"""The cluster that is tested: three control planes and two workers, made by kubeon as a user would."""

import shutil

from kubeon.state.home import Home
from tests.cluster.driver import Kubeon, nodes, sources
from tests.lab import cache, hosts
from tests.lab.mirror.store import Log

NAME = "cf"
_NETWORK = "10.77.12"  # no test's
_ADDRESSES = {f"{NAME}-m{number}": f"{_NETWORK}.1{number}" for number in (1, 2, 3)}
_ADDRESSES |= {f"{NAME}-w{number}": f"{_NETWORK}.2{number}" for number in (1, 2)}


def control_machine() -> Kubeon:
    """Its home is in the lab's cache, so that a cluster which was kept is found again."""
    return Kubeon(cache.root() / "conformance/control")


def ensure(release: str, log: Log = print) -> Kubeon:
    """The cluster of before, when it is there and kubeon finds it whole, else a new one."""
    kubeon = control_machine()
    if _is_whole(kubeon, release):
        log(f"the cluster {NAME} is there already")
        return kubeon
    remove()
    members = hosts.up([f"{name}={address}" for name, address in _ADDRESSES.items()])
    log(f"kubeon create {NAME} {release}")
    kubeon.ok("create", NAME, release, *nodes(members[:3], members[3:]), *sources(release), "--yes")
    return kubeon


def remove() -> None:
    """Its hosts and what the control machine knew of them."""
    hosts.down(_ADDRESSES)
    shutil.rmtree(control_machine().folder, ignore_errors=True)


def _is_whole(kubeon: Kubeon, release: str) -> bool:
    spec = Home(kubeon.home).cluster(NAME).read_spec()
    there = {host.name for host in hosts.running()}
    if not spec or spec.version != release or not there.issuperset(_ADDRESSES):
        return False
    return kubeon.run("create", NAME, "--yes").exit_code == 0
