"""The lab's hosts: podman containers that look like fresh servers, with systemd, sshd and an address of their own."""

import dataclasses
import ipaddress
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab import base as bases
from tests.lab import machine, mirror, network
from tests.lab.command import LabError, run

LABEL = bases.LABEL
_TAKEN = "snapshot"
DEFAULT_MEMORY = "3g"
FIRST_ADDRESS = "10.77.0.11"
_AT_ONCE = 4  # more only wait for each other in podman's locks
_PATIENCE = 120.0  # seconds for a host to answer; it takes 1-2 s where nothing else runs
# What the first boot of a host makes is made again by that of each copy (firstboot/lab-firstboot).
_FORGET = "rm -f /etc/.lab-booted /etc/ssh/ssh_host_* /var/lib/dbus/machine-id; : >/etc/machine-id"
# containerd never writes to layers and blobs that it has taken in, only to its databases: hosts share the former.
_COPY_VAR = """
set -e
find "$2" -mindepth 1 -delete
mkdir "$2/lib"
tar -C "$1" --exclude ./lib/containerd -cf - . | tar -C "$2" -xpf -
if [ -d "$1/lib/containerd" ]; then
    cp -al "$1/lib/containerd" "$2/lib/"
    find "$2/lib/containerd" -name '*.db' -exec cp -p {} {}.lab \\; -exec mv {}.lab {} \\;
fi
"""


