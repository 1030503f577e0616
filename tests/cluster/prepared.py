"""Hosts that have Kubernetes, its runtime and its images already: to bring them takes as long as all that follows."""

import fcntl
from pathlib import Path

from tests.cluster.driver import VERSION, Kubeon, nodes, sources
from tests.lab import base, cache, hosts, mirror
from tests.lab.hosts import Snapshot

MATERIAL = ("install-packages", "install-files", "start-runtime", "import-images")
"""Phases that say nothing of a cluster."""

BEFORE_KUBEADM = ("authorize-key", "prepare-host", *MATERIAL, "configure-network")
_ROOT = Path(__file__).parents[2]
_SOURCES = [_ROOT / name for name in ("kubeon", "haproxy", "updater", "systemd")]


def prepare(kubeon: Kubeon, phases: tuple[str, ...], *words: str) -> None:
    """Run only these phases of `create`."""
    process = kubeon.start(
        ",".join(phases), "create", *words, "--no-kubeconfig", "--yes", module="tests.cluster.prepare"
    )
    stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 0, stdout + stderr


def snapshot(kubeon: Kubeon, release: str = VERSION) -> Snapshot:
    """A control plane of mode updater before anything of a cluster is there; made by whoever asks first.

    One of another release begins with that of VERSION, so it has those images, too: to bring them in an upgrade takes
    two minutes of all its hosts, and `test_upgrade_chain` does it at each step.
    """
    kind, name = "debian-12", f"prepared-{release}"
    known = mirror.versions()["releases"]
    found = Snapshot(name, cache.key(*_SOURCES, base.image(kind), repr([known[release], known[VERSION]])), kind)
    with (cache.root() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not found.exists():
            host_name = name.replace(".", "-")
            hosts.down([host_name])
            (host,) = hosts.up([host_name], like=snapshot(kubeon) if release != VERSION else None)
            flags = (*nodes([host], []), "--lb-mode", "updater", *sources(release))
            prepare(kubeon, MATERIAL, host_name, release, *flags)
            hosts.ssh(host, "systemctl disable -q kubelet.service")  # it would be started over and over
            found.take(host)
    return found
