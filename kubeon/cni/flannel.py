"""flannel with VXLAN, out of upstream's own manifest."""

from collections.abc import Mapping

from kubeon.cni.base import Released, replace_once
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

_NAME = "kube-flannel.yml"
_NETWORK = r'"Network": "10\.244\.0\.0/16"'


class Flannel(Released):
    """`networking.plugin: flannel`."""

    name = "flannel"
    repository = "flannel-io/flannel"

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The manifest that belongs to the release."""
        release = self.release(spec)
        url = f"https://raw.githubusercontent.com/flannel-io/flannel/v{release.version}/Documentation/{_NAME}"
        return (FileArtifact(_NAME, release.version, url, sha256=release.sha256),)

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """Upstream's, with our pod network."""
        network = f'"Network": "{spec.networking.pod_subnet}"'
        return replace_once(fetched[_NAME], _NETWORK, network, what="flannel's manifest")

    def cleaning(self) -> Cleaning:
        """Its interfaces, and the chains that --ip-masq makes."""
        return Cleaning(
            interfaces=("flannel.1", "cni0"),
            chains=(("nat", "FLANNEL-POSTRTG"), ("filter", "FLANNEL-FWD")),
            paths=("/etc/cni/net.d/10-flannel.conflist", "/run/flannel", "/opt/cni/bin/flannel", "/var/lib/cni"),
        )
