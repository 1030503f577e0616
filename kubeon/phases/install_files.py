"""Binaries: kubeadm, kubelet, kubectl, the runtime, CNI plugins. What a host holds already is not sent again."""

from collections.abc import Sequence

from kubeon.bundle.install import lacking_script
from kubeon.cluster.artifacts import send
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.options import UPLOADS
from kubeon.hosts.host import Host


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
                changes.append(send(host, ctx.store, artifact, wanted, ctx.reporter))
        return changes
