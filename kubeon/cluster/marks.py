"""Whose a host is, by its mark; and whether kubeon made it."""

from collections.abc import Iterable

from kubeon.cluster.context import Cluster
from kubeon.hosts.host import Host
from kubeon.hosts.marks import ADOPTED, Mark
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


def is_adopted(host: Host) -> bool:
    """Was this node made by somebody else, and taken over by `kubeon adopt`?"""
    return host.facts.has(ADOPTED)


def adopted_members(ctx: Cluster, hosts: Iterable[Host]) -> frozenset[str]:
    """Names of those that are nodes of this cluster and were adopted: nothing is installed or configured on them."""
    return frozenset(host.name for host in hosts if is_adopted(host) and is_marked(ctx, host))
