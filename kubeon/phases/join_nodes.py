"""`kubeadm join`: control planes one at a time, workers together."""

from collections.abc import Sequence
from datetime import timedelta
from importlib import resources

from kubeon.cluster.apart import TOWARD
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.kubeadm import (
    CONFIG,
    REMEMBER,
    api_through,
    ignored_checks,
    kubeadm_script,
    node_handoff,
    run_kubeadm,
)
from kubeon.cluster.leaves import leaf_request
from kubeon.errors import CommandError, OperationError
from kubeon.etcd.members import member_at
from kubeon.etcd.quorum import addition_problem, removal_problem
from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import JOINED
from kubeon.kube.cluster_status import remember_control_plane
from kubeon.kube.tokens import sign_cluster_info, token_secret
from kubeon.kubeadm.commands import join_words
from kubeon.kubeadm.config import TOKEN_TTL, join_config
from kubeon.kubeadm.patches import patch_files, patch_flags
from kubeon.kubeadm.tokens import new_token
from kubeon.phases.init_control_plane import InitControlPlane
from kubeon.phases.mend_objects import MendObjects
from kubeon.pki.leaves import kubelet_client_leaf
from kubeon.spec.endpoints import api_server
from kubeon.spec.versions import control_plane_labels, control_plane_taints, has_cluster_status
from kubeon.waiting import SYSTEM_CLOCK, wait_until

MANIFESTS = frozenset(
    f"{name}.yaml" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
)
REGISTERED_WITHIN = 30  # seconds for a node to register

# A member whose kubelet has its configuration needs no second join, only a kubelet that runs.
_UNCONFIGURED = 3
_START_KUBELET = f"""
[ -e /var/lib/kubelet/config.yaml ] && [ -e /var/lib/kubelet/kubeadm-flags.env ] || exit {_UNCONFIGURED}
systemctl is-active --quiet kubelet || {{ systemctl start kubelet && echo "kubelet started"; }}
"""
_BACK = """
toward {server}
systemctl restart kubelet
"""


