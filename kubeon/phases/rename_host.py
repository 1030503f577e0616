"""What a host bears of its cluster's name: the mark, the markers of the block in /etc/hosts, and who looks for them."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.marks import mark_of
from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.hosts_block import parse_block
from kubeon.hosts.preparation import renamed_block_script
from kubeon.state.renaming import renamed


class RenameHost(Step):
    """The cluster's new name (that of `ctx.spec`) in place of the old one. The mark goes last."""

    name = "rename-host"
    title = "Rename the cluster on the host"

    def __init__(self, old: str) -> None:
        self.old = old

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing on a host that a run before has been at."""
        new = ctx.spec.name
        return () if host.facts.mark == mark_of(new, ctx.ca) else (f"mark: {self.old} -> {new}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Entries of /etc/hosts stay as they are; only the lines around them change."""
        new, block = ctx.spec.name, host.facts.hosts_block
        entries = parse_block(block, self.old) or parse_block(block, new)
        mark = ensure_files_script([mark_of(new, ctx.ca).file()])
        was = renamed(ctx.spec, self.old)
        told = [file for file in ctx.lb.files(ctx.spec, host.node) if file not in ctx.lb.files(was, host.node)]
        settings = f"(\n{ensure_files_script(told)}) || exit\n" if told else ""
        start = ctx.lb.start_script(ctx.spec, host.node)  # who writes into the block finds it by its new name
        script = f"{renamed_block_script(self.old, new, entries)}{settings}{start}(\n{mark}) || exit\n"
        return host.change(script, what="rename the cluster").splitlines()
