"""python -m tests.lab.demo up|down: a real cluster on this machine, made before your eyes."""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import base, cache, hosts, mirror
from tests.lab.command import LabError
from tests.lab.mirror import debian

NAMES = ("demo1", "demo2", "demo3")
CLUSTER = "demo"
BUILT, CURRENT = "v1.20.2", "v1.34.2"
ROOT = Path(__file__).parents[2]
KUBEON = Path(sys.executable).with_name("kubeon")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    parser.add_argument("--release", help=f"Kubernetes release; default {BUILT} on Debian 12, else {CURRENT}")
    given = parser.parse_args()
    try:
        return up(given.release or default_release()) if given.command == "up" else down()
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def up(release: str) -> int:
    """Hosts and mirror, then exactly what a user would type."""
    say("Three bare Debian servers come up on this machine (podman containers with systemd and sshd, on a network of")
    say("their own that no packet leaves), and a mirror with what Kubernetes is made of. What is made goes to")
    say(f"{cache.root()}. The first time takes some minutes:")
    say(f"{how(release)}.\n")
    if not set(NAMES) <= {host.name for host in hosts.known()}:
        shutil.rmtree(home(), ignore_errors=True)  # what was learnt of hosts that are gone
    machines = hosts.up(NAMES)
    for host in machines:
        say(f"  {host.name}  {host.address}  root's password: {base.ROOT_PASSWORD}")
    mirror.prepare([release], lambda line: print(f"  {line}", flush=True))
    mirror.start()
    settings = write_settings(release)
    words = ["create", CLUSTER, release, *nodes(machines), *sources(release)]
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


def default_release() -> str:
    """Debian 12 can build the one that needs nothing but Debian's archive; anything else takes a current release."""
    return BUILT if debian.is_bookworm() else CURRENT


def how(release: str) -> str:
    """Where the release comes from."""
    if release == BUILT:
        return f"Kubernetes {release} is built from Debian's source package (7 minutes on two cores)"
    return f"Kubernetes {release} is fetched from the Internet"


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
    sets = [word for field, name in names.items() for word in ("--set", f"components.{field}={has[name]}")]
    return ["--mirror", files, "--registry", f"http://{registry}", *sets]


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
