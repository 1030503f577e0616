"""What `upgrade` looks at before it touches anything: hosts, nodes, members of etcd, material, pods."""

from collections.abc import Mapping, Sequence

from kubeon.cluster.context import Cluster
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.kubelet_settings import kubelet_settings
from kubeon.cluster.look import missing_material
from kubeon.cluster.marks import is_adopted
from kubeon.cluster.membership import Nodes
from kubeon.cluster.options import Options
from kubeon.cluster.upgrade import Upgrade
from kubeon.errors import KubeonError
from kubeon.etcd.quorum import quorum_of
from kubeon.hosts.host import Host
from kubeon.kube.budgets import held_pods
from kubeon.kube.drain import movable_pods
from kubeon.kube.kubectl import why_not_ready
from kubeon.kube.versions import configured_etcd_flags
from kubeon.phases.verify_cluster import NAME as VERIFY
from kubeon.preflight import UPGRADE_CHECKS, Finding, Severity, run_checks
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.skew import etcd_problems, removed_etcd_flags
from kubeon.spec.versions import Version

ROOM = 1500  # MiB below /var/lib for what is brought


def unknown_nodes(nodes: Nodes, known: set[str]) -> list[Finding]:
    """Nodes that are not in the description."""
    what = "it is not managed by kubeon, and left as it is"
    return [Finding("Node", each, Severity.WARNING, what) for each in sorted(set(nodes) - known)]


def absent_hosts(spec: ClusterSpec, unreachable: Mapping[str, KubeonError], options: Options) -> list[Finding]:
    """Hosts that cannot be reached; workers may be left out by the word that says so."""
    nodes = {str(node.address): node for node in spec.nodes}
    allowed = "Unreachable" in options.ignore_preflight_errors
    findings = []
    for address, error in unreachable.items():
        node = nodes[address]
        worker = node.role is Role.WORKER
        title = node.name or address
        hint = f"bring it back, or take it out: kubeon del {spec.name} @{title} --dead"
        if worker:
            hint += "; or leave it at its version: --ignore-preflight-errors Unreachable"
        severity = Severity.WARNING if worker and allowed else Severity.ERROR
        what = f"{error.what}: {error.why}" if error.why else error.what
        findings.append(Finding("Unreachable", title, severity, what, hint))
    return findings


def as_errors(strangers: Sequence[Finding]) -> list[Finding]:
    """Hosts that do not bear the cluster's mark: none of its nodes may be left behind."""
    return [Finding(one.check, one.host, Severity.ERROR, one.what, "kubeon del takes it out") for one in strangers]


def adopted_nodes(name: str, hosts: Sequence[Host]) -> list[Finding]:
    """Nodes whose programs are not kubeon's to exchange."""
    what = "it was adopted (kubeon adopt): kubeon does not replace programs that it did not install"
    hint = f"upgrade it as it was made; or put a new node in its place: kubeon add {name}, kubeon del {name}"
    return [Finding("Adopted", host.name, Severity.ERROR, what, hint) for host in hosts if is_adopted(host)]


def ill_nodes(ctx: Cluster, work: Upgrade, nodes: Nodes, through: set[str], *, goes_on: bool) -> list[Finding]:
    """Nodes that are not Ready, and members of etcd that do not answer; where an upgrade `goes_on`, after a while."""
    findings = []
    begins = {host.name for host in ctx.hosts if ctx.is_control_plane(host)} - through
    for host in ctx.hosts:
        why = why_not_ready(nodes.get(host.name))
        if host.name not in nodes:
            hint = (
                f"systemctl start kubelet there registers it, or take it out: kubeon del {ctx.spec.name} @{host.name}"
            )
            findings.append(Finding("NodeReady", host.name, Severity.ERROR, "the cluster has no Node for it", hint))
        elif why and ctx.is_control_plane(host) and begins:
            hint = "kubeadm upgrades only while all control planes are Ready; look at: journalctl -u kubelet there"
            findings.append(Finding("NodeReady", host.name, Severity.ERROR, f"not Ready: {why}", hint))
        elif why and host.name in work.upgraded:
            what = f"not Ready ({why}): it has the new version, and no other node is begun until it is well"
            findings.append(Finding("NodeReady", host.name, Severity.WARNING, what))
        elif why:
            what = f"not Ready ({why}): its pods cannot be moved, so it is upgraded without a drain"
            findings.append(Finding("NodeReady", host.name, Severity.WARNING, what))
    members = wait_for_health(ctx) if goes_on else ctx.etcd.members()
    if ill := [member.title for member in members if not member.healthy]:
        what = f"members of etcd do not answer: {', '.join(ill)} ({quorum_of(members)})"
        findings.append(Finding("Etcd", "", Severity.ERROR, what, "bring them back, or kubeon del --dead"))
    return findings


