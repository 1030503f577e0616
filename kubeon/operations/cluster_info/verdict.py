"""Is the cluster healthy, degraded or down, and why. A pure function of what was gathered.

down      nobody can use the API: no API server is ready, no worker reaches one, or etcd cannot decide
degraded  it works, and something is broken that it could need: a node, an API server, etcd, a load balancer
healthy   none of that. Warnings (a certificate that ends soon, a disk that fills) leave it healthy
"""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from kubeon.etcd.members import Member, peer_url
from kubeon.kube.objects import PodState
from kubeon.operations.cluster_info.gathered import EtcdView, Gathered, api_servers, etcd_view, from_workers, member_of
from kubeon.operations.cluster_info.of_nodes import STATIC_PODS, node_reasons
from kubeon.operations.cluster_info.reasons import Reason, Severity, ago, folded, listed, plural

DEFAULT_QUOTA = 2 * 1024**3  # bytes; etcd's own, where --quota-backend-bytes is not given
QUOTA_WARNING = 0.8
# So long a pod may take to become ready: kubelets before 1.21 see 60 to 90 s late that a control plane's startup probe
# went well.
YOUNG = timedelta(seconds=150)
RESTARTS, RECENT = 5, timedelta(minutes=10)
_HOPELESS = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


class Verdict(StrEnum):
    """Of the whole cluster."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


def judge(found: Gathered) -> tuple[Verdict, tuple[Reason, ...]]:
    """The verdict, and all reasons, worst first; with `healthy` there may be warnings."""
    single = list(node_reasons(found))
    reasons = folded([*_api(found), *_etcd(found), *_versions(found), *_record(found), *single, *_pods(found, single)])
    severities = {reason.severity for reason in reasons}
    if Severity.DOWN in severities:
        return Verdict.DOWN, reasons
    return Verdict.DEGRADED if Severity.DEGRADED in severities else Verdict.HEALTHY, reasons


def _api(found: Gathered) -> Iterator[Reason]:
    servers, workers = api_servers(found), [each for each in from_workers(found) if each.works is not None]
    if _is_hidden(found):
        what = "no control plane can be asked; by their balancers, workers reach the API"
        yield Reason(Severity.DEGRADED, "Api", what, "why does this machine not reach them? see below")
    elif not any(server.works for server in servers):
        what = f"no API server is ready: {listed([f'{each.node} ({each.text})' for each in servers])}"
        hint = "start with one control plane: its kubelet, its containerd, its etcd; then its API server"
        yield Reason(Severity.DOWN, "Api", what, hint)
    elif workers and not any(each.works for each in workers):
        names = listed([each.node for each in workers])
        what = f"no worker reaches the API: {names}; {workers[0].text}"
        yield Reason(Severity.DOWN, "Api", what, "is the network between workers and control planes whole?")
    if found.nodes is None and found.api_problem:
        what = f"the API does not say which nodes there are: {found.api_problem}"
        yield Reason(Severity.DEGRADED, "Api", what, "kubectl get nodes; a longer --timeout")


def _is_hidden(found: Gathered) -> bool:
    """Is it only for this machine that no control plane answers?"""
    servers = api_servers(found)
    return all(server.works is None for server in servers) and any(each.works for each in from_workers(found))


def _etcd(found: Gathered) -> Iterator[Reason]:
    view = etcd_view(found)
    if _is_hidden(found):
        return
    if not view.members:
        what = f"no member of etcd answers; of {plural(view.expected, 'voter')} {view.quorum.needed} are needed"
        hint = "bring back hosts and containers of control planes; or restore etcd from a snapshot"
        yield Reason(Severity.DOWN, "Etcd", what, hint)
        return
    voters = [member for member in view.members if not member.learner]
    silent = [member for member in voters if not member.healthy]
    if view.quorum.tolerates < 0:
        run = [member.title for member in voters if member.id in view.statuses]
        alive = f"{listed(run)} run{'s' if len(run) == 1 else ''}" if run else "none runs"
        what = f"etcd has lost its quorum: of {plural(len(voters), 'voter')} {alive}, {view.quorum.needed} are needed"
        hint = f"bring back {' or '.join(_titles(silent, run))}; or restore etcd from a snapshot"
        yield Reason(Severity.DOWN, "Etcd", what, hint)
    elif silent:
        verb = "does" if len(silent) == 1 else "do"
        what = f"etcd: {listed([each.title for each in silent])} {verb} not answer: {view.quorum}"
        name = silent[0].title
        hint = f"bring it back; if it is gone for good: kubeon del {found.spec.name} @{name} --dead"
        yield Reason(Severity.DEGRADED, "Etcd", what, hint)
    elif view.statuses and not view.leader:
        yield Reason(Severity.DOWN, "Etcd", "etcd has no leader", "is the network between control planes whole?")
    yield from _members(found, view)
    yield from _database(found, view)


def _titles(silent: list[Member], run: list[str]) -> list[str]:
    return [member.title for member in silent if member.title not in run] or [member.title for member in silent]


def _members(found: Gathered, view: EtcdView) -> Iterator[Reason]:
    """Those that should not be there, and those that should."""
    known = {peer_url(str(node.address)) for node in found.spec.control_planes}
    for member in view.members:
        if member.learner:
            yield Reason(Severity.WARNING, "Etcd", f"etcd member {member.title} is still a learner", found.goes_on)
        if not known & set(member.peer_urls):
            what = f"etcd has a member {member.title} ({listed(member.peer_urls)}) that is no control plane on record"
            yield Reason(Severity.WARNING, "Etcd", what, found.goes_on)
    for node in found.spec.control_planes:
        if member_of(view, node) is None and found.health_of(node) is not None:
            yield Reason(Severity.DEGRADED, "Etcd", "it is no member of etcd", found.goes_on, (found.name_of(node),))


def _database(found: Gathered, view: EtcdView) -> Iterator[Reason]:
    titles = {member.id: member.title for member in view.members}
    for identifier, alarm in view.alarms:
        meaning = {"NOSPACE": ": its database is full, and the API refuses to write", "CORRUPT": ": its data differ"}
        what = f"etcd raised the alarm {alarm} for {titles.get(identifier, hex(identifier))}{meaning.get(alarm, '')}"
        hint = f"kubeon etcd status {found.spec.name}; kubeon etcd defrag {found.spec.name}"
        yield Reason(Severity.DEGRADED, "Etcd", what, hint)
    quota = found.spec.extra_args.etcd.get("quota-backend-bytes", "")
    limit = int(quota) if quota.isdigit() and int(quota) else DEFAULT_QUOTA
    for status in view.statuses.values():
        if status.db_size > QUOTA_WARNING * limit:
            sizes = f"{status.db_size / 2**20:.0f} of {limit / 2**20:.0f} MiB, {status.in_use / 2**20:.0f} in use"
            what = f"etcd's database on {titles.get(status.id, '?')} has {sizes}"
            yield Reason(Severity.WARNING, "Etcd", what, f"kubeon etcd defrag {found.spec.name}")


def _versions(found: Gathered) -> Iterator[Reason]:
    hint = f"an upgrade that is not finished? resume it: kubeon upgrade {found.spec.name} VERSION"
    kubelets: dict[str, list[str]] = {}
    for state in (found.nodes or {}).values():
        kubelets.setdefault(state.kubelet, []).append(state.name)
    if len(kubelets) > 1:
        each = ", ".join(f"{version} on {listed(names, 3)}" for version, names in sorted(kubelets.items()))
        yield Reason(Severity.WARNING, "Versions", f"kubelets of different versions: {each}", hint)
    images = Counter(image for pod in found.pods if pod.component == "kube-apiserver" for image in pod.images)
    if len(images) > 1:
        each = ", ".join(f"{count} of {image}" for image, count in sorted(images.items()))
        yield Reason(Severity.WARNING, "Versions", f"API servers of different versions: {each}", hint)


def _record(found: Gathered) -> Iterator[Reason]:
    """What kubeon's own record says, and what it does not know."""
    name = found.spec.name
    if found.holder:
        what = f"{found.holder}: what is not well may be its work"
        yield Reason(Severity.WARNING, "Operation", what, "wait until that ends")
    elif found.unfinished:
        yield Reason(Severity.WARNING, "Operation", found.unfinished.what, found.unfinished.hint)
    if not found.marks:
        hint = f"kubeon create -f with the description of {name} rebuilds it"
        yield Reason(Severity.WARNING, "Record", "the record has no certificates of this cluster", hint)
    known = {found.name_of(node) for node in found.spec.nodes}
    for stranger in sorted(set(found.nodes or {}) - known):
        hint = "somebody else joined it, or the record is old: kubectl describe node " + stranger
        yield Reason(Severity.WARNING, "Record", "it is a node of the cluster and not on record", hint, (stranger,))


