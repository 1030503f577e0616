"""flannel with VXLAN, out of upstream's own manifest."""

from collections.abc import Mapping

from kubeon.cni.base import Plain, replace_once
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

# First Kubernetes minor: version, sha256 of Documentation/kube-flannel.yml at that tag of flannel-io/flannel.
_RELEASES = {
    26: ("0.28.4", "0bd380eb4954227c903bdea96dc9254650badd2d45ebe31978a47c3ffe2e9727"),
    20: ("0.22.3", "925b9ce96545f1bf2be71008a53de140360913eceb160d25b0a53fdd6d64ad1a"),
}
_NAME = "kube-flannel.yml"
_NETWORK = r'"Network": "10\.244\.0\.0/16"'


class Flannel(Plain):
    """`networking.plugin: flannel`."""

    name = "flannel"

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The manifest that belongs to the release."""
        version, sha256 = next(row for minor, row in _RELEASES.items() if spec.kubernetes.at_least(minor))
        url = f"https://raw.githubusercontent.com/flannel-io/flannel/v{version}/Documentation/{_NAME}"
        return (FileArtifact(_NAME, version, url, sha256=sha256),)

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
