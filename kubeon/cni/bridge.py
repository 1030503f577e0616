"""The plug-in without a daemon: a bridge on each node, and a route to every other node's pods.

It needs no image, so it works where nothing can be pulled. Its price: nodes must reach each other without a router
between them, and there are no NetworkPolicies. kubeon gives each node its pod range before the kubelet starts and
writes it into a ConfigMap, with the node's address; a unit on each node follows that, so that a new node needs no visit
to the others. Node objects tell the same, but kubelets write them: one could lead the traffic of all to its host.
"""

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network

from kubeon import assets
from kubeon.cni.base import Cni, NodeNetwork
from kubeon.errors import KubeonError
from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.render import render
from kubeon.spec.model import ClusterSpec

CONFIG = "/etc/cni/net.d/10-kubeon-bridge.conflist"
SETTINGS = "/etc/kubernetes/kubeon-bridge.env"
SCRIPT = "/usr/local/lib/kubeon/kubeon-bridge-routes"
UNIT = "kubeon-bridge-routes.service"
RANGES = "kubeon-pod-ranges"  # the ConfigMap, in kube-system; for each node: RANGE ADDRESS


class Bridge(Cni):
    """`networking.plugin: bridge`."""

    name = "bridge"
    assigns_pod_ranges = True
    units: tuple[str, ...] = (UNIT,)

    def ranges_manifest(self, ranges: Mapping[str, str]) -> str:
        """The ConfigMap, where there are any, and the right of kubelets to read it."""
        return render("kubeon.cni", "bridge.yaml.j2", {"name": RANGES, "ranges": ranges})

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
    pod_subnet: IPv4Network,
    mask: int,
    recorded: Mapping[str, IPv4Network],
    claims: Iterable[tuple[str, str]],
    nodes: Iterable[str],
) -> dict[str, IPv4Network]:
    """A pod range for each of `nodes`: the recorded one, else the first fit one it claims, else the lowest free one.

    `claims` are (node, range) as hosts say, those that are believed most first. Fit is a range of the right size inside
    the pod network that overlaps nobody's. Raises KubeonError when the pod network is used up.
    """
    ranges = dict(recorded)
    wanted = tuple(nodes)
    for node, text in claims:
        claimed = fit_range(text, pod_subnet, mask)
        if node in wanted and node not in ranges and claimed and not _overlaps(claimed, ranges.values()):
            ranges[node] = claimed
    free = pod_subnet.subnets(new_prefix=mask)
    for node in wanted:
        if node in ranges:
            continue
        candidate = next((each for each in free if not _overlaps(each, ranges.values())), None)
        if candidate is None:
            raise KubeonError(
                f"no pod range is left for node {node}",
                why=f"{pod_subnet} has room for {2 ** (mask - pod_subnet.prefixlen)} nodes with a /{mask} each",
                hint="a cluster with a larger networking.podSubnet or a longer networking.nodeMaskSize",
            )
        ranges[node] = candidate
    return {node: ranges[node] for node in wanted}


def fit_range(text: str, pod_subnet: IPv4Network, mask: int) -> IPv4Network | None:
    """A node's pod range as it has to be; None for anything else."""
    try:
        network = IPv4Network(text)
    except ValueError:
        return None
    return network if network.prefixlen == mask and network.subnet_of(pod_subnet) else None


def _overlaps(one: IPv4Network, others: Iterable[IPv4Network]) -> bool:
    return any(one.overlaps(other) for other in others)


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
