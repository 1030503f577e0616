"""Nodes that kubeon did not make: their mark, and what follows from it."""

from collections.abc import Iterable, Sequence

from kubeon.hosts.files import File
from kubeon.hosts.host import Host
from kubeon.hosts.marks import ADOPTED, MARKER
from kubeon.phases.context import Cluster, Step
from kubeon.phases.prepare_hosts import is_marked, mark_of

_TEXT = "kubeon looks after this node and did not make it: programs, units and settings are left as they are.\n"


def is_adopted(host: Host) -> bool:
    """Was this node made by somebody else, and taken over by `kubeon adopt`?"""
    return host.facts.has(ADOPTED)


def adopted_members(ctx: Cluster, hosts: Iterable[Host]) -> frozenset[str]:
    """Names of those that are nodes of this cluster and were adopted: nothing is installed or configured on them."""
    return frozenset(host.name for host in hosts if is_adopted(host) and is_marked(ctx, host))


class MarkAdopted(Step):
    """Mark a host as this cluster's, and as one that kubeon did not make. All that `adopt` writes, but for a key."""

    name = "mark-adopted"
    title = "Mark the host"

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Hosts without the mark: what kubeon made, and what it adopted before, has it."""
        return not is_marked(ctx, host)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The file."""
        return (f"mark it as {ctx.spec.name}'s: {MARKER}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The mark goes last: a host that bears it is as it should be."""
        files = [File(ADOPTED, _TEXT), mark_of(ctx.spec.name, ctx.ca).file()]
        return host.ensure_files(files, what="mark the host")
