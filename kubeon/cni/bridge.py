"""The plug-in without a daemon: a bridge on each node, and a route to every other node's pods.

It needs no image and no manifest but a read right, so it works where nothing can be pulled. Its price: nodes must reach
each other without a router between them, and there are no NetworkPolicies. kubeon gives each node its pod range before
the kubelet starts; a unit on each node follows the Node objects, so that a new node needs no visit to the others.
"""

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from kubeon import assets
from kubeon.cni.base import NodeNetwork, Plain
from kubeon.errors import KubeonError
from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.render import render
from kubeon.spec.model import ClusterSpec

CONFIG = "/etc/cni/net.d/10-kubeon-bridge.conflist"
SETTINGS = "/etc/kubernetes/kubeon-bridge.env"
SCRIPT = "/usr/local/lib/kubeon/kubeon-bridge-routes"
UNIT = "kubeon-bridge-routes.service"


class Bridge(Plain):
    """`networking.plugin: bridge`."""

    name = "bridge"
    assigns_pod_ranges = True
    units: tuple[str, ...] = (UNIT,)

    def manifest(self, spec: ClusterSpec, fetched: Mapping[str, str]) -> str:
        """The right of kubelets to read all nodes.

        Before 1.32 the Node authorizer gives it; since then only a node's own object (AuthorizeNodeWithSelectors,
        KEP-4601), and what it does not allow RBAC may.
        """
        del spec, fetched
        return render("kubeon.cni", "bridge.yaml.j2", {})

    def files(self, spec: ClusterSpec, node: NodeNetwork) -> tuple[File, ...]:
        """CNI configuration, settings, and the unit with its script."""
        if node.pod_range is None:
            msg = f"no pod range was assigned to node {node.name}"
            raise ValueError(msg)
        settings = {
            "POD_SUBNET": str(spec.networking.pod_subnet),
            "NODE_POD_RANGE": str(node.pod_range),
            "NODE_NAME": node.name,
        }
        return (
            File(CONFIG, _conflist(node.pod_range)),
            File(SETTINGS, "".join(f"{name}={value}\n" for name, value in settings.items())),
            File(SCRIPT, assets.systemd("kubeon-bridge-routes"), mode=0o755),
            File(f"/etc/systemd/system/{UNIT}", assets.systemd(UNIT)),
        )

    def controller_manager_args(self, spec: ClusterSpec) -> dict[str, str]:
        """kubeon assigns the ranges; two who assign would not agree."""
        del spec
        return {"allocate-node-cidrs": "false"}

    def cleaning(self) -> Cleaning:
        """The script knows its routes and chains; host-local keeps leases in /var/lib/cni."""
        return Cleaning(
            script=f"if [ -x {SCRIPT} ]; then {SCRIPT} clean; fi\n",
            units=(UNIT,),
            interfaces=("cni0",),
            chains=(("nat", "KUBEON-MASQ"), ("filter", "KUBEON-FORWARD")),
            paths=(CONFIG, SETTINGS, SCRIPT, f"/etc/systemd/system/{UNIT}", "/var/lib/cni"),
        )


def assign(
    pod_subnet: IPv4Network, mask: int, taken: Mapping[str, IPv4Network], nodes: Iterable[str]
) -> dict[str, IPv4Network]:
    """A pod range for each of `nodes`: the one it has in `taken`, else the lowest that overlaps nobody's.

    Raises KubeonError when the pod network is used up.
    """
    ranges: dict[str, IPv4Network] = {}
    used = list(taken.values())
    free = (candidate for candidate in pod_subnet.subnets(new_prefix=mask))
    for node in nodes:
        if node in taken:
            ranges[node] = taken[node]
            continue
        candidate = next((each for each in free if not any(each.overlaps(other) for other in used)), None)
        if candidate is None:
            raise KubeonError(
                f"no pod range is left for node {node}",
                why=f"{pod_subnet} has room for {2 ** (mask - pod_subnet.prefixlen)} nodes with a /{mask} each",
                hint="a cluster with a larger networking.podSubnet or a longer networking.nodeMaskSize",
            )
        ranges[node] = candidate
    return ranges


def _conflist(pod_range: IPv4Network) -> str:
    """One flat file, with "subnet" where facts look for it."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,  # the routes script masquerades what leaves the cluster, and only that
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(pod_range)}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    # 0.3.1 is what the oldest runtimes read and the newest still do
    conflist = {"cniVersion": "0.3.1", "name": "kubeon-bridge", "plugins": [bridge, portmap]}
    return json.dumps(conflist, indent=2) + "\n"
