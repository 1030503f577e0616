"""Cilium out of its Helm chart, rendered on the control machine; kube-proxy stays.

Releases by Kubernetes minor: "Kubernetes Compatibility" of each release's documentation (docs.cilium.io).
"""

from collections.abc import Mapping

from kubeon.cni.base import Chart, Plain
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

# First Kubernetes minor: version of the chart.
_RELEASES = {33: "1.20.1", 30: "1.18.14", 26: "1.15.9"}
_OLDEST = min(_RELEASES)
_NAME = "cilium.tgz"


class Cilium(Plain):
    """`networking.plugin: cilium`."""

    name = "cilium"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """Older Kubernetes would need charts that nobody maintains."""
        if not spec.kubernetes.at_least(_OLDEST):
            text = f"cilium needs Kubernetes v1.{_OLDEST} or newer, not {spec.version}; take flannel or bridge"
            return (("networking.plugin", text),)
        return ()

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The chart."""
        rows = (version for minor, version in _RELEASES.items() if spec.kubernetes.at_least(minor))
        version = next(rows, _RELEASES[_OLDEST])
        return (
            FileArtifact(
                _NAME,
                version,
                f"https://helm.cilium.io/cilium-{version}.tgz",
                unpinned="the chart repository publishes digests only inside an index of all charts",
            ),
        )

    def chart(self, spec: ClusterSpec) -> Chart:
        """IPAM by Node.spec.podCIDR, so that networking.nodeMaskSize holds; tags instead of tags with digests.

        Hubble's certificates are made afresh at every rendering, which would change the cluster each time: it is off.
        """
        del spec
        by_tag = {"useDigest": False}
        return Chart(
            _NAME,
            "cilium",
            "kube-system",
            {
                "ipam": {"mode": "kubernetes"},
                "hubble": {"enabled": False},
                "image": by_tag,
                "operator": {"image": by_tag},
                "envoy": {"image": by_tag},
            },
        )

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """The rendered chart as it is."""
        del spec
        return fetched[_NAME]

    def cleaning(self) -> Cleaning:
        """Its interfaces, state and pinned eBPF maps."""
        return Cleaning(
            interfaces=("cilium_vxlan", "cilium_host", "cilium_net", "lxc*"),
            chains=(
                *(("nat", f"CILIUM_{hook}_nat") for hook in ("PRE", "OUTPUT", "POST")),
                *(("mangle", f"CILIUM_{hook}_mangle") for hook in ("PRE", "POST")),
                *(("raw", f"CILIUM_{hook}_raw") for hook in ("PRE", "OUTPUT")),
                *(("filter", f"CILIUM_{hook}") for hook in ("INPUT", "OUTPUT", "FORWARD")),
            ),
            paths=(
                *("/etc/cni/net.d/05-cilium.conflist", "/var/run/cilium", "/var/lib/cilium", "/sys/fs/bpf/cilium"),
                *("/sys/fs/bpf/tc/globals", "/opt/cni/bin/cilium-cni"),
            ),
        )
