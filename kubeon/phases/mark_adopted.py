"""Nodes that kubeon did not make get their mark."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.marks import is_marked, mark_of
from kubeon.hosts.files import File
from kubeon.hosts.host import Host
from kubeon.hosts.marks import ADOPTED, MARKER

_TEXT = "kubeon looks after this node and did not make it: programs, units and settings are left as they are.\n"


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
