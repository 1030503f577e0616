"""One node after the other: its pods move away, kubelet and runtime become new, and when it is Ready pods may come."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import ClassVar

from kubeon.bundle.install import WAITING, activate_script, lacking_script
from kubeon.cluster.apart import aside_scripts
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.images import let_go
from kubeon.cluster.kubeadm import machine_checks
from kubeon.cluster.restarts import control_plane_problem
from kubeon.cluster.upgrade import Upgrade, UpgradeStep
from kubeon.errors import CommandError, KubeonError, OperationError
from kubeon.hosts.host import Host, restart_stamp
from kubeon.kube.cordon import cordon, is_cordoned, uncordon
from kubeon.kube.drain import drain, pods_on
from kubeon.kube.kubectl import why_not_ready
from kubeon.kube.proxy import daemonset, start_anew, wait_for_rollout
from kubeon.kube.versions import kubelet_version
from kubeon.kubeadm.commands import upgrade_node_words
from kubeon.phases.apply_load_balancer import ApplyLoadBalancer
from kubeon.phases.load_balancer import place, wait_for_answer
from kubeon.phases.start_runtime import StartRuntime
from kubeon.phases.upgrade_control_plane import UpgradeControlPlane, kubeadm_upgrade
from kubeon.phases.verify_cluster import VerifyCluster
from kubeon.waiting import SYSTEM_CLOCK, expect, wait_until

READY_WITHIN = 240  # seconds
SETTLED = 10  # seconds that a control plane has to be well on end: its static pods may be about to be made anew
UNCORDONED_WITHIN = 120  # seconds
PROXIES_WITHIN = 120  # seconds; they start anew one by one
PURPOSE = "upgrade"
_WAITS = f"if [ -e {WAITING} ]; then echo {WAITING}; fi\n"


class _UpgradeNode(UpgradeStep):
    title = "Upgrade the node"
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """From which version to which."""
        if host.name in self.work.upgraded:
            return ()
        was, wanted = self.work.kubelets.get(host.name), ctx.spec.kubernetes
        runtime, *_ = ctx.cri.artifacts(ctx.spec, host.facts.architecture)
        drained = f"drain within {self.work.drain_timeout:.0f} s, " if self.work.drain_timeout else ""
        return (f"{drained}kubelet {was} -> {wanted}, {runtime.name} {runtime.version}, uncordon",)

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """The one after which the user wants to have a look; and where a run before has failed, no other is begun."""
        return host.name == self.work.pause_after or host.name in self.work.upgraded | self.work.not_ready

    def halts_after(self, ctx: Cluster, host: Host) -> bool:
        """Where the user wants to have a look."""
        return host.name == self.work.pause_after

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing for a node that is through; one that fails may take pods again, and no other one is begun."""
        with _explained(ctx, host):
            if self._is_well(ctx, host):
                return ()
            changes = self._exchange(ctx, host)
            ctx.registered.add(host.name)
            return changes

    def _is_well(self, ctx: Cluster, host: Host) -> bool:
        """Is it through? Then it has to be well, too: it may be the very one at which the upgrade has stopped."""
        if host.name not in ctx.registered and self._is_done(ctx, host):
            place(ctx, host)  # another kubeon may have begun the upgrade
            self._expect_health(ctx, host)
            _let_go(ctx, host)
            ctx.registered.add(host.name)
        return host.name in ctx.registered

    def _is_done(self, ctx: Cluster, host: Host) -> bool:
        node = ctx.api.get("node", host.name)
        if node is None or kubelet_version(node) != ctx.spec.kubernetes or is_cordoned(ctx.api, host.name):
            return False
        wanted = {path: m for artifact in ctx.material(host).files for path, m in ctx.store.members(artifact).items()}
        script = lacking_script(wanted) + _WAITS  # it does until all that is new runs, too
        return not host.ask(script, timeout=300, what="look at installed files").strip()

    def _exchange(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """With the node cordoned, which takes pods again afterwards, also when it failed."""
        cordon(ctx.api, host.name, PURPOSE)
        try:
            changes = self._upgrade(ctx, host)
        except KubeonError:
            with suppress(KubeonError):
                host.command("systemctl", "start", "kubelet")
            _take_pods(ctx, host)
            raise
        uncordon(ctx.api, host.name)
        return changes

    def _upgrade(self, ctx: Cluster, host: Host) -> Sequence[str]:
        changes = []
        ready = not why_not_ready(ctx.api.get("node", host.name))
        if self.work.drain_timeout and ready:  # without its kubelet no pod leaves it
            count = len(pods_on(ctx.api, host.name))
            try:
                drain(ctx.api, host.name, seconds=self.work.drain_timeout)
            except OperationError as error:
                error.hint = "a longer --drain-timeout, 0 for none, or find out what holds them: kubectl get pdb -A"
                raise
            changes.append(f"{count} pod{'' if count == 1 else 's'} moved away")
        members = {artifact: ctx.store.members(artifact) for artifact in ctx.material(host).files}
        if not ctx.is_control_plane(host):  # there it has been
            kubeadm = {
                p: m for artifact, each in members.items() if artifact.name == "kubeadm" for p, m in each.items()
            }
            kubeadm_upgrade(
                ctx, host, upgrade_node_words(ignore=machine_checks(ctx, host)), before=activate_script(kubeadm)
            )
        of_runtime = ctx.cri.artifacts(ctx.spec, host.facts.architecture)
        runtime = {p for artifact, each in members.items() if artifact in of_runtime for p in each}
        everything = {path: member for each in members.values() for path, member in each.items()}
        # containers run on while their kubelet and their runtime are exchanged
        activate = activate_script(everything, owing=dict.fromkeys(runtime, restart_stamp(ctx.cri.unit)))
        end_api_server, end_etcd = aside_scripts(ctx, host)  # a new kubelet makes static pods anew
        host.change(f"systemctl stop kubelet\n{end_api_server}{activate}", what="install")
        place(ctx, host)
        changes += StartRuntime().run_on(ctx, host)  # which restarts it, too, where that is owed
        host.change(f"{end_etcd}rm -rf {WAITING}\nsystemctl start kubelet\n", what="start the kubelet")
        self._expect_health(ctx, host)
        _let_go(ctx, host)
        return (*changes, f"kubelet {ctx.spec.version}")

    def _expect_health(self, ctx: Cluster, host: Host) -> None:
        """Wait until the node is well and, a control plane, stays so.

        A kubelet of another minor release makes its static pods anew some seconds after it has started, since their
        hash is another one (applyDefaults in pkg/kubelet/config/common.go): etcd's container is gone for a while then,
        and so is the API server. Until the deadline no answer of theirs is the last word, neither a good one nor a bad.
        """
        why, since = "", 0.0
        settles = SETTLED if ctx.is_control_plane(host) else 0

        def why_not() -> str:
            nonlocal why, since
            before, why = why, _why_not_well(ctx, host)
            if why and why != before:
                ctx.reporter.note(f"not yet well: {why}", host=host.name)
            since = 0.0 if why else since or SYSTEM_CLOCK.monotonic()
            if not why and SYSTEM_CLOCK.monotonic() - since < settles:
                return f"it has been, for less than {settles} s"
            return why

        hint = "look at: journalctl -u kubelet on that host"
        expect(why_not, "the upgraded node was not well", within=READY_WITHIN, hint=hint, host=host.name)
        if ctx.is_control_plane(host):
            wait_for_health(ctx)
        else:
            wait_for_answer(ctx, host)


def _why_not_well(ctx: Cluster, host: Host) -> str:
    """ "" when it is. That one cannot ask is an answer, too: whoever is asked may be back in a moment."""
    try:
        # a ready API server knows who may do what; before, it refuses everybody (its RBAC caches are empty)
        if ctx.is_control_plane(host) and (problem := control_plane_problem(ctx, host)):
            return problem
        node = ctx.api.get("node", host.name)
    except CommandError as error:
        return str(error)
    why = why_not_ready(node)
    if node and not why and kubelet_version(node) != ctx.spec.kubernetes:
        why = f"its kubelet still reports {kubelet_version(node)}"
    return why


def _take_pods(ctx: Cluster, host: Host) -> None:
    """Where the node has failed: as soon as the API server, which may be restarting just now, takes it."""

    def taken() -> bool:
        try:
            uncordon(ctx.api, host.name)
        except CommandError:
            return False
        return True

    with suppress(KubeonError):
        wait_until(taken, seconds=UNCORDONED_WITHIN, pause=0.3, longest=2.0)


def _let_go(ctx: Cluster, host: Host) -> None:
    """Images of the version before."""
    wanted = [image.reference for image in ctx.material(host).images_for(host.node.role)]
    let_go(ctx, host, wanted, wanted)


@contextmanager
def _explained(ctx: Cluster, host: Host) -> Iterator[None]:
    """Where one fails, it says how to go on or without it."""
    try:
        yield
    except KubeonError as error:
        error.host = error.host or host.name
        on = "other nodes are left alone. To resume: the same command. Or without this node: "
        error.hint = "\n".join(filter(None, (error.hint, f"{on}kubeon del {ctx.spec.name} @{host.name}")))
        raise


class UpgradeLoadBalancer(ApplyLoadBalancer):
    """What the API load balancer has in the cluster: its new image is everywhere, the old one is still kept."""

    name = "upgrade-load-balancer"
    title = "Upgrade the API load balancer"
    needs: ClassVar[tuple[type[Step], ...]] = (UpgradeControlPlane,)
    halts_on_failure = True

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """As `create` does, and kube-proxy, which starts anew for it, is waited for a while.

        Until it runs again a node's rules lead to pods that a drain has moved. Of 300 nodes it takes too long.
        """
        changes = super().run_on(ctx, host)
        with suppress(CommandError):
            wait_for_rollout(ctx.api, seconds=PROXIES_WITHIN)
        return changes


class CheckUpgraded(_UpgradeNode):
    """Nodes that a run before has brought through, all at once: while one of them is not well no other one is begun."""

    name = "check-upgraded"
    title = "Check the upgraded nodes"
    needs = (UpgradeControlPlane, UpgradeLoadBalancer)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Going by what the node reported before."""
        return host.name in self.work.upgraded

    def halts_after(self, ctx: Cluster, host: Host) -> bool:
        """No: it has its turn among the others."""
        return False

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """One that lacks something has its turn later."""
        with _explained(ctx, host):
            self._is_well(ctx, host)
        return ()


class UpgradeControlPlaneNodes(_UpgradeNode):
    """Kubelets of control planes, one at a time, when all API servers are new."""

    name = "upgrade-control-plane-nodes"
    needs = (UpgradeControlPlane, UpgradeLoadBalancer, CheckUpgraded)
    at_once = 1

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Control planes."""
        return ctx.is_control_plane(host)

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """The same order as before."""
        return host is ctx.bootstrap or super().goes_first(ctx, host)


class UpgradeWorkers(_UpgradeNode):
    """Workers, so many at once as the user allows."""

    name = "upgrade-workers"
    needs = (UpgradeControlPlaneNodes,)

    def __init__(self, work: Upgrade) -> None:
        super().__init__(work)
        self.at_once = work.at_once

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Workers."""
        return not ctx.is_control_plane(host)


class VerifyUpgrade(VerifyCluster):
    """Every node Ready, add-ons rolled out, and pods on different nodes reach each other."""

    name = "verify-upgrade"
    needs = (UpgradeControlPlaneNodes, UpgradeWorkers)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """kubeadm has given kube-proxy its new image; its pods follow one by one."""
        ctx.joined = True
        if daemonset(ctx.api):
            self._follow(ctx)
        return super().run_on(ctx, host)

    def _follow(self, ctx: Cluster) -> None:
        nodes = ctx.api.nodes()
        if any(why_not_ready(node) for node in nodes.values()):
            # the pod of a node that is gone takes the one place that the rollout may leave empty: it would never go on
            for each in ctx.hosts:
                start_anew(ctx.api, each.name)
            return
        wait_for_rollout(ctx.api, seconds=READY_WITHIN)