def _pods(found: Gathered, single: list[Reason]) -> Iterator[Reason]:
    """System pods, but for those of which a reason was given already: of nodes that are ill, and static ones."""
    ill = {name for name, state in (found.nodes or {}).items() if not state.ready}
    checks = ("Unreachable", "Kubelet", "NotReady")
    ill |= {name for reason in single if reason.check in checks for name in reason.nodes}
    told = {name for reason in single if reason.check in ("StaticPod", "ApiServer") for name in reason.nodes}
    for pod in found.pods:
        about = (pod.node,) if pod.node else ()
        if pod.ended or pod.leaving or pod.node in ill or (pod.node in told and pod.component in STATIC_PODS):
            continue
        hint = f"kubectl describe pod -n kube-system {pod.name}"
        if not pod.ready and _is_late(found, pod):
            restarts = f", {pod.restarts} restarts" if pod.restarts else ""
            what = f"system pod {pod.component} is not ready ({pod.why}{restarts})"
            yield Reason(Severity.DEGRADED, "Pods", what, hint, about)
        elif pod.restarts >= RESTARTS and pod.last_end and found.now - pod.last_end < RECENT:
            what = f"system pod {pod.component} restarts again and again: {pod.restarts} times, the last one "
            what += f"{ago(pod.last_end, found.now)} ago"
            yield Reason(Severity.WARNING, "Pods", what, hint, about)


def _is_late(found: Gathered, pod: PodState) -> bool:
    return pod.why in _HOPELESS or pod.since is None or found.now - pod.since > YOUNG
