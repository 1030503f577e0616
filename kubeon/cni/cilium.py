"""Cilium out of its Helm chart, rendered on the control machine; kube-proxy stays."""

from collections.abc import Mapping

from kubeon.cni.base import Chart, Released
from kubeon.hosts.cleaning import Cleaning
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec

_NAME = "cilium.tgz"


class Cilium(Released):
    """`networking.plugin: cilium`."""

    name = "cilium"
    repository = "cilium/cilium"

    def manifests(self, spec: ClusterSpec) -> tuple[FileArtifact, ...]:
        """The chart."""
        version = self.release(spec).version
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
            # a pod's is lxc and a hash in hexadecimal; lxcbr0 is LXC's own bridge
            interfaces=("cilium_vxlan", "cilium_host", "cilium_net", "lxc_health", "lxc[0-9a-f][0-9a-f][0-9a-f]*"),
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
