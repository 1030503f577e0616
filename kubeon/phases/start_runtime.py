"""The container runtime, running with the configuration that this cluster wants."""

from collections.abc import Sequence

from kubeon import assets
from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.files import File
from kubeon.hosts.host import Host

KUBELET_UNIT = "/etc/systemd/system/kubelet.service"
KUBELET_DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


class StartRuntime(Step):
    """Write the runtime's and the kubelet's units; start the runtime, leave the kubelet to kubeadm."""

    name = "start-runtime"
    title = "Start the container runtime"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Going by whether it runs."""
        return () if ctx.cri.name in host.facts.active_units else (f"configure and start {ctx.cri.name}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Two scripts: files that are read as needed, then the units with the files they are restarted for."""
        files = ctx.cri.files(ctx.spec, host.facts, ctx.material(host).references)
        unit_files = [file for file in files if ctx.cri.restarts([file.path])]
        changes = host.ensure_files([file for file in files if file not in unit_files])
        changes += host.ensure_unit(ctx.cri.unit, unit_files)
        kubelet = [
            File(KUBELET_UNIT, assets.systemd("kubelet.service")),
            File(KUBELET_DROP_IN, assets.systemd("10-kubeadm.conf")),
        ]
        return changes + host.ensure_unit("kubelet.service", kubelet, start=False)
