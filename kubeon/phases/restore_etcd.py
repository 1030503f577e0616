"""A whole etcd out of one snapshot: every control plane that is left gets the same data, as members of a new cluster.

Nothing is stopped before the snapshot lies on each of them and etcd's own tool has read it, and etcd starts nowhere
before all have their data. The data that was there is kept. Each step looks at the host first, so the whole may be cut
off anywhere.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.etcdutl import ensure_etcdutl
from kubeon.cluster.options import UPLOADS
from kubeon.cluster.restoration import Restoration, in_image
from kubeon.cluster.snapshot import fetch_snapshot
from kubeon.errors import BlockedError, KubeonError, OperationError
from kubeon.etcd.members import Etcd, Member
from kubeon.etcd.quorum import quorum_of
from kubeon.etcd.snapshots import CLEAR, describe_script, parse_content
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import Kubectl
from kubeon.state.restoring import forget_attempt
from kubeon.waiting import expect

ETCD_WITHIN = 240  # seconds; the kubelet starts a pod that failed before when its turn comes
ANSWERS_WITHIN = 240  # seconds for an API server
READY_WITHIN = 240  # seconds for nodes
_KEPT_BY = ("DaemonSet", "ReplicaSet", "StatefulSet")  # who makes a pod again
_BLOCK = 1 << 20


class _Restore(Step):
    """A phase of control planes that take part. When one of them fails, the others end before their next."""

    def __init__(self, work: Restoration) -> None:
        self.work = work

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Control planes that get the data."""
        return host.name in self.work.found

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Unless another one has failed."""
        if self.work.failed:
            failed = ", ".join(f"{name} ({phase})" for name, phase in sorted(self.work.failed.items()))
            raise BlockedError(f"aborted: it failed on {failed}")
        try:
            return self.do(ctx, host)
        except KubeonError:
            self.work.fails(host.name, self.title)
            raise

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What the phase is for."""
        raise NotImplementedError


class BringTool(_Restore):
    """What a snapshot is read and restored with, while nothing is stopped yet."""

    name = "bring-etcdutl"
    title = "Look for etcd's tool"
    limit = UPLOADS

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing where etcd's image has it."""
        version = self.work.found[host.name].manifest.image.rpartition(":")[2]
        return ensure_etcdutl(host, self.work.inside(host, "etcdutl", "version"), version, ctx.store, ctx.reporter)


class SendSnapshot(_Restore):
    """To every host, and etcd's own tool there reads it."""

    name = "send-snapshot"
    title = "Send the snapshot"
    needs = (BringTool,)
    limit = UPLOADS

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Before anything is stopped."""
        return () if self.work.is_restored(host) else ("send the snapshot, and let etcd's own tool check it",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Where it is not there, and not used already."""
        work = self.work
        if work.is_restored(host):
            return ()
        assert work.snapshot is not None  # noqa: S101 - it was given, or saved before
        sent = not work.has_snapshot(host)
        if sent:
            work.send(host, _blocks(work.snapshot))
        content = parse_content(work.run(host, "", what="check the snapshot", more=describe_script(in_image)))
        if work.revision and content.revision != work.revision:
            raise OperationError(
                "the snapshot does not hold what is written beside it",
                why=f"revision {content.revision}, and {work.revision} is written there",
                host=host.name,
            )
        return (f"snapshot of revision {content.revision}, {content.keys} keys",) if sent else ()


class StopControlPlane(_Restore):
    """Manifests move away, on all hosts, so that nobody writes any more and nobody serves what is about to go."""

    name = "stop-control-plane"
    title = "Stop the control plane"
    needs = (BringTool, SendSnapshot)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Pods go on."""
        return () if self.work.is_restored(host) else ("stop API server, controller manager, scheduler and etcd",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Where the data is not restored yet."""
        if self.work.is_restored(host):
            return ()
        return self.work.run(host, "park", what="stop the control plane", timeout=300).splitlines()


