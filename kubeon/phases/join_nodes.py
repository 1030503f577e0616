"""`kubeadm join`: control planes one at a time, workers together."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta

from kubeon.errors import CommandError
from kubeon.hosts.host import Host
from kubeon.hosts.preparation import hosts_script
from kubeon.kube.tokens import sign_cluster_info, token_secret
from kubeon.kubeadm.commands import join_words
from kubeon.kubeadm.config import TOKEN_TTL, join_config
from kubeon.kubeadm.tokens import new_token
from kubeon.phases.context import Cluster, Step
from kubeon.phases.init_control_plane import (
    CONFIG,
    TIMEOUT,
    InitControlPlane,
    ignored_checks,
    kubeadm_script,
    node_handoff,
)
from kubeon.phases.prepare_hosts import preparation_of
from kubeon.waiting import SYSTEM_CLOCK

# A member whose kubelet has its configuration needs no second join, only a kubelet that runs.
_START_KUBELET = """
[ -e /var/lib/kubelet/config.yaml ] && [ -e /var/lib/kubelet/kubeadm-flags.env ] || exit 3
systemctl is-active --quiet kubelet || { systemctl start kubelet && echo "kubelet started"; }
"""


class _Join(Step):
    needs = (InitControlPlane,)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Going by the kubelet's configuration."""
        return () if host.facts.kubelet_config else (f"kubeadm join: {host.node.role}, {ctx.spec.version}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing for a member; else `kubeadm join`, after clearing away a join that was cut off."""
        if host.facts.kubelet_config and ctx.api.get("node", host.name):
            with contextlib.suppress(CommandError):
                return host.change(_START_KUBELET, what="start the kubelet").splitlines()
        ctx.once(lambda: _ensure_token(ctx))
        self.join(ctx, host)
        ctx.joined = True
        return (f"kubeadm join: {host.node.role}",)

    def join(self, ctx: Cluster, host: Host) -> None:
        """`kubeadm join`."""
        words = join_words(CONFIG, ignore=ignored_checks(ctx, host))
        host.change(
            kubeadm_script(join_config(ctx.spec, node_handoff(ctx, host), host.node.role), words),
            timeout=TIMEOUT,
            what="kubeadm join",
            on_line=lambda line: ctx.reporter.note(line, host=host.name) if line.startswith("[") else None,
        )


class JoinControlPlanes(_Join):
    """One at a time: each one becomes a member of etcd."""

    name = "join-control-planes"
    title = "Join the control plane"
    at_once = 1

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """All control planes but the first."""
        return ctx.is_control_plane(host) and host is not ctx.bootstrap

    def join(self, ctx: Cluster, host: Host) -> None:
        """The API's name leads to the bootstrap node while this node has no API server of its own yet."""
        names = [name for _, name in ctx.lb.hosts(ctx.spec, host.node)]
        entries = preparation_of(ctx, host).entries
        away = [entry for entry in entries if not set(entry[1]) & set(names)]
        host.change(hosts_script(ctx.spec.name, [*away, (ctx.bootstrap.address, names)] if names else entries))
        super().join(ctx, host)
        host.change(hosts_script(ctx.spec.name, entries))


class JoinWorkers(_Join):
    """All together."""

    name = "join-workers"
    title = "Join the cluster"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Workers."""
        return not ctx.is_control_plane(host)


def _ensure_token(ctx: Cluster) -> None:
    """A token of this operation, valid and signed; `kubeadm init` may have made it a moment ago."""
    if not ctx.join_token:
        token = new_token()
        expiration = SYSTEM_CLOCK.now() + timedelta(seconds=TOKEN_TTL.total_seconds())
        ctx.api.apply(token_secret(token, expiration.strftime("%Y-%m-%dT%H:%M:%SZ")))
        sign_cluster_info(ctx.api, token)
        ctx.join_token = token