@dataclasses.dataclass(frozen=True)
class LabHost:
    """A host that is, or was, up."""

    name: str
    address: str
    base: str

    @property
    def container(self) -> str:
        """Its name in podman."""
        return f"kubeon-lab-{self.name}"

    @property
    def volume(self) -> str:
        """The volume that is its /var."""
        return f"kubeon-lab-{self.name}-var"


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What a host had on its disks once. New hosts can begin with it (see `up`)."""

    name: str
    key: str
    base: str

    @property
    def image(self) -> str:
        """All but /var, in podman."""
        return f"localhost/kubeon-lab/{self.name}:{self.key}"

    @property
    def volume(self) -> str:
        """/var."""
        return f"kubeon-lab-{self.name}-{self.key}"

    def exists(self) -> bool:
        """Has it been taken, to the end?"""
        volumes = machine.podman("volume", "ls", "-q", "--filter", f"label={LABEL}={_TAKEN}").split()
        return self.volume in volumes and bases.has_image(self.image)

    def take(self, host: LabHost) -> None:
        """Of this host, which is shut down and removed. Snapshots of the same name before it are removed, too."""
        ssh(host, _FORGET)
        machine.podman("stop", "-t", "60", host.container)
        for volume in machine.podman("volume", "ls", "-q", "--filter", f"label={LABEL}={_TAKEN}").split():
            if volume.startswith(f"kubeon-lab-{self.name}-"):
                _remove_volume(volume)
        machine.podman("volume", "create", "--label", f"{LABEL}={_TAKEN}", self.volume)
        _copy_var(host.volume, self.volume)
        machine.podman("commit", "-q", "--change", f"LABEL {LABEL}=image", host.container, self.image)
        bases.remove_older(self.name, self.image)
        _remove(host)


def up(
    names: int | Iterable[str],
    *,
    base: str = "debian-12",
    like: Snapshot | None = None,
    memory: str | None = None,
    start_address: str = FIRST_ADDRESS,
) -> list[LabHost]:
    """Start hosts that are not up yet and wait until each lets root and everybody else log in.

    `names`: how many (n1, n2, ...), or their names, each as NAME or NAME=ADDRESS; names without an address get the
    first free one from `start_address` on. `like`: what new ones have on their disks; without it they are fresh
    servers of `base`. `memory`: limit of each host in podman's words, such as 3g. Returned in the order asked for. A
    host that exists keeps its address, base and memory.
    """
    base = like.base if like else base
    wanted = [f"n{number}" for number in range(1, names + 1)] if isinstance(names, int) else list(names)
    bases.find(base)
    with machine.lock():
        machine.prepare()
        network.up()
        states = dict(status())
        hosts = assign(wanted, {host.name: host for host in states}, base=base, start_address=start_address)
        if any(host not in states for host in hosts):
            bases.ensure(base)

        def start(host: LabHost) -> None:
            if host not in states:
                _create(host, memory or DEFAULT_MEMORY, like)
            elif states[host] != "running":
                machine.podman("start", host.container)

        _each(start, hosts)
    _each(wait_for_login, hosts)
    return hosts


def assign(wanted: Sequence[str], existing: dict[str, LabHost], *, base: str, start_address: str) -> list[LabHost]:
    """Give every wanted host an address: its own if it exists, the one asked for, or the first free one."""
    pairs = [(name, address) for name, _, address in (entry.partition("=") for entry in wanted)]
    if repeated := {name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1}:
        raise LabError(f"the same host twice: {', '.join(sorted(repeated))}")
    asked = {network.check_address(address): name for name, address in pairs if address}
    if len(asked) < len([address for _, address in pairs if address]):
        raise LabError("the same address twice")
    taken = {host.address: host.name for host in existing.values()}
    for address, name in asked.items():
        if taken.get(address, name) != name:
            raise LabError(f"{name}: {address} belongs to {taken[address]}")
    hosts = []
    for name, address in pairs:
        if name in existing:
            if address and existing[name].address != address:
                raise LabError(f"{name} is there already, with the address {existing[name].address}")
            hosts.append(existing[name])
            continue
        given = address or network.first_free(start_address, {*taken, *asked})
        taken[given] = name
        hosts.append(LabHost(name, given, base))
    return hosts


def known() -> list[LabHost]:
    """All hosts of the lab, running or powered off, by address."""
    return [host for host, _ in status()]


def running() -> list[LabHost]:
    """The hosts that run, by address."""
    return [host for host, state in status() if state == "running"]


def down(names: Iterable[str] | None = None) -> None:
    """Remove these hosts, or all, with everything on them. The network stays. Missing ones are no error."""
    hosts = known()
    wanted = None if names is None else set(names)
    chosen = [host for host in hosts if wanted is None or host.name in wanted]
    _each(_remove, chosen)


def off() -> None:
    """Remove the hosts, the network and the guard, put back the machine's settings.

    Also cleans up after a run that was killed. Goes on after an error and raises at the end.
    """
    errors = []
    # down twice: what a killed `up` had begun may be finished by podman during the first time
    steps: list[Callable[[], None]] = [mirror.stop, down, down, _remove_volumes, network.down, machine.restore]
    with machine.lock():
        for step in steps:
            try:
                step()
            except (LabError, OSError) as error:
                errors.append(str(error))
                if step is down:
                    break  # the guard stays as long as a host does
    if errors:
        raise LabError("; ".join(errors))


def status() -> list[tuple[LabHost, str]]:
    """Every host with its state in podman's words (running, exited, ...), by address."""
    if shutil.which("podman") is None:
        return []
    machine.write_containers_conf()
    text = machine.podman("ps", "-a", "--filter", f"label={LABEL}=host", "--format", "json")
    found = []
    for entry in json.loads(text or "[]"):
        labels = entry["Labels"]
        host = LabHost(labels[f"{LABEL}.name"], labels[f"{LABEL}.address"], labels[f"{LABEL}.base"])
        found.append((host, entry["State"]))
    return sorted(found, key=lambda pair: ipaddress.IPv4Address(pair[0].address))


def get(name: str) -> LabHost:
    """The host of this name."""
    for host in known():
        if host.name == name:
            return host
    raise LabError(f"no host {name} in the lab")


def ssh_words(host: LabHost, user: str = "root") -> list[str]:
    """The words of an ssh command line that logs in by the lab's key; the remote command follows."""
    options = {
        "IdentityFile": str(bases.private_key()),
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        # a host of the same address may be a new one, with a new key, any minute
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "ConnectTimeout": "5",
        # ten times cheaper than the default, which takes a tenth of a second of a busy machine at each login
        "KexAlgorithms": "curve25519-sha256",
    }
    flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", *flags, f"{user}@{host.address}"]


