"""What a fake worker does in mode updater: the line for the API in its /etc/hosts leads a life of its own."""

from typing import TYPE_CHECKING

from kubeon.lb import updater
from kubeon.lb.base import DETOUR
from tests.fakes.restore import ExitError

if TYPE_CHECKING:
    from tests.fakes.machine import Machine


class Startup:
    """Tokens of apiserver-startup."""

    machine: "Machine"

    if TYPE_CHECKING:

        def say(self, line: str) -> None:
            """See Run."""

    def do_start_way(self) -> None:
        """As the unit does, which finds its line by what its settings say."""
        machine = self.machine
        assert {f"/etc/systemd/system/{unit}" for unit in (updater.STARTUP, updater.RETURN)} <= set(machine.files)
        assert updater.STARTUP in machine.units, "it would not start at boot"
        settings = _settings(machine)
        assert any(call.startswith(f"ensure_hosts_block {settings['CLUSTER']} ") for call in machine.settings)
        machine.units[updater.STARTUP] = "active"
        if cluster_ip_answers(machine):
            machine.detour = ""
        else:
            living = {f"{member.address}:6443" for member in machine.api.etcd.members if member.runs}
            machine.detour = next((each for each in _listed(machine) if each in living), machine.detour)

    def do_check_updater(self, wanted: str, address: str, port: str) -> None:
        """The list, and then the line: where the cluster IP answers it is back."""
        assert (address, port) == (_settings(self.machine)["CLUSTER_IP"], "6443")
        if _listed(self.machine) != wanted.split():
            raise ExitError(f"apiserver-startup knows {' '.join(_listed(self.machine))}, not {wanted}")
        if self.machine.units[updater.STARTUP] == "active" and cluster_ip_answers(self.machine):
            self.machine.detour = ""
        to = self.machine.detour.rpartition(":")[0]
        if any(member.address == to and member.runs for member in self.machine.api.etcd.members):
            raise ExitError(f"/etc/hosts leads past the cluster IP {address} to control plane {to} for now", DETOUR)
        if to or not cluster_ip_answers(self.machine):
            raise ExitError(f"the cluster IP {address}:{port} does not answer")
        self.say(f"{address}:{port} UP")


def cluster_ip_answers(machine: "Machine") -> bool:
    """kube-proxy runs here, and knows a Service that leads somewhere."""
    api = machine.api
    there = {f"Service/{updater.SERVICE}", f"EndpointSlice/{updater.SLICE}"} <= set(api.applied)
    runs = machine.kubelet_runs or machine.lingers
    return there and runs and any(member.runs for member in api.etcd.members)


def finds_the_api(machine: "Machine") -> bool:
    """Does a kubelet that starts now?"""
    return updater.SETTINGS not in machine.files or bool(machine.detour) or cluster_ip_answers(machine)


def _settings(machine: "Machine") -> dict[str, str]:
    text = machine.files[updater.SETTINGS][0]
    return dict(line.split("=", 1) for line in text.splitlines())


def _listed(machine: "Machine") -> list[str]:
    return [line for line in machine.files[updater.HOSTS][0].splitlines() if not line.startswith("#")]
