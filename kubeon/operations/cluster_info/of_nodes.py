"""What is wrong with single nodes: each function looks at one thing and gives reasons."""

from collections.abc import Iterator
from datetime import timedelta

from kubeon.errors import LoginError
from kubeon.hosts.health import HostHealth
from kubeon.lb import LBS
from kubeon.operations.cluster_info.gathered import Gathered, api_servers, clocks, from_workers, seen_down
from kubeon.operations.cluster_info.reasons import Reason, Severity, ago
from kubeon.spec.model import NodeSpec, Role

STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DISK_WARNING, DISK_FULL = 85, 95  # % used; at 85 the kubelet begins to remove images, at 90 to evict pods
CERTIFICATE_WARNING = timedelta(days=30)
CLOCK_TOLERATED = 1.0  # seconds; from there on etcd complains


def node_reasons(found: Gathered) -> Iterator[Reason]:
    """Of all nodes on record."""
    for node in found.spec.nodes:
        health = found.health_of(node)
        if found.is_foreign(node):
            yield _another_cluster(found, node)
        elif health is None:
            yield _silent(found, node)
        else:
            yield from _mark(found, node, health)
            yield from _units(found, node, health)
            yield from _membership(found, node, health)
            if node.role is Role.CONTROL_PLANE:
                yield from _static_pods(found, node, health)
            yield from _disks(found, node, health)
            if not health.complete:
                what = "its host is slow: its answer was cut off"
                yield Reason(Severity.WARNING, "Slow", what, "a longer --timeout", (found.name_of(node),))
    yield from _servers(found)
    yield from _load_balancers(found)
    yield from _clocks(found)
    yield from _certificates(found)


def _silent(found: Gathered, node: NodeSpec) -> Reason:
    """A host that did not answer, and what others say of the node."""
    name, address = found.name_of(node), str(node.address)
    error = found.silent.get(address)
    words = [f"{error.what}{f' ({error.why})' if error.why else ''}" if error else "its host did not answer"]
    state = found.state_of(node)
    if found.nodes is not None:
        words.append(
            "the API has no such node"
            if state is None
            else "the API has it as Ready still"
            if state.ready
            else f"not Ready for {ago(state.since, found.now)}"
        )
    if node.role is Role.CONTROL_PLANE:
        down, asked = seen_down(found, address)
        if down:
            words.append(f"{down} of {asked} balancers have taken its API server off")
    # who is not let in sees nothing, but the machine is there
    locked_out = isinstance(error, LoginError) and state is not None and state.ready
    hint = f"bring it back; if it is gone for good: kubeon del {found.spec.name} @{name} --dead"
    if isinstance(error, LoginError):
        hint = error.hint
    severity = Severity.WARNING if locked_out else Severity.DEGRADED
    return Reason(severity, "Unreachable", "; ".join(words), hint, (name,))


def _another_cluster(found: Gathered, node: NodeSpec) -> Reason:
    other = found.answers[str(node.address)].mark.cluster
    what = f"the machine at {node.address} bears the mark of another cluster, {other}"
    hint = f"take it off the record: kubeon del {found.spec.name} @{found.name_of(node)} --dead, or see who took it"
    return Reason(Severity.DEGRADED, "Mark", what, hint, (found.name_of(node),))


def _mark(found: Gathered, node: NodeSpec, health: HostHealth) -> Iterator[Reason]:
    if found.marks and health.uptime is not None and not health.mark:
        what = "it does not bear this cluster's mark any more, so kubeon leaves it alone"
        hint = f"if it is no other machine: {found.goes_on}"
        yield Reason(Severity.WARNING, "Mark", what, hint, (found.name_of(node),))


def _units(found: Gathered, node: NodeSpec, health: HostHealth) -> Iterator[Reason]:
    name = found.name_of(node)
    for unit in (health.units.get("kubelet"), health.units.get(found.spec.runtime.name)):
        if unit is None or unit.runs:
            continue
        words = [f"{unit.name} is {unit.active or unit.load}"]
        if unit.load == "not-found":
            words = [f"{unit.name} is not installed"]
        elif unit.result not in ("", "success"):
            words.append(f"{unit.result} {unit.exit_code}, restarted {unit.restarts} times")
        state = found.state_of(node)
        if unit.name == "kubelet":
            words += [health.kubelet_says] if health.kubelet_says and unit.load != "not-found" else []
            if state is not None and not state.ready:
                words.append(f"not Ready for {ago(state.since, found.now)}")
        hint = f"on {name}: journalctl -u {unit.name}, systemctl start {unit.name}"
        yield Reason(Severity.DEGRADED, unit.name.capitalize(), "; ".join(words), hint, (name,))