class _Join(Step):
    needs = (InitControlPlane, MendObjects)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Going by the kubelet's configuration."""
        return () if host.facts.kubelet_config else (f"kubeadm join: {host.node.role}, {ctx.spec.version}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing for a member; else `kubeadm join`, after clearing away a join that was cut off."""
        if self.is_member(ctx, host):
            try:
                return host.change(_START_KUBELET, what="start the kubelet").splitlines()
            except CommandError as error:
                if error.command_exit_code != _UNCONFIGURED:
                    raise
        cleared = self.clear(ctx, host)
        self.join(ctx, host)
        ctx.joined = True
        return (*cleared, f"kubeadm join: {host.node.role}")

    def is_member(self, ctx: Cluster, host: Host) -> bool:
        """Has it joined already?"""
        return host.facts.kubelet_config and bool(ctx.api.get("node", host.name))

    def clear(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Take away what an earlier life of this host left in the cluster, so that labels and ranges are new.

        Raises OperationError when the Node is another machine's, whatever preflight was told to ignore.
        """
        node = ctx.api.get("node", host.name)
        if not node:
            return ()
        addresses = [each["address"] for each in node["status"].get("addresses", []) if each["type"] == "InternalIP"]
        if addresses and host.address not in addresses:
            raise OperationError(
                f"node {host.name} is the machine at {', '.join(addresses)}, and not this one",
                hint=f"give this one another name; or remove that one first: kubeon del {ctx.spec.name} @{host.name}",
                host=host.name,
            )
        ctx.api.run("delete", "node", host.name, "--ignore-not-found")
        return ("Node object of an earlier life removed",)

    def around(self, ctx: Cluster, host: Host) -> tuple[str, str]:
        """What has to be done on the host before and after kubeadm.

        A line in /etc/hosts that something on the node looks after leads to somebody who lives, before the kubelet
        needs it.
        """
        return ctx.lb.start_script(ctx.spec, host.node), ""

    def join(self, ctx: Cluster, host: Host) -> None:
        """`kubeadm join`."""
        ctx.once(lambda: _ensure_token(ctx))
        version = ctx.spec.kubernetes
        words = join_words(CONFIG, ignore=ignored_checks(ctx, host), patches=patch_flags(version))
        config = join_config(ctx.spec, node_handoff(ctx, host), host.node.role)
        script = kubeadm_script(config, words, api=api_through(ctx, ctx.bootstrap))
        before, after = self.around(ctx, host)
        before = ensure_files_script(patch_files(version)) + before
        run_kubeadm(ctx, host, f"{before}{script}{after}", what="kubeadm join")


class JoinControlPlanes(_Join):
    """One at a time: each one becomes a member of etcd."""

    name = "join-control-planes"
    title = "Join the control plane"
    at_once = 1

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """All control planes but the first."""
        return ctx.is_control_plane(host) and host is not ctx.bootstrap

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """One with a join behind it: a member that it left in etcd, and that does not answer, is in others' way."""
        return host.facts.kubelet_config

    def is_member(self, ctx: Cluster, host: Host) -> bool:
        """A kubelet and a voter of etcd; one whose join was cut off at its very end is marked here.

        Static pods count only until kubeadm has come to its end: somebody may have moved one away for a while.
        """
        facts = host.facts
        joined = facts.has(JOINED)
        if not (facts.kubelet_config and (joined or set(facts.static_pods) >= MANIFESTS)):
            return False
        member = member_at(ctx.etcd.members(), host.address)
        if member is None or not member.name or member.learner:
            return False
        if joined and ctx.api.get("node", host.name):
            return True
        host.change("systemctl restart kubelet\n", what="restart the kubelet")  # it registers when it starts
        if not wait_until(lambda: bool(ctx.api.get("node", host.name)), seconds=REGISTERED_WITHIN, pause=0.5):
            return False
        _mark_control_plane(ctx, host)
        host.change(REMEMBER, what="remember the join")
        return True

    def clear(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The member that a join left in etcd goes by its ID, and with it what is on the host; it joins anew."""
        changes = []
        members = ctx.etcd.members()
        if member := member_at(members, host.address):
            if problem := removal_problem(members, {member.id}):
                raise OperationError(f"what a join left of {host.name} in etcd cannot be removed", why=problem)
            ctx.etcd.remove(member)
            changes.append(f"etcd member {member.id:x} of a join that was cut off removed")
        if host.facts.kubelet_config or host.facts.static_pods or host.facts.etcd_data:
            script = resources.files("kubeon.phases").joinpath("clear_join.sh").read_text(encoding="utf-8")
            changes += host.change(script, what="clear away a join that was cut off").splitlines()
        return (*changes, *super().clear(ctx, host))

    def around(self, ctx: Cluster, host: Host) -> tuple[str, str]:
        """The kubelet's detour. When kubeadm fails it stays; the next run's certificates end it."""
        server = kubelet_client_leaf(leaf_request(ctx, host)).server.removeprefix("https://")
        return f"{TOWARD}toward {api_server(ctx.bootstrap.address)}\n", _BACK.format(server=server)

    def join(self, ctx: Cluster, host: Host) -> None:
        """Only while etcd can bear one more voter that is not there yet."""
        before = wait_for_health(ctx)
        if problem := addition_problem(before):
            hint = "bring it back, or remove it: kubeon del --dead"
            raise OperationError(f"{host.name} cannot become a member of etcd", why=problem, hint=hint)
        ctx.grew_from_one |= len(before) == 1
        super().join(ctx, host)
        wait_for_health(ctx)


class JoinWorkers(_Join):
    """All together."""

    name = "join-workers"
    title = "Join the cluster"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Workers."""
        return not ctx.is_control_plane(host)


def _mark_control_plane(ctx: Cluster, host: Host) -> None:
    """What `kubeadm join` does last (its phases update-status and mark-control-plane)."""
    version = ctx.spec.kubernetes
    if has_cluster_status(version):
        remember_control_plane(ctx.api, host.name, host.address)
    labels = [f"{label}=" for label in control_plane_labels(version)]
    ctx.api.run("label", "node", host.name, "--overwrite", *labels)
    if not ctx.spec.schedulable_control_planes:
        taints = [f"{taint}=:NoSchedule" for taint in control_plane_taints(version)]
        ctx.api.run("taint", "node", host.name, "--overwrite", *taints)


def _ensure_token(ctx: Cluster) -> None:
    """A token of this operation, valid and signed; `kubeadm init` may have made it a moment ago."""
    if not ctx.join_token:
        token = new_token()
        expiration = SYSTEM_CLOCK.now() + timedelta(seconds=TOKEN_TTL.total_seconds())
        ctx.api.apply(token_secret(token, expiration.strftime("%Y-%m-%dT%H:%M:%SZ")))
        sign_cluster_info(ctx.api, token)
        ctx.join_token = token
