"""What goes wrong with servers: power, cable, sshd. Each has its undoing."""

import time

from tests.lab import machine, network
from tests.lab.command import LabError, run
from tests.lab.hosts import LabHost, ssh, wait_for_login


def power_off(host: LabHost, patience: float = 120.0) -> None:
    """Pull the plug: nothing is stopped or written properly. On a busy machine podman gives up before all is dead."""
    until = time.monotonic() + patience
    while True:
        machine.podman("stop", "-t", "0", host.container, check=False)
        if machine.podman("inspect", "-f", "{{.State.Status}}", host.container).strip() == "exited":
            return
        if time.monotonic() > until:
            raise LabError(f"{host.name} is not off after {patience:.0f} s")
        time.sleep(0.5)


def power_on(host: LabHost) -> None:
    """Start a host that is off, and wait until it lets people in."""
    machine.podman("start", host.container)
    wait_for_login(host)


def reboot(host: LabHost, patience: float = 120.0) -> None:
    """Reboot properly from within, and wait until it is back; `patience` in seconds."""
    before = boot_id(host)
    ssh(host, "systemctl reboot", check=False, timeout=30)
    until = time.monotonic() + patience
    while True:
        wait_for_login(host, patience)
        try:
            if boot_id(host) != before:
                return
        except LabError:
            pass  # it went down between the two
        if time.monotonic() > until:
            raise LabError(f"{host.name} did not reboot within {patience:.0f} s")
        time.sleep(0.1)


def boot_id(host: LabHost) -> str:
    """The identity of the host's present boot."""
    return ssh(host, "cat /proc/sys/kernel/random/boot_id", timeout=30).stdout.strip()


def stop_sshd(host: LabHost) -> None:
    """Stop sshd; the connections that stand stay."""
    _inside(host, "systemctl stop ssh.socket ssh.service 2>/dev/null || systemctl stop ssh.service")


def start_sshd(host: LabHost) -> None:
    """Start sshd again."""
    _inside(host, "systemctl start ssh.service")
    wait_for_login(host)


def cut(host: LabHost) -> None:
    """Pull the network cable."""
    network.cut(host.address)


def restore(host: LabHost) -> None:
    """Plug the network cable in again."""
    network.restore(host.address)


def _inside(host: LabHost, command: str) -> None:
    run(["podman", "exec", host.container, "sh", "-c", command], env=machine.podman_env())