def unfit_machines(ctx: Cluster, version: Version) -> list[Finding]:
    """Machines that Kubernetes does not run on any more, unless the kubelets are told otherwise: here, or there."""
    told = {**kubelet_settings(ctx.api, version), **ctx.spec.kubelet}
    return run_checks(
        ctx.spec.model_copy(update={"kubelet": told}),
        {host.address: host.facts for host in ctx.hosts},
        ca_fingerprint=ctx.ca.fingerprint,
        checks=UPGRADE_CHECKS,
    )


def etcd_crossing(ctx: Cluster, work: Upgrade) -> list[Finding]:
    """What the next release of etcd asks of the members as they run, and of the flags that they are given."""
    images = ctx.material(ctx.bootstrap).references
    target = next((tag for name, _, tag in (each.rpartition(":") for each in images) if name.endswith("/etcd")), "")
    if not target:
        return []
    members = ctx.etcd.members()
    names = {member.id: member.title for member in members}
    statuses = ctx.etcd.statuses([url for member in members for url in member.client_urls[:1]])
    wrong, doubtful = etcd_problems(target, {names[one.id]: one.version for one in statuses if one.id in names})
    findings = []
    if wrong or doubtful:
        hint = f"the newest patch release of what runs now may bring it: kubeon upgrade {ctx.spec.name} VERSION"
        # half-way it is safest to come to the end
        severity = Severity.ERROR if wrong and not work.half_way else Severity.WARNING
        findings.append(Finding("EtcdVersion", "", severity, wrong or doubtful, hint))
    if gone := removed_etcd_flags(target, configured_etcd_flags(ctx.api)):
        what = f"etcd {target} has no {', '.join(f'--{flag}' for flag in gone)}, and would end at once"
        told = "; ".join(f"--{flag}: {instead}" for flag, instead in gone.items())
        hint = f"kubectl -n kube-system edit configmap kubeadm-config, etcd.local.extraArgs. Since 3.6 there is {told}"
        findings.append(Finding("EtcdFlags", "", Severity.ERROR, what, hint))
    return findings


def lacking_material(ctx: Cluster, work: Upgrade) -> list[Finding]:
    """Material that cannot be had, and disks without room for it."""
    wanting = [host for host in ctx.hosts if host.name not in work.upgraded]
    problems = missing_material(ctx.spec, wanting, ctx.store, ctx.registry)
    full = [host for host in wanting if host.facts.disk_free_mib.get("/var/lib", ROOM) < ROOM]
    return [
        *(Finding("Material", "", Severity.ERROR, f"{one.what}: {one.why}", one.hint) for one in problems),
        *(
            Finding("DiskSpace", host.name, Severity.ERROR, f"less than {ROOM} MiB are free below /var/lib")
            for host in full
        ),
    ]


def held_by_pods(ctx: Cluster, work: Upgrade, version: Version) -> list[Finding]:
    """What a drain would come up against."""
    if not work.drain_timeout:
        return []
    todo = {host.name for host in ctx.hosts} - work.upgraded
    ours = f"{VERIFY}-"  # left by a run that was cut off while it looked whether pods reach each other
    pods = [pod for pod in movable_pods(ctx.api) if pod.node in todo and not pod.name.startswith(ours)]
    findings = []
    for node in sorted(todo):
        if alone := [pod.title for pod in pods if pod.node == node and not pod.managed]:
            what = f"these pods have no controller, and a drain deletes them for good: {', '.join(alone[:10])}"
            hint = (
                "--drain-timeout 0 leaves all pods where they are; --ignore-preflight-errors UnmanagedPods deletes them"
            )
            findings.append(Finding("UnmanagedPods", node, Severity.ERROR, what, hint))
    for held in held_pods(ctx.api, version, pods):
        budgets = ", ".join(held.budgets)
        what = f"{held.pod} could not be evicted: {held.why}"
        if held.for_good:
            if len(held.budgets) > 1:
                hint = f"the API never evicts a pod that several budgets cover: {budgets}. Leave it one"
            else:
                hint = f"its PodDisruptionBudget can never be satisfied: {budgets}. Add replicas"
            hint += ", or --drain-timeout 0"
            findings.append(Finding("PodDisruptionBudget", held.node, Severity.ERROR, what, hint))
        else:
            hint = f"just now; the drain waits for {work.drain_timeout:.0f} s. Budget: {budgets}"
            findings.append(Finding("PodDisruptionBudget", held.node, Severity.WARNING, what, hint))
    return findings