def ssh(
    host: LabHost | str,
    command: str,
    user: str = "root",
    check: bool = True,
    *,
    stdin: str | None = None,
    timeout: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host by the lab's key; `timeout` in seconds. LabError if it fails and `check` is set."""
    target = get(host) if isinstance(host, str) else host
    return run([*ssh_words(target, user), command], stdin=stdin or "", check=check, timeout=timeout)


def wait_for_login(host: LabHost, patience: float = _PATIENCE) -> None:
    """Wait until sshd answers and systemd lets users in; `patience` in seconds."""
    until = time.monotonic() + patience
    while True:
        try:
            done = ssh(host, "test ! -e /run/nologin", check=False, timeout=10)
        except LabError as error:
            said = str(error)
        else:
            if done.returncode == 0:
                return
            said = done.stderr.strip() or "systemd is still starting"
        if time.monotonic() > until:
            log = machine.podman("logs", "--tail", "20", host.container, check=False)
            raise LabError(f"{host.name}: no login after {patience:.0f} s: {said}\n{log}")
        time.sleep(0.1)


def _create(host: LabHost, memory: str, like: Snapshot | None) -> None:
    labels = {LABEL: "host", f"{LABEL}.name": host.name, f"{LABEL}.address": host.address, f"{LABEL}.base": host.base}
    words = ["run", "-d", "--name", host.container, "--hostname", host.name, "--network", network.NAME]
    words += ["--ip", host.address, "--mac-address", network.mac(host.address), "--dns", str(network.GATEWAY)]
    words += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    # By hand what podman's systemd mode does: podman 4.3's own binds the machine's whole systemd hierarchy into every
    # host where cgroups are v1.
    words += ["--privileged", "--systemd=false", "--cgroupns=private", "--stop-signal=SIGRTMIN+3"]
    words += ["--env", "container=podman", "--no-hosts", "--pids-limit=-1", "--memory", memory]
    words += ["--tmpfs", "/run:rw,nosuid,nodev,mode=755", "--tmpfs", "/run/lock:rw,nosuid,nodev"]
    words += ["--tmpfs", "/tmp:rw,nosuid,nodev,mode=1777"]
    # so `systemctl reboot` in the host ends the container and podman starts it again; not "always", which podman's own
    # unit would start at the machine's next boot, when there is no guard
    words += ["--restart", "unless-stopped"]
    # containerd's snapshots are overlays, which do not stack on the container's own overlay
    machine.podman("volume", "create", "--label", f"{LABEL}={host.name}", host.volume, check=False)
    if like:
        _copy_var(like.volume, host.volume)
    words += ["--volume", f"{host.volume}:/var:dev,suid,exec"]
    if Path("/lib/modules").is_dir():
        words += ["--volume", "/lib/modules:/lib/modules:ro"]
    machine.podman(*words, like.image if like else bases.image(host.base), *bases.command(host.base))


def _copy_var(source: str, target: str) -> None:
    run(["sh", "-c", _COPY_VAR, "sh", *map(_place, (source, target))])


def _remove(host: LabHost) -> None:
    network.restore(host.address)
    machine.podman("rm", "-f", "-t", "0", host.container, check=False)  # gives up before all is dead on a busy machine
    machine.podman("rm", "-f", "-i", "-t", "0", host.container)
    _remove_volume(host.volume)


def _remove_volumes() -> None:
    if shutil.which("podman") is None:
        return
    for volume in machine.podman("volume", "ls", "-q", "--filter", f"label={LABEL}").split():
        _remove_volume(volume)


def _place(volume: str) -> str:
    return machine.podman("volume", "inspect", "-f", "{{.Mountpoint}}", volume, check=False).strip()


def _remove_volume(volume: str) -> None:
    place = _place(volume)
    if place:
        # a host that was killed may leave mounts of its kubelet and containerd; the innermost goes first
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in sorted((path for path in mounts if path.startswith(f"{place}/")), reverse=True):
            run(["umount", "-l", mount], check=False)
        machine.podman("volume", "rm", "-f", volume)


def _each(action: Callable[[LabHost], None], hosts: Sequence[LabHost]) -> None:
    """Do this for all hosts, a few at a time; all are tried, then the first error is raised."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(action, host) for host in hosts]
    for future in futures:
        future.result()
