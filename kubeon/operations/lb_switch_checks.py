"""What speaks against another API load balancer: asked before anything is touched."""

from collections.abc import Mapping, Sequence

from kubeon.cluster.context import Cluster
from kubeon.cluster.marks import is_adopted
from kubeon.cluster.membership import Nodes
from kubeon.errors import KubeonError, OperationError, SpecError, StateError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import why_not_ready
from kubeon.operations.pending import switch_command
from kubeon.phases.apply_load_balancer import expect_address
from kubeon.phases.switch_load_balancer import KUBERNETES, leads_to, mode_of, problem_of
from kubeon.preflight import Finding, Severity
from kubeon.spec.model import ClusterSpec


def mode_before(stored: ClusterSpec, proposed: ClusterSpec | None, spec: ClusterSpec) -> ClusterSpec:
    """The description whose load balancer is to go: the previous one, or, in a rollback, the one that was begun.

    Raises StateError in the middle of a switch to a third one.
    """
    if proposed is None:
        return stored
    if spec.load_balancer not in (stored.load_balancer, proposed.load_balancer):
        there, back = switch_command(stored.name, proposed), switch_command(stored.name, stored)
        raise StateError(
            f"the switch of cluster {stored.name} to mode {proposed.load_balancer.mode} is not finished",
            hint=f"resume it: {there}; or go back: {back}; then switch to another one",
        )
    return proposed if spec.load_balancer == stored.load_balancer else stored


def check_modes(old: ClusterSpec, new: ClusterSpec) -> None:
    """Raise SpecError for two modes that cannot be beside each other."""
    here, there = mode_of(old).workload(old), mode_of(new).workload(new)
    if here and there and here.address != there.address:
        text = f"Service {here.namespace}/{here.service} has {here.address}, and keeps it as long as it lives"
        raise SpecError([("loadBalancer.address", text)], hint="switch to another mode first, and then back with it")
    was, wanted = mode_of(old).endpoint(old), mode_of(new).endpoint(new)
    if was != wanted:
        text = f"the API would be at {wanted} and not at {was}, which stands in every kubeconfig"
        hint = f"give the load balancer an address and port {was.port}: --lb-address ADDRESS:{was.port}"
        raise SpecError([("loadBalancer.address", text)], hint=hint)


def absent(
    spec: ClusterSpec, unreachable: Mapping[str, KubeonError], ignore: frozenset[str], *, begun: bool
) -> list[Finding]:
    """Hosts that cannot be reached would look for the API where it is no more; the user may know them to be gone."""
    names = {str(node.address): node.name or str(node.address) for node in spec.nodes}
    severity = Severity.WARNING if "Unreachable" in ignore else Severity.ERROR
    takes_out = "" if begun else f", or take it out (kubeon del {spec.name} --dead)"
    hint = f"bring it back{takes_out}; or leave it out: --ignore-preflight-errors Unreachable"
    hint += f", and when it is back, kubeon create {spec.name}"
    whys = {
        names[each]: f"{error.what}: {error.why}" if error.why else error.what for each, error in unreachable.items()
    }
    return [Finding("Unreachable", name, severity, why, hint) for name, why in whys.items()]


def of_hosts(hosts: Sequence[Host], strangers: Sequence[Finding]) -> list[Finding]:
    """Hosts that kubeon would not change, or must not."""
    found = [Finding(one.check, one.host, Severity.ERROR, one.what, "kubeon del takes it out") for one in strangers]
    what = "plain kubeadm made it (kubeon adopt): it has no entry of kubeon's in /etc/hosts"
    hint = "put nodes of kubeon's in the places of those that were adopted: kubeon add, kubeon del"
    return found + [Finding("Adopted", host.name, Severity.ERROR, what, hint) for host in hosts if is_adopted(host)]


def of_cluster(ctx: Cluster, old: ClusterSpec, nodes: Nodes, *, begun: bool) -> list[Finding]:
    """Everything else. What a switch that has `begun` has placed itself is not counted."""
    return [
        *_ill(ctx.hosts, nodes),
        *_material(ctx),
        *([] if begun else _ports(ctx, old)),
        *_address(ctx),
        *_outside(ctx),
        *(Finding("LoadBalancer", "", Severity.WARNING, text) for text in ctx.lb.warnings(ctx.spec)),
    ]


def _ill(hosts: Sequence[Host], nodes: Nodes) -> list[Finding]:
    hint = "look at: journalctl -u kubelet there"
    whys = {host.name: why_not_ready(nodes.get(host.name)) for host in hosts}
    return [Finding("NodeReady", name, Severity.ERROR, f"not Ready: {why}", hint) for name, why in whys.items() if why]


def _material(ctx: Cluster) -> list[Finding]:
    pairs = [(image, each) for each, material in ctx.materials.items() for image in material.images]
    found = on_all(pairs, lambda pair: ctx.registry.problem_of(*pair), parallel=8)
    return [
        Finding("Material", "", Severity.ERROR, f"{one.what}: {one.why}", one.hint) for one in found.values() if one
    ]


def _ports(ctx: Cluster, old: ClusterSpec) -> list[Finding]:
    findings = []
    for host in ctx.hosts:
        own = set(ctx.lb.ports(ctx.spec, host.node)) - set(mode_of(old).ports(old, host.node))
        for port in sorted(own & set(host.facts.ports_in_use)):
            process = host.facts.ports_in_use[port]
            what = f"port {port} is in use{f' by {process}' if process else ''}"
            hint = f"`ss -ltnp sport = :{port}` shows by what"
            findings.append(Finding(f"Port-{port}", host.name, Severity.ERROR, what, hint))
    return findings


def _address(ctx: Cluster) -> list[Finding]:
    """A Service's fixed address that another Service has, or another address that this Service has."""
    workload = ctx.lb.workload(ctx.spec)
    try:
        if workload:
            expect_address(ctx, workload)
    except OperationError as error:
        return [Finding("ClusterIP", "", Severity.ERROR, error.what, error.hint)]
    return []


def _outside(ctx: Cluster) -> list[Finding]:
    """A load balancer of somebody else's has to answer every node."""
    if not ctx.lb.is_outside:
        return []
    answers = on_all(ctx.hosts, lambda host: problem_of(host, ctx.spec, KUBERNETES))
    return [
        Finding(
            "LoadBalancer",
            host.name,
            Severity.ERROR,
            f"{leads_to(ctx.spec, host.node)} does not lead to an API server of this cluster: {why}",
            ctx.lb.where_to_look,
        )
        for host, why in answers.items()
        if why
    ]
