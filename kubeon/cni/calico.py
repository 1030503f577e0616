"""Calico with its own IPAM, IP-in-IP and BGP between nodes, out of upstream's own manifest."""

from collections.abc import Mapping

from kubeon.cni.base import Released, replace_once
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

_NAME = "calico.yaml"
_POOL = r'^( *)# - name: CALICO_IPV4POOL_CIDR\n *#   value: "192\.168\.0\.0/16"$'


class Calico(Released):
    """`networking.plugin: calico`."""

    name = "calico"
    repository = "projectcalico/calico"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """Manifests of the releases before 3.24 are no longer published under a stable address."""
        if problems := super().problems(spec):
            return problems
        if spec.networking.pod_subnet.prefixlen > 26:
            return (("networking.podSubnet", "calico gives each node blocks of 64 addresses; take a /26 or larger"),)
        return ()

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The manifest that belongs to the release."""
        release = self.release(spec)
        url = f"https://raw.githubusercontent.com/projectcalico/calico/v{release.version}/manifests/{_NAME}"
        return (FileArtifact(_NAME, release.version, url, sha256=release.sha256),)

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """Upstream's, with our pod network: the pool's two lines are there as a comment."""
        indent = " " * 12
        pool = f'{indent}- name: CALICO_IPV4POOL_CIDR\n{indent}  value: "{spec.networking.pod_subnet}"'
        return replace_once(fetched[_NAME], _POOL, pool, what="calico's manifest")

    def cleaning(self) -> Cleaning:
        """Its interfaces and files; of its many chains those that the others hang on."""
        return Cleaning(
            interfaces=("cali*", "tunl0", "vxlan.calico"),
            chains=tuple(
                (table, f"cali-{hook}")
                for table, hooks in (
                    ("raw", ("PREROUTING", "OUTPUT")),
                    ("mangle", ("PREROUTING", "POSTROUTING")),
                    ("nat", ("PREROUTING", "OUTPUT", "POSTROUTING")),
                    ("filter", ("INPUT", "FORWARD", "OUTPUT")),
                )
                for hook in hooks
            ),
            paths=(
                *("/etc/cni/net.d/10-calico.conflist", "/etc/cni/net.d/calico-kubeconfig", "/var/lib/calico"),
                *("/var/log/calico", "/var/run/calico", "/opt/cni/bin/calico", "/opt/cni/bin/calico-ipam"),
            ),
        )
