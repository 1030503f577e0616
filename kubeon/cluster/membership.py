"""What `add` and `del` want to know of a cluster, asked of one control plane that answers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from kubeon.cluster.context import Cluster
from kubeon.cluster.marks import marks_of
from kubeon.errors import CommandError, HostError, KubeonError, OperationError, StateError
from kubeon.etcd.members import member_at
from kubeon.etcd.quorum import addition_problem
from kubeon.hosts.fleet import within
from kubeon.hosts.host import Host
from kubeon.hosts.marks import JOINED
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.objects import pressures
from kubeon.preflight import Finding, Severity
from kubeon.spec.model import NodeSpec, Role
from kubeon.state.cluster import ClusterState
from kubeon.waiting import wait_until

Nodes = Mapping[str, Mapping[str, Any]]
ANSWERS_WITHIN = 60.0  # seconds for a control plane to say whether it is ready; kubectl there gives up after fifteen
SETTLES_WITHIN = 12.0  # seconds for all members of etcd to answer; it may be electing its leader
PREFERRED_FOR = 2.0  # seconds that others are waited for after the first that is ready


def split_marked(hosts: Sequence[Host], state: ClusterState) -> tuple[list[Host], list[Finding]]:
    """Members that bear this cluster's mark, and a warning for each that does not: it is not touched.

    Raises StateError without a record of the cluster's CA.
    """
    marks = marks_of(state)
    if not marks:
        hint = f"kubeon create -f with the cluster's description rebuilds the record of {state.name}"
        raise StateError(f"the record of cluster {state.name} has no certificates", hint=hint)
    marked = [host for host in hosts if host.facts.mark in marks]
    what = "it does not bear this cluster's mark any more: it is left alone"
    return marked, [
        Finding("AnotherCluster", host.name, Severity.WARNING, what) for host in hosts if host not in marked
    ]


def ready_one(hosts: Sequence[Host]) -> tuple[Host | None, list[str]]:
    """The first of these control planes whose API server is ready, all asked at once; and what the others said.

    Who stands first is preferred while it answers about as soon as the others.
    """
    answers = within(
        hosts,
        lambda host: Kubectl(host).why_not(patient=True),
        seconds=ANSWERS_WITHIN,
        enough=lambda why: not why,
        grace=PREFERRED_FOR,
    )
    ready = next((host for host in hosts if answers.get(host) == ""), None)
    silent = f"no answer within {ANSWERS_WITHIN:.0f} s"
    said = ((host.name, answers.get(host, silent)) for host in hosts)
    return ready, [f"{name}: {why}" if isinstance(why, str) else str(why) for name, why in said if why != ""]


def answering_member(cluster: str, hosts: Sequence[Host], silent: Mapping[str, KubeonError]) -> tuple[Host, Nodes]:
    """A control plane whose API answers, and all Node objects; see `ready_one`.

    `silent` are control planes that could not be reached (address: why). Raises OperationError when none answers, with
    who was asked and what each said.
    """
    reasons = [str(error) for error in silent.values()]
    asked = [host for host in hosts if host.node.role is Role.CONTROL_PLANE]
    while asked:
        host, said = ready_one(asked)
        if host is None:
            reasons += said
            break
        try:
            return host, Kubectl(host).nodes()
        except (CommandError, HostError) as error:  # it goes at this very moment
            reasons.append(str(error))
            asked.remove(host)
    raise OperationError(
        f"no control plane of {cluster} answers",
        why="\n".join(reasons),
        hint="look at: crictl ps -a, and journalctl -u kubelet, on them",
    )


def joined_hosts(hosts: Sequence[Host], state: ClusterState) -> list[Host]:
    """Those of these hosts on which kubeadm came to its end, though the record does not know them yet."""
    marks = marks_of(state)
    return [host for host in hosts if host.facts.mark in marks and host.facts.has(JOINED)]


def check_new_hosts(hosts: Sequence[Host], nodes: Nodes) -> list[Finding]:
    """New hosts against the members that are not visited: a name or a machine that is there already."""
    findings = []
    for host in hosts:
        for name, node in nodes.items():
            info = node.get("status", {}).get("nodeInfo", {})
            addresses = {each["address"] for each in node.get("status", {}).get("addresses", [])}
            itself = host.address in addresses
            if name == host.name and not itself:
                what = f"the cluster has a node {name} already, at {', '.join(sorted(addresses - {name}))}"
                hint = f"give it another name: name={host.address}; or remove that one first: kubeon del"
                findings.append(Finding("Hostname", host.name, Severity.ERROR, what, hint))
            elif name != host.name and itself:
                what = f"the cluster has a node at {host.address} already, which it calls {name}"
                hint = f"kubeon del removes it first; or keep its name: {name}={host.address}"
                findings.append(Finding("Address", host.name, Severity.ERROR, what, hint))
            elif not itself and host.facts.machine_id and info.get("machineID") == host.facts.machine_id:
                what = f"it has the machine-id of node {name}"
                hint = "on clones: `rm /etc/machine-id && systemd-machine-id-setup`, then reboot"
                findings.append(Finding("DuplicateMachineID", host.name, Severity.ERROR, what, hint))
    return findings


def room_in_etcd(ctx: Cluster, new_hosts: Sequence[Host]) -> list[Finding]:
    """Can etcd bear one more voter before it answers? Asked for a while, since a member may just be busy.

    What a join that was cut off has left of a new node does not count: it is taken away before the next one.
    """
    control_planes = [host for host in new_hosts if ctx.is_control_plane(host)]
    unfinished = [host.address for host in control_planes if not host.facts.has(JOINED)]
    problem = ""

    def bears_one_more() -> bool:
        nonlocal problem
        try:
            members = ctx.etcd.members()
        except OperationError as error:  # in the middle of an election
            problem = str(error)
        else:
            left = [member_at(members, address) for address in unfinished]
            problem = addition_problem([member for member in members if member not in left])
        return not problem

    joins = any(not host.facts.kubelet_config for host in control_planes)
    if joins and not wait_until(bears_one_more, seconds=SETTLES_WITHIN, longest=2.0):
        hint = f"bring it back, or remove it: kubeon del {ctx.spec.name} @NAME --dead"
        return [Finding("Etcd", "", Severity.ERROR, problem, hint)]
    return []


def pressed_nodes(nodes: Nodes, severity: Severity) -> list[Finding]:
    """Nodes on which nothing new is scheduled, or from which pods are evicted."""
    hint = "kubectl describe node says more; of a full disk: cluster-info shows it, and crictl rmi --prune frees some"
    return [
        Finding("NodePressure", name, severity, f"{condition}: {message or 'no reason is given'}", hint)
        for name, node in sorted(nodes.items())
        for condition, message in pressures(node).items()
    ]


def with_pressures(why: str, api: Kubectl) -> str:
    """The reason of something that did not start, with what keeps pods from starting on nodes, where anything does."""
    lines = [why] if why else []
    with suppress(KubeonError):
        lines += [f"{one.host}: {one.what}" for one in pressed_nodes(api.nodes(), Severity.ERROR)]
    return "\n".join(lines)


def silent_members(nodes: Sequence[NodeSpec], unreachable: Mapping[str, KubeonError], what: str) -> list[Finding]:
    """Members that could not be reached and are not what the operation is about: a warning each."""
    names = {str(node.address): node.name or str(node.address) for node in nodes}
    return [
        Finding("Unreachable", names[address], Severity.WARNING, f"{error.what}: {what}")
        for address, error in unreachable.items()
        if address in names
    ]
