"""What an upgrade needs is on every node before the first one is touched; what runs goes on with what it has."""

from collections.abc import Sequence

from kubeon.bundle.install import WAITING, lacking_script
from kubeon.cluster.artifacts import send
from kubeon.cluster.context import Cluster
from kubeon.cluster.options import UPLOADS
from kubeon.cluster.snapshot import remember_before, save_snapshot, snapshot_before
from kubeon.cluster.upgrade import UpgradeStep
from kubeon.hosts.host import Host
from kubeon.phases.import_images import ImportImages


class BringFiles(UpgradeStep):
    """Programs of the new version, each whole and checked, beside those in use."""

    name = "bring-files"
    title = "Bring the new version"
    limit = UPLOADS
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Where something is to be done at all."""
        return () if host.name in self.work.upgraded else ("bring files and images",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Send what is neither in use nor waiting."""
        artifacts = {artifact: ctx.store.members(artifact) for artifact in ctx.material(host).files}
        wanted = {path: member for members in artifacts.values() for path, member in members.items()}
        waiting = {f"{WAITING}{path}": member for path, member in wanted.items()}
        script = lacking_script(wanted) + lacking_script(waiting)
        lacking = set(host.ask(script, timeout=300, what="look at installed files").splitlines())
        changes = []
        for artifact, members in artifacts.items():
            missing = {p: m for p, m in members.items() if p in lacking and f"{WAITING}{p}" in lacking}
            if missing:
                changes.append(send(host, ctx.store, artifact, missing, ctx.reporter, root=WAITING))
        return changes


class BringImages(ImportImages):
    """Images of the new version; those in use have other names."""

    name = "bring-images"
    title = "Bring the new images"
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """It goes without saying."""
        return ()


class SnapshotBefore(UpgradeStep):
    """A way back, on the control machine, before anything is touched."""

    name = "snapshot-before"
    title = "Save etcd's data"
    needs = (BringFiles, BringImages)
    halts_on_failure = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Of one member, which has what all have."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Where an upgrade begins."""
        return () if self.work.half_way else ("take a snapshot of etcd, and bring it to this machine",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Not where an upgrade goes on: what was before it is saved already, or past."""
        before = ctx.state.read_spec()
        if before is None:
            return ()
        if self.work.half_way:
            if before.version != ctx.spec.version:
                self.work.snapshot = snapshot_before(ctx.state, before.version, ctx.spec.version)
            return ()
        members = [each for each in ctx.hosts if ctx.is_control_plane(each)]
        saved = save_snapshot(before, ctx.state, members, ctx.cri, ctx.reporter, store=ctx.store)
        self.work.snapshot = saved.path
        remember_before(ctx.state, before.version, ctx.spec.version, saved.path)
        return (f"revision {saved.revision}, {saved.keys} keys: {saved.path}",)
