"""What a network plug-in says of itself."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Protocol

from kubeon.errors import BundleError
from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec


@dataclass(frozen=True)
class NodeNetwork:
    """One node, as a plug-in sees it. `pod_range` is None unless the plug-in `assigns_pod_ranges`."""

    name: str
    pod_range: IPv4Network | None = None


@dataclass(frozen=True)
class Chart:
    """A Helm chart that is rendered on the control machine with `helm template`; hosts never see Helm."""

    artifact: str  # name of the artifact among `manifests`
    release: str
    namespace: str
    values: Mapping[str, object] = field(default_factory=dict)


class Cni(Protocol):
    """A network plug-in."""

    name: str
    connects_nodes: bool  # is it kubeon's business that pods on different nodes reach each other?
    assigns_pod_ranges: bool  # does kubeon choose every node's pod range (Node.spec.podCIDR), before the node joins?
    units: tuple[str, ...]  # to enable and start on every node, and to restart when their files change

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """(path in cluster.yaml, what is wrong) of everything this plug-in cannot do."""
        ...

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """What to fetch on the control machine for `manifest`."""
        ...

    def chart(self, spec: ClusterSpec) -> Chart | None:
        """The chart, where upstream has no plain manifest."""
        ...

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """YAML for `kubectl apply`, "" for none; `fetched` has the text of each of `manifests` (a chart: rendered)."""
        ...

    def files(self, spec: ClusterSpec, node: NodeNetwork) -> tuple[File, ...]:
        """Files of one node, to be there before its kubelet starts."""
        ...

    def controller_manager_args(self, spec: ClusterSpec) -> dict[str, str]:
        """Flags of the controller manager, without dashes."""
        ...

    def cleaning(self) -> Cleaning:
        """What to remove when the node leaves."""
        ...


_IMAGE = re.compile(r"""^\s*(?:-\s+)?"?image"?:\s*["']?([^\s"'#]+)""", re.MULTILINE)


def images_of(manifest: str) -> tuple[str, ...]:
    """The images a manifest names, each once, in order: complete by construction."""
    return tuple(dict.fromkeys(_IMAGE.findall(manifest)))


def replace_once(text: str, old: str, new: str, *, what: str) -> str:
    """Put a value into a fetched manifest. Raises BundleError when the manifest is not the one this was written for."""
    changed, count = re.subn(old, lambda _: new, text, flags=re.MULTILINE)
    if count != 1:
        raise BundleError(
            f"cannot put the pod network into {what}",
            why=f"its place occurs {count} times instead of once; the manifest is another one than expected",
            hint="check what the mirror serves under this name",
        )
    return changed


class Plain:
    """What most plug-ins answer."""

    connects_nodes = True
    assigns_pod_ranges = False
    units: tuple[str, ...] = ()

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """None."""
        del spec
        return ()

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """None."""
        del spec
        return ()

    def chart(self, spec: ClusterSpec) -> Chart | None:
        """None."""
        del spec
        return None

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """Nothing to apply."""
        del spec, fetched
        return ""

    def files(self, spec: ClusterSpec, node: NodeNetwork) -> tuple[File, ...]:
        """None: a DaemonSet brings them."""
        del spec, node
        return ()

    def controller_manager_args(self, spec: ClusterSpec) -> dict[str, str]:
        """None: kubeadm's own, out of podSubnet, will do."""
        del spec
        return {}

    def cleaning(self) -> Cleaning:
        """Nothing."""
        return Cleaning()
