"""Which pods' addresses are whose: given out by kubeon, kept in the cluster where no kubelet can write."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from kubeon.cluster.context import Cluster
from kubeon.cni.bridge import RANGES, assign, fit_range
from kubeon.errors import PreflightError
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.model import Role


def pod_ranges(ctx: Cluster) -> Mapping[str, IPv4Network]:
    """The pod range of every node, by name. Reads, writes nothing.

    What the cluster's own list says counts. Where it says nothing - it is lost, or older than the list - a node keeps
    what its Node object or its host's file says, as far as that is a range of the right size that nobody else has: the
    Node object before the file, because once it is set nobody can change it.
    """
    networking = ctx.spec.networking
    subnet, mask = networking.pod_subnet, networking.node_mask_size
    recorded: dict[str, IPv4Network] = {}
    for name, text in (recorded_ranges(ctx.api) if ctx.nodes else {}).items():
        found = fit_range(text.split(" ")[0], subnet, mask)
        if found is None:
            raise PreflightError(
                f"configmap {RANGES} gives node {name} the pods {text!r}; nothing was changed",
                why=f"that is no /{mask} inside {subnet}, and kubeon has not written it",
                hint=f"kubectl --namespace kube-system edit configmap {RANGES}",
            )
        recorded[name] = found
    # control planes first: what they say is believed before what workers say
    members = sorted(ctx.spec.nodes, key=lambda node: node.role is not Role.CONTROL_PLANE)
    order = [node.name for node in members if node.name]
    return assign(subnet, mask, recorded, _claims(ctx, order), [node.name for node in ctx.spec.nodes if node.name])


def _claims(ctx: Cluster, order: Sequence[str]) -> Iterator[tuple[str, str]]:
    ours = {host.name: host for host in ctx.hosts if host.facts.mark}
    yield from ((name, str(ctx.nodes[name]["spec"].get("podCIDR", ""))) for name in order if name in ctx.nodes)
    yield from ((name, ours[name].facts.pod_subnet) for name in order if name in ours)


def recorded_ranges(api: Kubectl) -> dict[str, str]:
    """ "RANGE ADDRESS" by node, as the cluster has it; empty where there is no list."""
    found = api.get("configmap", RANGES, "--namespace", "kube-system")
    return dict((found or {}).get("data") or {})


def forget_range(ctx: Cluster, name: str) -> None:
    """The node has left: its range may be given to another one."""
    if ctx.cni.assigns_pod_ranges and name in recorded_ranges(ctx.api):
        patch = f'{{"data": {{"{name}": null}}}}'
        words = ("--namespace", "kube-system", "--type", "merge", "--patch", patch)
        ctx.api.run("patch", "configmap", RANGES, *words)
