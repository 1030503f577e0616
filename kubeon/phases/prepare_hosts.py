"""Kernel, swap, SELinux, firewall, time, hostname and /etc/hosts, as a node needs them."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.marks import mark_of
from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.preparation import Preparation, describe_preparation, prepare_script


def preparation_of(ctx: Cluster, host: Host) -> Preparation:
    """How this host should be.

    /etc/hosts gets the node's own name and the API's, not every node's: so a new member needs no visit to the others.
    """
    entries = [
        (host.address, (host.name,)),
        *((address, (name,)) for address, name in ctx.lb.hosts(ctx.spec, host.node)),
    ]
    return describe_preparation(ctx.spec, host.facts, host.name, entries)


class PrepareHost(Step):
    """The first thing that changes a host: it is marked as this cluster's, so that no other cluster takes it."""

    name = "prepare-host"
    title = "Prepare the host"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What a user wants to know before: what is switched off or renamed."""
        facts, policy = host.facts, ctx.spec.hosts
        if facts.mark:
            return ()
        preparation = preparation_of(ctx, host)
        lines = ["kernel modules and settings, /etc/hosts"]
        if preparation.hostname:
            lines.append(f"set the hostname: {facts.hostname} -> {preparation.hostname}")
        if facts.swap_devices and policy.swap == "off":
            lines.append("switch swap off: " + " ".join(facts.swap_devices))
        if facts.firewalls and policy.firewall == "disable":
            lines.append("disable the firewall: " + " ".join(facts.firewalls))
        if facts.selinux == "enforcing" and policy.selinux == "permissive":
            lines.append("set SELinux to permissive")
        return lines

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """One script."""
        mark = ensure_files_script([mark_of(ctx.spec.name, ctx.ca).file()])
        script = f"(\n{mark}) || exit\n{prepare_script(preparation_of(ctx, host))}"
        changes = host.change(script, what="prepare the host").splitlines()
        # A member's line for the API may have led elsewhere for good reason; who looks after it looks again at once.
        # Where that is not there yet, as on a node that a switch has left out, it is placed and asked to later.
        start = ctx.lb.start_script(ctx.spec, host.node) if _is_placed(ctx, host) else ""
        if start and host.facts.kubelet_config and any(line.startswith("/etc/hosts") for line in changes):
            host.change(start, what="find an API server")
        return changes


def _is_placed(ctx: Cluster, host: Host) -> bool:
    """Has the host the units of its API load balancer?"""
    units = ctx.lb.units(ctx.spec, host.node)
    return {f"/etc/systemd/system/{unit}" for unit in units} <= host.facts.configuration