class RescueData(_Restore):
    """A snapshot of all that a single member has, though it cannot decide anything by itself."""

    name = "rescue-data"
    title = "Save the member's data"
    needs = (StopControlPlane,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The one whose data it is to be."""
        return host.name == self.work.member

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """It stays here, too."""
        return ("save its data as a snapshot, and bring it to this machine",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """From a copy of its data, which is left as it is."""
        manifest = self.work.found[host.name].manifest
        script = describe_script(in_image)
        output = self.work.run(host, f"rescue {manifest.name}", what="save the data", timeout=1800, more=script)
        members = [Member(0, each.manifest.name, (each.manifest.peer_url,), ()) for each in self.work.found.values()]
        version = manifest.image.rpartition(":")[2]
        found = fetch_snapshot(
            ctx.spec, ctx.state, host, parse_content(output), ctx.reporter, members=members, version=version
        )
        self.work.snapshot, self.work.revision, self.work.checksum = found.path, found.revision, found.sha256
        return (f"snapshot of revision {found.revision}: {found.path}",)


class RestoreData(_Restore):
    """The new data beside the old; then they change places."""

    name = "restore-data"
    title = "Restore etcd's data"
    needs = (StopControlPlane,)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """With the place of what was there."""
        if self.work.is_restored(host):
            return ()
        return (f"restore etcd's data; keep what is there now in {self.work.old(host)}",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Once in a restore, whatever happens in between."""
        words = " ".join(self.work.restore_words(host))
        return self.work.run(host, f"restore {words}", what="restore the data", timeout=1800).splitlines()


class StartEtcd(_Restore):
    """Everywhere: none of them is a quorum alone."""

    name = "start-etcd"
    title = "Start etcd"
    needs = (RestoreData,)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """And what comes with it."""
        return ("start etcd, then API server, controller manager and scheduler",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Put its manifest back."""
        return self.work.run(host, "unpark etcd", what="start etcd").splitlines()


class CheckEtcd(_Restore):
    """Just those that were restored, all of them healthy."""

    name = "check-etcd"
    title = "Check etcd"
    needs = (StartEtcd,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Asked of one."""
        return host is ctx.bootstrap

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Wait for it."""
        wanted = {found.manifest.peer_url for found in self.work.found.values()}

        def why_not() -> str:
            try:
                members = Etcd(host, self.work.cri.inside_script).members()
            except OperationError as error:
                return error.why or error.what
            urls = {url for each in members for url in each.peer_urls}
            return "" if urls == wanted and all(m.healthy for m in members) else str(quorum_of(members))

        expect(
            why_not,
            "etcd did not become healthy",
            within=ETCD_WITHIN,
            hint="look at: crictl ps -a --name etcd, and its logs, on the control planes",
            pause=0.5,
            longest=2.0,
        )
        return ()


class StartControlPlane(_Restore):
    """Anew, all of it: nothing that runs remembers what is not there any more."""

    name = "start-control-plane"
    title = "Start the control plane"
    needs = (CheckEtcd,)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """And wait for its API server."""
        call = "unpark kube-apiserver kube-controller-manager kube-scheduler"
        changes = self.work.run(host, call, what="start the control plane").splitlines()
        expect(
            Kubectl(host).why_not,
            "the API server did not answer",
            within=ANSWERS_WITHIN,
            hint="look at: crictl ps -a --name kube-apiserver, and its logs",
            host=host.name,
            pause=0.5,
            longest=2.0,
        )
        return changes


class RestartKubelet(_Restore):
    """A kubelet that watches for changes after a revision that is to come again would hear nothing until then."""

    name = "restart-kubelet"
    title = "Restart the kubelet"
    needs = (StartControlPlane,)
    reaches_members: ClassVar[bool] = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Every node that can be reached. Its pods go on."""
        return True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Workers, too."""
        return ("restart the kubelet; pods go on",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """As at boot: where kube-proxy led workers to before need not be where API servers are now."""
        start = ctx.lb.start_script(ctx.spec, host.node)
        host.change(f"{start}systemctl restart kubelet\n", what="restart the kubelet")
        return ("kubelet restarted",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """A worker that fails stops no control plane."""
        return super().run_on(ctx, host) if host.name in self.work.found else self.do(ctx, host)


class CheckCluster(_Restore):
    """Every node that can be reached reports, and is Ready; the cluster's own pods begin anew, as kubelets do."""

    name = "check-cluster"
    title = "Check the cluster"
    needs = (RestartKubelet,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Asked of one."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What it changes."""
        return ("restart kube-proxy, CoreDNS and other pods of kube-system",)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nodes first: pods are made where they are ready."""
        nodes = [each.name for each in ctx.hosts]
        _wait_for_reports(ctx.api, nodes)  # what the snapshot says of their health was true once
        ctx.api.wait_ready(nodes, seconds=READY_WITHIN)
        pods = (ctx.api.get("pods", "--namespace", "kube-system") or {"items": []})["items"]
        names = [pod["metadata"]["name"] for pod in pods if _is_kept(pod) and pod["spec"].get("nodeName") in nodes]
        if names:
            ctx.api.run("delete", "pods", *names, "--namespace", "kube-system", "--wait=false", "--ignore-not-found")
        return (f"{len(names)} pods of kube-system restarted",) if names else ()


class ClearSnapshot(_Restore):
    """The record goes first: without it the marks on the hosts mean nothing."""

    name = "clear-snapshot"
    title = "Clear away"
    needs = (CheckCluster,)

    def do(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The snapshot; the old data stays."""
        ctx.once(lambda: forget_attempt(ctx.state))
        host.change(CLEAR, what="clear the snapshot away")
        return ()


def rescue_steps(work: Restoration) -> tuple[Step, ...]:
    """From a member to a snapshot."""
    return (BringTool(work), StopControlPlane(work), RescueData(work))


def restore_steps(work: Restoration) -> tuple[Step, ...]:
    """From a snapshot to a cluster."""
    steps: tuple[type[_Restore], ...] = (BringTool, SendSnapshot, StopControlPlane, RestoreData, StartEtcd, CheckEtcd)
    steps += (StartControlPlane, RestartKubelet, CheckCluster, ClearSnapshot)
    return tuple(step(work) for step in steps)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _wait_for_reports(api: Kubectl, nodes: Sequence[str]) -> None:
    """A kubelet renews its Lease every 10 s. What a clock says is not asked: the time there has to change."""
    before: dict[str, str] = {}
    late = set(nodes)

    def late_ones() -> str:
        leases = (api.get("leases", "--namespace", "kube-node-lease") or {"items": []})["items"]
        for lease in leases:
            name, renewed = lease["metadata"]["name"], lease["spec"].get("renewTime", "")
            if before.setdefault(name, renewed) != renewed:
                late.discard(name)
        return ", ".join(sorted(late))

    hint = "look at: journalctl -u kubelet on these nodes"
    expect(late_ones, "kubelets do not report", within=READY_WITHIN, hint=hint, longest=2.0)


def _is_kept(pod: dict[str, Any]) -> bool:
    return any(owner["kind"] in _KEPT_BY for owner in pod["metadata"].get("ownerReferences", ()))
