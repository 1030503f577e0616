"""OS packages that Kubernetes needs and the host lacks, by its own package manager."""

from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.host import Host
from kubeon.hosts.preparation import missing_packages

TIMEOUT = 900  # seconds; a slow mirror of a distribution is the user's normal case


class InstallPackages(Step):
    """Exactly the missing ones; what was added is recorded for `kubeon destroy`."""

    name = "install-packages"
    title = "Install packages"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Their names."""
        missing = missing_packages(ctx.families[host.name], ctx.spec.hosts, host.facts)
        return ("install packages: " + " ".join(missing),) if missing else ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The script completes the record of an interrupted run, so it runs though nothing is missing by the facts."""
        family = ctx.families[host.name]
        missing = missing_packages(family, ctx.spec.hosts, host.facts)
        if not missing and not host.facts.records:
            return ()
        return host.change(family.install_script(missing), timeout=TIMEOUT, what="install packages").splitlines()
