"""Calico with its own IPAM, IP-in-IP and BGP between nodes, out of upstream's own manifest.

Releases by Kubernetes minor: "Kubernetes requirements" of each release's documentation (docs.tigera.io/calico).
"""

from collections.abc import Mapping

from kubeon.cni.base import Plain, replace_once
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

# First Kubernetes minor: version, sha256 of manifests/calico.yaml at that tag of projectcalico/calico.
_RELEASES = {
    35: ("3.32.1", "a1df919d9721cf667accdc3e72848911b0cb25cfab7d2478ad0c996302c95744"),
    32: ("3.31.7", "d6d8a489a4ed8e5b8efd8b339047b496ca657b55ee2e3618e791507b0a853e8d"),
    29: ("3.29.7", "b200cb3c2c7341717abe98e4acc80a13117bcd2c9c46ad46e8c209c5753f0b2f"),
    27: ("3.27.5", "a8b89fd22e304cea657d5a4ee06a350bb2287dc6d39ff83e06e8a7e5cf9f172b"),
    24: ("3.26.5", "2468a8c939658b959860b0e78c3d2f420c53bb08af7511f3d335e051f9db8b22"),
    22: ("3.24.5", "1e8825b3bc56bd1b2a7565783630a97a09a4fd9f92767d013e4201cf8f88812c"),
}
_OLDEST = min(_RELEASES)
_NAME = "calico.yaml"
_POOL = r'^( *)# - name: CALICO_IPV4POOL_CIDR\n *#   value: "192\.168\.0\.0/16"$'


class Calico(Plain):
    """`networking.plugin: calico`."""

    name = "calico"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """Manifests of the releases before 3.24 are no longer published under a stable address."""
        if not spec.kubernetes.at_least(_OLDEST):
            text = f"calico needs Kubernetes v1.{_OLDEST} or newer, not {spec.version}; take flannel or bridge"
            return (("networking.plugin", text),)
        if spec.networking.pod_subnet.prefixlen > 26:
            return (("networking.podSubnet", "calico gives each node blocks of 64 addresses; take a /26 or larger"),)
        return ()

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The manifest that belongs to the release."""
        rows = (row for minor, row in _RELEASES.items() if spec.kubernetes.at_least(minor))
        version, sha256 = next(rows, _RELEASES[_OLDEST])
        url = f"https://raw.githubusercontent.com/projectcalico/calico/v{version}/manifests/{_NAME}"
        return (FileArtifact(_NAME, version, url, sha256=sha256),)

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