def _membership(found: Gathered, node: NodeSpec, health: HostHealth) -> Iterator[Reason]:
    """The Node object of a host that answers."""
    if found.nodes is None:
        return
    name, state = found.name_of(node), found.state_of(node)
    if state is None:
        yield Reason(Severity.DEGRADED, "NotAMember", "it is no node of the cluster", found.goes_on, (name,))
        return
    kubelet = health.units.get("kubelet")
    if not state.ready and (kubelet is None or kubelet.runs):
        what = f"not Ready for {ago(state.since, found.now)}: {state.why}"
        yield Reason(Severity.DEGRADED, "NotReady", what, f"kubectl describe node {name}", (name,))
    for pressure in state.pressures:
        hint = f"kubectl describe node {name}"
        yield Reason(Severity.DEGRADED, "Pressure", f"the node has {pressure}", hint, (name,))
    if state.cordoned:
        hint = f"when its work is done: kubectl uncordon {name}"
        yield Reason(Severity.WARNING, "Cordoned", "it is cordoned: no new pods go there", hint, (name,))


def _static_pods(found: Gathered, node: NodeSpec, health: HostHealth) -> Iterator[Reason]:
    name = found.name_of(node)
    for pod in STATIC_PODS:
        if why := static_pod_problem(health, pod):
            hint = f"on {name}: crictl ps -a --name {pod}, and crictl logs of what it shows"
            yield Reason(Severity.DEGRADED, "StaticPod", f"{pod}: {why}", hint, (name,))


def static_pod_problem(health: HostHealth, pod: str) -> str:
    """Why this static pod does not run; "" when it does, or when the runtime does not say."""
    if health.containers is None:
        return ""
    states = [each for each in health.containers if each.name == pod]
    if any(each.state == "running" for each in states):
        return ""
    manifest = "" if pod in health.static_pods else f"there is no /etc/kubernetes/manifests/{pod}.yaml"
    if states:
        last = max(states, key=lambda each: each.attempt)
        return f"its container {last.state} (attempt {last.attempt})" + (f"; {manifest}" if manifest else "")
    return manifest or "it has no container"


def _servers(found: Gathered) -> Iterator[Reason]:
    by_name = {found.name_of(node): health for node, health in found.pairs(Role.CONTROL_PLANE)}
    for server in api_servers(found):
        if server.works is False and not static_pod_problem(by_name[server.node], "kube-apiserver"):
            hint = (
                f"on {server.node}: crictl logs of kube-apiserver; kubectl --server there: get --raw '/readyz?verbose'"
            )
            what = f"its API server is not ready: {server.text}"
            yield Reason(Severity.DEGRADED, "ApiServer", what, hint, (server.node,))


def _load_balancers(found: Gathered) -> Iterator[Reason]:
    lb = LBS[found.spec.load_balancer.mode]
    hint = lb.where_to_look or f"is {lb.endpoint(found.spec)} reachable from there?"
    for each in from_workers(found):
        if each.works is False:
            what = f"it does not reach the API: {each.text}"
            yield Reason(Severity.DEGRADED, "ApiLoadBalancer", what, hint, (each.node,))
        elif each.detour:
            what = f"it reaches the API by a detour: {each.text}"
            yield Reason(Severity.DEGRADED, "ApiLoadBalancer", what, hint, (each.node,))


def _disks(found: Gathered, node: NodeSpec, health: HostHealth) -> Iterator[Reason]:
    mounts = {disk.mount: disk for disk in reversed(health.disks)}  # folders of one file system: the first tells
    for disk in mounts.values():
        if disk.used_percent > DISK_WARNING:
            left = f"{disk.free_kib / 2**20:.1f} GiB free" if disk.scarce == "space" else "of its inodes"
            what = f"{disk.folder}: {disk.used_percent} % of the file system {disk.mount} is used, {left}"
            severity = Severity.DEGRADED if disk.used_percent > DISK_FULL else Severity.WARNING
            hint = "the kubelet removes images from 85 % on, and evicts pods from 90 % on"
            yield Reason(severity, "Disk", what, hint, (found.name_of(node),))


def _clocks(found: Gathered) -> Iterator[Reason]:
    for name, far in clocks(found, tolerated=CLOCK_TOLERATED).off.items():
        what = f"its clock is {abs(far):.1f} s {'ahead of' if far > 0 else 'behind'} the others'"
        yield Reason(Severity.WARNING, "Clock", what, f"on {name}: chronyc tracking, or timedatectl", (name,))


def _certificates(found: Gathered) -> Iterator[Reason]:
    """One reason a node: of what has ended, or of what ends first."""
    for node in found.spec.nodes:
        name = found.name_of(node)
        ends = sorted((each for each in found.certificates if each.node == name), key=lambda each: each.not_after)
        late = [each for each in ends if each.not_after <= found.now + CERTIFICATE_WARNING]
        if late:
            over = late[0].not_after <= found.now
            when = "ended" if over else "ends"
            more = f", and {len(late) - 1} more" if len(late) > 1 else ""
            what = f"{late[0].path} {when} on {late[0].not_after:%Y-%m-%d %H:%M} UTC{more}"
            severity = Severity.DEGRADED if over else Severity.WARNING
            hint = f"kubeon certs show {found.spec.name}; kubeon certs renew {found.spec.name}"
            yield Reason(severity, "Certificate", what, hint, (name,))
