"""`forget`: a cluster's record goes from the control machine; its hosts are not touched, and not asked."""

from dataclasses import dataclass
from pathlib import Path

from kubeon.cluster.options import Options
from kubeon.kube.kubeconfig_file import write_removed
from kubeon.operations.base import Confirm, Plan
from kubeon.operations.pending import expect_may_begin
from kubeon.spec.loading import dump_spec
from kubeon.spec.model import ClusterSpec
from kubeon.state.files import write_file
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK


@dataclass(frozen=True)
class ForgetResult:
    """What `forget` came to; `description` is where the cluster's description was kept, None when nothing was done."""

    cluster: str
    description: Path | None
    snapshots: Path | None = None  # where snapshots of etcd were kept, if there are any


def forget(name: str, options: Options, home: Home, confirm: Confirm) -> ForgetResult:
    """Forget a cluster. Its description is kept, so that `create -f` can take it up again."""
    spec, state = home.known(name), home.cluster(name)
    kept = description_path(home, name)
    with state.lock("forget", SYSTEM_CLOCK.now()):
        expect_may_begin(state, "forget")
        if not confirm(_plan(spec, kept, options)):
            return ForgetResult(name, None)
        write_file(kept, dump_spec(spec).encode())
        if options.kubeconfig is not None:
            write_removed(options.kubeconfig, name)
        snapshots = state.keep_snapshots()
        state.remove()
    return ForgetResult(name, kept, snapshots)


def description_path(home: Home, name: str) -> Path:
    """Where the description of a forgotten cluster is kept."""
    return home.path / "forgotten" / f"{name}.yaml"


def _plan(spec: ClusterSpec, kept: Path, options: Options) -> Plan:
    lines = [
        f"remove the record of {spec.name}: certificates and keys of its CAs, login key, admin.conf, journal, logs",
        *([f"remove its entries from {options.kubeconfig}"] if options.kubeconfig else []),
        f"keep its description, and snapshots of etcd if there are any: {kept.parent}",
    ]
    planes = ", ".join(f"{node.name or node.address} ({node.address})" for node in spec.control_planes)
    header = (
        f"{len(spec.nodes)} hosts go on as they are; nothing on them is touched",
        f"the CAs' keys are then only on its control planes, in /etc/kubernetes/pki: {planes}",
    )
    return Plan(f"forget cluster {spec.name}", header, {"this machine": tuple(lines)})
