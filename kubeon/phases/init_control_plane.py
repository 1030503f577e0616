"""`kubeadm init` on the bootstrap node."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.kubeadm import (
    CONFIG,
    REMEMBER,
    api_through,
    ignored_checks,
    kubeadm_script,
    node_handoff,
    run_kubeadm,
)
from kubeon.errors import CommandError, OperationError
from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import JOINED
from kubeon.kube.kubectl import ADMIN_CONF
from kubeon.kube.tokens import sign_cluster_info
from kubeon.kubeadm.commands import init_words
from kubeon.kubeadm.config import init_config
from kubeon.kubeadm.patches import patch_files, patch_flags
from kubeon.kubeadm.tokens import new_token

# kubeadm's own last phase installs kube-proxy: with its DaemonSet there, nothing of an earlier init is missing.
_IS_COMPLETE = f"""
[ -e {ADMIN_CONF} ] || exit 0
kubectl --kubeconfig {ADMIN_CONF} --server https://{{address}}:6443 --request-timeout 10s \\
    get --namespace kube-system daemonset/kube-proxy --ignore-not-found -o name 2>/dev/null || true
"""


class InitControlPlane(Step):
    """Make the first control plane, or finish one that was begun."""

    name = "init-control-plane"
    title = "Initialise the control plane"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The bootstrap node."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Going by the kubelet's kubeconfig and the static pods."""
        if host.facts.kubelet_config and host.facts.static_pods:
            return ()
        return (f"kubeadm init: first control plane of {ctx.spec.name}, {ctx.spec.version}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing, if an earlier init reached its end; else `kubeadm init`, whose phases can all be run again."""
        if host.ask(_IS_COMPLETE.format(address=host.address), what="look for the control plane").strip():
            if not host.facts.has(JOINED):  # it was cut off between kubeadm's last object and its end
                host.change(REMEMBER, what="remember the control plane")
            return ()
        _expect_no_other(ctx, host)
        ctx.join_token = new_token()
        version = ctx.spec.kubernetes
        words = init_words(CONFIG, ignore=ignored_checks(ctx, host), patches=patch_flags(version))
        config = init_config(ctx.spec, node_handoff(ctx, host))
        script = ensure_files_script(patch_files(version)) + kubeadm_script(config, words, api=api_through(ctx, host))
        try:
            run_kubeadm(ctx, host, script, what="kubeadm init")
        except CommandError as error:
            _expect_reachable(ctx, host, error)
            raise
        ctx.joined = True
        if len(ctx.hosts) > 1:
            sign_cluster_info(ctx.api, ctx.join_token)
        return (f"kubeadm init: {ctx.spec.version}",)


def _expect_reachable(ctx: Cluster, host: Host, failure: CommandError) -> None:
    """kubeadm waits four minutes for the API by way of its endpoint, and then suspects the kubelet."""
    if not ctx.lb.is_outside or not ctx.api.answers():
        return
    try:
        host.ask(ctx.lb.check(ctx.spec, host.node), what="ask the load balancer", wait=False)
    except CommandError as error:
        raise OperationError(
            f"the API server runs, but the load balancer ({ctx.lb.endpoint(ctx.spec)}) does not lead to it",
            why=error.why,
            hint=f"{ctx.lb.where_to_look}; the same command again resumes here",
            host=host.name,
        ) from failure


def _expect_no_other(ctx: Cluster, host: Host) -> None:
    """A second `kubeadm init` would make a second cluster beside the data of the first, or spoil a member's etcd.

    What is continued is an init after which nobody has joined yet.
    """
    there = [each.name for each in ctx.hosts if each.facts.etcd_data]
    if set(there) - {host.name}:
        raise OperationError(
            f"no control plane answers, but this cluster's data is on: {', '.join(there)}",
            why="kubeadm init is for a cluster that has no other control plane",
            hint="bring their kubelet and containerd up first; look at: crictl ps -a, journalctl -u kubelet",
            host=host.name,
        )
