"""From what is wanted and what was found to the context of an operation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.cluster.context import Cluster
from kubeon.cluster.look import Seen, family_of_host, materials_of, missing_material
from kubeon.cluster.marks import is_adopted
from kubeon.cluster.membership import ready_one
from kubeon.cluster.pod_ranges import pod_ranges
from kubeon.cni import CNIS
from kubeon.cri import CRIS
from kubeon.engine.events import Reporter
from kubeon.errors import PreflightError, SpecError
from kubeon.hosts.host import Host
from kubeon.kube.versions import configured_version
from kubeon.lb import LBS
from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.pki.login import new_login_key
from kubeon.preflight import Finding, Severity, run_checks
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.versions import ca_validity, parse_duration
from kubeon.state.cluster import ClusterState
from kubeon.waiting import SYSTEM_CLOCK

PKI = "/etc/kubernetes/pki"
FILES = tuple(f"{name}.{end}" for name in ("ca", "etcd/ca", "front-proxy-ca") for end in ("crt", "key"))
FILES = (*FILES, "sa.key", "sa.pub")


def check_plugins(spec: ClusterSpec) -> None:
    """Ask the plug-ins whether they can do what is wanted. Raises SpecError with all they cannot."""
    plugins = (CRIS[spec.runtime.name], CNIS[spec.networking.plugin], LBS[spec.load_balancer.mode])
    problems = [problem for plugin in plugins for problem in plugin.problems(spec)]
    if problems:
        raise SpecError(problems)


def expect_version(ctx: Cluster) -> None:
    """Raise PreflightError when the cluster that is there has another version than its description."""
    if not ctx.bootstrap.facts.kubelet_config or not ctx.api.answers():
        return
    running, wanted = configured_version(ctx.api), ctx.spec.kubernetes
    if running and running != wanted:
        raise PreflightError(
            f"cluster {ctx.spec.name} has {running}, and its description says {wanted}; nothing was changed",
            hint=f"write {running} into the description; a newer one takes kubeon upgrade {ctx.spec.name} VERSION",
        )


def check_hosts(spec: ClusterSpec, seen: Seen, state: ClusterState, ignore: Iterable[str]) -> list[Finding]:
    """All preflight checks."""
    store = Store(state.store, spec.sources)
    new_hosts = [host for host in seen.hosts if not host.facts.kubelet_config]  # members have their material
    pki = state.read_pki()
    findings = run_checks(
        spec,
        {host.address: host.facts for host in seen.hosts},
        unreachable=seen.unreachable,
        material=missing_material(spec, new_hosts, store, Registry(store)),
        ca_fingerprint=Authorities.from_files(pki).fingerprint if pki else "",
        ignore=ignore,
    )
    warnings = LBS[spec.load_balancer.mode].warnings(spec)
    return findings + [Finding("LoadBalancer", "", Severity.WARNING, text) for text in warnings]


def resolve(
    spec: ClusterSpec,
    hosts: Sequence[Host],
    state: ClusterState,
    reporter: Reporter,
    *,
    ignored: frozenset[str],
    first: Host | None = None,
    nodes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Cluster:
    """The context of an operation on hosts that have passed preflight. Reads, writes nothing.

    `first` is a control plane that answers, where that is known, and `nodes` are the cluster's Node objects.
    """
    ctx = context_of(spec, hosts, state, reporter, first=first)
    ctx.materials = materials_of(spec, [host for host in ctx.hosts if not is_adopted(host)], ctx.store)
    ctx.ignored = ignored
    ctx.verified = state.read_spec() == spec and state.read_proposed() is None
    ctx.authorities = authorities_of(ctx) or new_authorities(
        ca_validity(parse_duration(spec.certificates.validity)), SYSTEM_CLOCK.now()
    )
    if nodes is None and ctx.bootstrap.facts.kubelet_config and ctx.api.answers():
        nodes = ctx.api.nodes()
    ctx.nodes = nodes or {}
    if ctx.cni.assigns_pod_ranges:
        ctx.pod_ranges = pod_ranges(ctx)
    if not ctx.public_key:
        ctx.login_key, ctx.public_key = new_login_key(f"kubeon {spec.name}")
    return ctx


def cluster_to_clean(
    spec: ClusterSpec, seen: Seen, state: ClusterState, reporter: Reporter, ignore: Iterable[str]
) -> Cluster:
    """The context of `destroy`: hosts that cannot be reached are an error unless the user knows them to be gone."""
    if seen.unreachable and "Unreachable" not in ignore:
        hints = dict.fromkeys(error.hint for error in seen.unreachable.values() if error.hint)
        raise PreflightError(
            f"{len(seen.unreachable)} of {len(spec.nodes)} hosts cannot be reached; nothing was changed",
            why="\n".join(str(error) for error in seen.unreachable.values()),
            hint="\n".join([*hints, "if they are gone for good: --ignore-preflight-errors Unreachable"]),
        )
    ctx = context_of(spec, seen.hosts, state, reporter)
    if pki := state.read_pki():
        ctx.authorities = Authorities.from_files(pki)
    return ctx


def context_of(
    spec: ClusterSpec, hosts: Sequence[Host], state: ClusterState, reporter: Reporter, *, first: Host | None = None
) -> Cluster:
    """Plug-ins, store and hosts; what every operation needs."""
    store = Store(state.store, spec.sources)
    return Cluster(
        spec=spec,
        state=state,
        hosts=tuple(hosts),
        families={host.name: family for host in hosts if (family := family_of_host(host))},
        first=first or (_bootstrap(hosts) if hosts else None),
        store=store,
        registry=Registry(store),
        cri=CRIS[spec.runtime.name],
        cni=CNIS[spec.networking.plugin],
        lb=LBS[spec.load_balancer.mode],
        reporter=reporter,
        public_key=state.key.with_suffix(".pub").read_text(encoding="utf-8").strip() if state.key.exists() else "",
    )


def _bootstrap(hosts: Sequence[Host]) -> Host:
    """A control plane that works already, else the first: there is at most one `kubeadm init` in a cluster's life."""
    control_planes = [host for host in hosts if host.node.role is Role.CONTROL_PLANE]
    members = [host for host in control_planes if host.facts.kubelet_config and host.facts.etcd_data]
    ready, _ = ready_one(members)
    return ready or (members or control_planes or list(hosts))[0]


def authorities_of(ctx: Cluster) -> Authorities | None:
    """The cluster's CAs: those on record, or those on a control plane, when the record was lost."""
    files = ctx.state.read_pki()
    if files:
        return Authorities.from_files(files)
    for host in ctx.hosts:
        if ctx.is_control_plane(host) and host.facts.mark.cluster == ctx.spec.name and host.facts.mark.ca:
            paths = [f"{PKI}/{name}" for name in FILES]
            found = host.read_files(paths)
            if len(found) == len(paths):
                return Authorities.from_files({path.removeprefix(f"{PKI}/"): text for path, text in found.items()})
    return None
