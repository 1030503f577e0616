"""Binaries: kubeadm, kubelet, kubectl, the runtime, CNI plugins. What a host holds already is not sent again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from kubeon.bundle.install import install_script, lacking_script
from kubeon.hosts.host import Host
from kubeon.phases.context import UPLOADS, Cluster, Step

TIMEOUT = 1800  # seconds for one artifact on a slow line
BLOCK = 1 << 20


class InstallFiles(Step):
    """One question for everything, then one stream for each artifact that is missing or differs."""

    name = "install-files"
    title = "Install Kubernetes and the runtime"
    limit = UPLOADS

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """All others wait for `kubeadm init` in the end, so the whole uplink serves the bootstrap node first."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Names and versions, for a host that is new."""
        if host.facts.mark:
            return ()
        return ("install " + ", ".join(f"{one.name} {one.version}" for one in ctx.material(host).files),)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Ask for checksums, send what differs; the host checks again before anything is put in place."""
        artifacts = {artifact: ctx.store.members(artifact) for artifact in ctx.material(host).files}
        everything = {path: member for members in artifacts.values() for path, member in members.items()}
        lacking = set(host.ask(lacking_script(everything), timeout=300, what="look at installed files").splitlines())
        changes = []
        for artifact, members in artifacts.items():
            wanted = {path: member for path, member in members.items() if path in lacking}
            if wanted:
                ctx.reporter.note(f"sending {artifact.name} {artifact.version}", host=host.name)
                stdin = blocks(ctx.store.packed(artifact))
                script = install_script(artifact, wanted)
                host.change(script, stdin=stdin, timeout=TIMEOUT, what=f"install {artifact.name}")
                changes.append(f"{artifact.name} {artifact.version}")
        return changes


def blocks(path: Path) -> Iterator[bytes]:
    """A file, piece by piece."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
