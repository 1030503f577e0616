"""Kernel, swap, SELinux, firewall, time, hostname and /etc/hosts, as a node needs them."""

from collections.abc import Sequence

from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import Mark
from kubeon.hosts.preparation import Preparation, describe_preparation, prepare_script
from kubeon.phases.context import Cluster, Step
from kubeon.pki.authorities import Authorities
from kubeon.pki.inspect import ca_fingerprint
from kubeon.state.cluster import ClusterState


def mark_of(cluster: str, authorities: Authorities) -> Mark:
    """What a host of a cluster bears."""
    return Mark(cluster, authorities.fingerprint)


def marks_of(state: ClusterState) -> frozenset[Mark]:
    """The marks that hosts of a cluster may bear: one, or two while its CA is rotated; none without a record."""
    rotation = state.rotation.read()
    known = [state.read_pki(), *((rotation.old, rotation.new) if rotation else ())]
    return frozenset(Mark(state.name, ca_fingerprint(files["ca.crt"])) for files in known if "ca.crt" in files)


def is_marked(ctx: Cluster, host: Host) -> bool:
    """Does the host bear this very cluster's mark? Whatever else stands at its address is not to be touched."""
    if ctx.authorities is None:
        return False
    return host.facts.mark in {mark_of(ctx.spec.name, ctx.authorities), *marks_of(ctx.state)}


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
