"""python -m tests.lab.demo up|down: a real cluster on this machine, made before your eyes."""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from kubeon.spec.versions import Version, refuses_cgroup_v1
from tests.lab import base, cache, hosts, machine, mirror
from tests.lab.command import LabError
from tests.lab.mirror import origin

NAMES = ("demo1", "demo2", "demo3")
CLUSTER = "demo"
ROOMY = 0.2
"""The share of a disk that is free, by which kubelets, whose own limit is 15 %, do not come near it."""

ROOT = Path(__file__).parents[2]
KUBEON = Path(sys.executable).with_name("kubeon")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--release", default=mirror.RELEASES[0], help="Kubernetes release; default %(default)s")
    given = parser.parse_args()
    try:
        return up(given.release) if given.command == "up" else down()
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def up(release: str) -> int:
    """Hosts and mirror, then exactly what a user would type."""
    say("Three bare Debian servers come up on this machine (podman containers with systemd and sshd, on a network of")
    say("their own that no packet leaves), and a mirror with what Kubernetes is made of. What is made goes to")
    say(f"{cache.root()}.")
    fetch = is_fetched(release)
    say(f"{how(release, fetch=fetch)}\n")
    if not set(NAMES) <= {host.name for host in hosts.known()}:
        shutil.rmtree(home(), ignore_errors=True)  # what was learnt of hosts that are gone
    machines = hosts.up(NAMES)
    for host in machines:
        say(f"  {host.name}  {host.address}  root's password: {base.ROOT_PASSWORD}")
    mirror.prepare([release], lambda line: print(f"  {line}", flush=True), fetch=fetch)
    mirror.start()
    settings = write_settings(release)
    kubelets = kubelet_settings(release)
    words = ["create", CLUSTER, release, *nodes(machines), *sources(release), *flags("--set", kubelets)]
    say("\nNow what you would type, with root's password in KUBEON_SSH_PASSWORD:\n")
    say("$ kubeon " + shlex.join(words).replace(" --", " \\\n      --").replace(" -m ", " \\\n      -m ") + "\n")
    code = subprocess.run([KUBEON, *words, "--yes"], env=os.environ | settings, check=False).returncode
    if code:
        return code
    say("\n$ kubectl get nodes -o wide\n")
    subprocess.run(["kubectl", "get", "nodes", "-o", "wide"], env=os.environ | settings, check=False)
    say(farewell())
    return 0


def down() -> int:
    """The demo's hosts and its home; the material stays for the next time."""
    hosts.down(NAMES)
    shutil.rmtree(home(), ignore_errors=True)
    say("The demo is gone. What was built for it stays in the cache; `./dev lab.off` removes the lab's network too.")
    return 0


def known(release: str) -> dict[str, Any]:
    """What the mirror has of it already."""
    found: dict[str, Any] = mirror.versions().get("releases", {}).get(release, {})
    return found


def is_fetched(release: str) -> bool:
    """Whether it comes from the Internet: as it did before, else if the Internet has it, as seen from here."""
    return not known(release).get("built", True) if known(release) else origin.reachable(release)


def how(release: str, *, fetch: bool) -> str:
    """Where the release comes from."""
    if known(release):
        return f"Kubernetes {release} {'came from the Internet' if fetch else 'was built on this machine'} before."
    if fetch or not mirror.buildable(release):
        return f"Kubernetes {release}: upstream's own programs and images, from the Internet (a minute)."
    return (
        f"Kubernetes {release}: no Internet here (dl.k8s.io does not answer), so it is built from Go modules, with\n"
        "containerd, etcd and all that goes with it (a quarter of an hour on two cores, the first time)."
    )


def kubelet_settings(release: str) -> list[str]:
    """What kubelets have to be told of this machine, for --set; says why."""
    settings = []
    if refuses_cgroup_v1(Version.parse(release)) and not machine.has_cgroup2():
        say("\nThis machine has cgroup v1, which kubelets refuse from v1.35 on: the cluster's are told not to.")
        settings.append("kubelet.failCgroupV1=false")
    disk = shutil.disk_usage(cache.root())
    if disk.free < disk.total * ROOMY:
        say("\nThis machine's disk is fairly full, at which kubelets take no pods: the cluster's go by what is free.")
        settings.append("kubelet.evictionHard={memory.available: 100Mi, nodefs.available: 1Gi, imagefs.available: 1Gi}")
    return settings


def home() -> Path:
    """A kubeon home and a kubeconfig of the demo's own."""
    return cache.root() / "demo"


def write_settings(release: str) -> dict[str, str]:
    """Environment of the demo, also as a file for a shell to read; kubectl is the mirror's."""
    programs = home() / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    link = programs / "kubectl"
    link.unlink(missing_ok=True)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    link.symlink_to(mirror.root() / f"dl.k8s.io/release/{release}/bin/linux/{machine}/kubectl")
    settings = {
        "KUBEON_HOME": str(home() / "kubeon"),
        "KUBECONFIG": str(home() / "kubeconfig"),
        "PATH": f"{programs}:{KUBEON.parent}:{os.environ['PATH']}",
        "KUBEON_SSH_PASSWORD": base.ROOT_PASSWORD,
    }
    own = {**settings, "PATH": f"{programs}:{KUBEON.parent}:$PATH"}
    (home() / "env").write_text("".join(f'export {name}="{value}"\n' for name, value in own.items()))
    return settings


def nodes(machines: list[hosts.LabHost]) -> list[str]:
    """One control plane, the others workers."""
    first, *others = (f"{host.name}={host.address}" for host in machines)
    return ["-m", first, "-w", ",".join(others)]


def sources(release: str) -> list[str]:
    """The mirror, and the component versions it has."""
    files, registry = mirror.urls()
    has = mirror.versions()["releases"][release]
    names = {"containerd": "containerd", "runc": "runc", "cniPlugins": "cni-plugins", "crictl": "crictl"}
    sets = [f"components.{field}={has[name]}" for field, name in names.items()]
    return ["--mirror", files, "--registry", f"http://{registry}", *flags("--set", sets)]


def flags(name: str, values: list[str]) -> list[str]:
    """A flag for each of the values."""
    return [word for value in values for word in (name, value)]


def farewell() -> str:
    """What to try next."""
    return f"""
It is yours. In a shell:

    . {home()}/env            # KUBEON_HOME, KUBECONFIG, PATH
    kubectl get pods -A -o wide
    kubeon create {CLUSTER}                # again: changes nothing
    kubeon destroy {CLUSTER}               # hosts as they were found
    ./dev lab.ssh demo1               # a look from inside

To remove it: ./dev demo.down (the hosts), or ./dev lab.off (the whole lab)."""


def say(text: str) -> None:
    """To the user, in order with what programs print."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
