"""What a network plug-in says of itself."""

import re
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from kubeon.errors import BundleError
from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import plugin_table

if TYPE_CHECKING:
    from kubeon.spec.tables import PluginRelease, PluginTable


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


class Cni(ABC):
    """A network plug-in. What it does not say is that of one which a DaemonSet brings."""

    name: str
    connects_nodes = True  # is it kubeon's business that pods on different nodes reach each other?
    assigns_pod_ranges = False  # does kubeon choose every node's pod range (Node.spec.podCIDR), before the node joins?
    units: tuple[str, ...] = ()  # to enable and start on every node, and to restart when their files change

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """(path in cluster.yaml, what is wrong) of everything this plug-in cannot do."""
        del spec
        return ()

    def doubts(self, spec: ClusterSpec) -> tuple[str, ...]:
        """What nobody has tried, as far as this kubeon knows."""
        del spec
        return ()

    def oldest_kernel(self, spec: ClusterSpec) -> tuple[int, int]:
        """The oldest kernel that its documentation asks for; (0, 0) for any."""
        del spec
        return (0, 0)

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """What to fetch on the control machine for `manifest`."""
        del spec
        return ()

    def chart(self, spec: ClusterSpec) -> Chart | None:
        """The chart, where upstream has no plain manifest."""
        del spec
        return None

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """YAML for `kubectl apply`, "" for none; `fetched` has the text of each of `manifests` (a chart: rendered)."""
        del spec, fetched
        return ""

    def ranges_manifest(self, ranges: Mapping[str, str]) -> str:
        """YAML that tells nodes of each other's pods ("RANGE ADDRESS" by node), where it `assigns_pod_ranges`."""
        del ranges
        return ""

    def files(self, spec: ClusterSpec, node: NodeNetwork) -> tuple[File, ...]:
        """Files of one node, to be there before its kubelet starts."""
        del spec, node
        return ()

    def controller_manager_args(self, spec: ClusterSpec) -> dict[str, str]:
        """Flags of the controller manager, without dashes."""
        del spec
        return {}

    def cleaning(self) -> Cleaning:
        """What to remove when the node leaves."""
        return Cleaning()


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


class Released(Cni):
    """A plug-in with releases of its own, which stand in the table beside its module."""

    name: str
    repository: str  # on GitHub, where its releases are tagged

    @property
    def table(self) -> "PluginTable":
        """Its releases."""
        return plugin_table("kubeon.cni", f"{self.name}.toml")

    def release(self, spec: ClusterSpec) -> "PluginRelease":
        """The one that belongs to the cluster's Kubernetes."""
        return self.table.row_of(spec.kubernetes)

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """Kubernetes that is older than the oldest row would need releases that nobody maintains or publishes."""
        if spec.kubernetes.at_least(self.table.oldest):
            return ()
        text = f"{self.name} needs Kubernetes v1.{self.table.oldest} or newer, not {spec.version}"
        return (("networking.plugin", f"{text}; take flannel or bridge"),)

    def doubts(self, spec: ClusterSpec) -> tuple[str, ...]:
        """Newer Kubernetes than upstream tests this release with."""
        release = self.release(spec)
        if not release.tested or not spec.kubernetes.at_least(release.tested + 1):
            return ()
        pair = f"{self.name} {release.version} with {spec.version}"
        return (f"{pair} is unknown: upstream tests it up to v1.{release.tested}",)

    def oldest_kernel(self, spec: ClusterSpec) -> tuple[int, int]:
        """That of the release."""
        return self.release(spec).kernel
