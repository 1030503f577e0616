"""`adopt`: a healthy cluster that plain kubeadm has made becomes one that kubeon looks after.

Nothing is changed on its hosts but a mark and, after a login by password, the cluster's own key. What kubeon did not
make stays as it is for good: later operations install and configure only what they add.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from kubeon.cluster.context import Cluster
from kubeon.cluster.membership import answering_member
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import context_of
from kubeon.cluster.survey import (
    Survey,
    etcd_problems,
    expect_none,
    first_to_expire,
    host_problems,
    network_plugin,
    survey,
)
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import PreflightError, StateError, UsageError
from kubeon.etcd.quorum import quorum_of
from kubeon.hosts.host import Host
from kubeon.kube.kubeconfig_file import check_mergeable
from kubeon.kubeadm.existing import ExistingCluster
from kubeon.operations.base import Confirm, CreateResult, Plan, Run, begun, commit, make_plan, node_results
from kubeon.operations.steps import ADOPT
from kubeon.pki.login import new_login_key
from kubeon.preflight import Finding, Severity
from kubeon.spec.endpoints import Endpoint, api_server
from kubeon.spec.loading import build_spec
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.versions import image_repository
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since

# Before the first control plane has answered nothing is known: networks that no host is in, and any version.
_UNKNOWN = {"version": "v1.20.0", "networking": {"podSubnet": "240.0.0.0/16", "serviceSubnet": "240.16.0.0/16"}}


def adopt(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    given: Mapping[str, Any],
    interrupt: Interrupt | None = None,
) -> CreateResult:
    """Take a cluster over. `given` is what the user says of it, as cluster.yaml has it: nodes, ssh, sources ...

    Its other nodes are found from the API. Changes nothing before `confirm` has said yes.
    """
    began = SYSTEM_CLOCK.monotonic()
    provisional = build_spec({**given, **_UNKNOWN, "name": name})
    with begun(home, name, "adopt", reporter, options) as run:
        if stored := run.state.read_spec():
            return _known(stored, provisional, confirm)
        first, found = _ask(run, provisional, options)
        spec = _describe(name, given, found, first)
        ctx = _look(run, spec, found, options)
        if options.kubeconfig is not None:
            check_mergeable(options.kubeconfig, name, ctx.ca.ca.pem.decode())
        named = {node.address for node in provisional.nodes}
        plan = make_plan(
            f"adopt cluster {name}, Kubernetes {spec.version}",
            ctx,
            ADOPT,
            tuple(_warnings(ctx, found.cluster)),
            _header(ctx, [node.name or "" for node in spec.nodes if node.address not in named]),
        )
        if not confirm(plan):
            return CreateResult(name, changed=False)
        ctx.commit_identity()
        run.state.write_proposed(spec)
        outcome = run.walk(ADOPT, ctx, options, interrupt, f"Adopting {name}")
        outcome.raise_if_failed(AGAIN)
        kubeconfig = commit(ctx, spec, options, merge=True)
        ctx.registered.update(host.name for host in ctx.hosts)
        return CreateResult(name, True, node_results(ctx, ctx.hosts), since(began), kubeconfig, run.log)


def _known(stored: ClusterSpec, wanted: ClusterSpec, confirm: Confirm) -> CreateResult:
    """The same command again changes nothing."""
    had = {node.address for node in stored.nodes}
    if not all(node.address in had for node in wanted.nodes):
        hint = f"another name for this one; or kubeon forget {stored.name} first"
        raise StateError(f"cluster {stored.name} is known here already, with other nodes", hint=hint)
    confirm(Plan(f"adopt cluster {stored.name}", ("it is adopted already: nothing to do",), {}))
    return CreateResult(stored.name, changed=False)


def _ask(run: Run, provisional: ClusterSpec, options: Options) -> tuple[Host, Survey]:
    """The control planes that were named, the first that answers, and what it says."""
    seen = run.look(provisional, options, nodes=provisional.control_planes)
    first, _ = answering_member(provisional.name, seen.hosts, seen.unreachable)
    found = survey(first)
    files = run.state.read_pki()
    if files and files["ca.crt"].strip() != found.authorities.to_files()["ca.crt"].strip():
        hint = f"choose another name, or kubeon forget {provisional.name} first"
        raise StateError(f"the record of {provisional.name} is another cluster's: its CA differs", hint=hint)
    _check_named(provisional, found.cluster)
    return first, found


def _check_named(provisional: ClusterSpec, cluster: ExistingCluster) -> None:
    """What the user says of nodes has to be so. Raises UsageError."""
    members = {IPv4Address(node.address): node for node in cluster.nodes}
    listed = ", ".join(f"{node.name} ({node.address})" for node in cluster.nodes[:20])
    for node in provisional.nodes:
        member = members.get(node.address)
        if member is None:
            hint = f"its nodes: {listed}; give the InternalIP of a node, which is where kubeon logs in"
            raise UsageError(f"the cluster has no node at {node.address}", hint=hint)
        if node.name not in (None, member.name):
            raise UsageError(f"the node at {node.address} is called {member.name}, not {node.name}")
        if member.control_plane != (node.role is Role.CONTROL_PLANE):
            is_one = "a control plane: -m" if member.control_plane else "a worker: -w"
            raise UsageError(f"{member.name} ({node.address}) is {is_one}")


def _describe(name: str, given: Mapping[str, Any], found: Survey, first: Host) -> ClusterSpec:
    """The cluster as cluster.yaml would have it. Raises SpecError when kubeon could not have such a one."""
    cluster = found.cluster
    ssh = {node["address"]: node["ssh"] for node in given.get("nodes", ()) if node.get("ssh")}
    nodes = [
        {
            "name": node.name,
            "address": node.address,
            "role": (Role.CONTROL_PLANE if node.control_plane else Role.WORKER).value,
            **({"ssh": ssh[node.address]} if node.address in ssh else {}),
        }
        for node in sorted(
            cluster.nodes, key=lambda node: (not node.control_plane, node.address != first.address, node.name)
        )
    ]
    # where kubeadm-config names no endpoint, kubelets have the first control plane's address
    endpoint = cluster.endpoint or first.facts.api_server.removeprefix("https://") or str(api_server(first.address))
    networking = {**given.get("networking", {}), "plugin": "none", "serviceSubnet": cluster.service_subnet}
    networking |= {"dnsDomain": cluster.dns_domain}
    networking |= {"podSubnet": cluster.pod_subnet} if cluster.pod_subnet else {}
    certificates = dict(given.get("certificates", {}))
    certificates["sans"] = list(dict.fromkeys([*certificates.get("sans", ()), *cluster.sans]))
    return build_spec(
        {
            **given,
            "name": name,
            "version": cluster.version,
            "nodes": nodes,
            "networking": networking,
            "loadBalancer": {"mode": "external", "address": endpoint, "name": Endpoint.parse(endpoint).host},
            "runtime": {**given.get("runtime", {}), "cgroupDriver": found.cgroup_driver},
            "certificates": certificates,
            "kubelet": {**given.get("kubelet", {}), **cluster.kubelet},
        }
    )


def _look(run: Run, spec: ClusterSpec, found: Survey, options: Options) -> Cluster:
    """All hosts, and etcd. Raises PreflightError unless all of them are reached and fit."""
    run.close_connections()
    seen = run.look(spec, options)
    if seen.unreachable:
        raise PreflightError(
            f"{len(seen.unreachable)} of {len(spec.nodes)} hosts cannot be reached; nothing was changed",
            why="\n".join(map(str, seen.unreachable.values())),
            hint="how to log in to one of them: -w user@ADDRESS:PORT; --user, --key and --jump are for all",
        )
    first, _ = answering_member(spec.name, seen.hosts, {})
    ctx = context_of(spec, seen.hosts, run.state, run.reporter, first=first)
    ctx.authorities = found.authorities
    if not ctx.public_key:
        ctx.login_key, ctx.public_key = new_login_key(f"kubeon {spec.name}")
    planes = [node for node in found.cluster.nodes if node.control_plane]
    expect_none([*host_problems(spec.name, found, seen.hosts), *etcd_problems(ctx.etcd.members(), planes)])
    return ctx


def _header(ctx: Cluster, discovered: Sequence[str]) -> tuple[str, ...]:
    """What was found."""
    spec, planes = ctx.spec, [host for host in ctx.hosts if ctx.is_control_plane(host)]
    lines = [f"etcd: {quorum_of(ctx.etcd.members())}", f"pods {spec.networking.pod_subnet}"]
    lines[1] += f", Services {spec.networking.service_subnet}, cgroup driver {spec.runtime.cgroup_driver}"
    plugin = network_plugin(ctx.hosts)
    lines.append(f"network plug-in found: {plugin or 'none'}; it stays yours, so it is described as none")
    if expiry := first_to_expire(planes):
        lines.append(f"certificates stay as they are; the first expires on {expiry[0]:%Y-%m-%d}: {expiry[1]}")
    if discovered:
        lines.append(f"not named, found from the API: {', '.join(discovered)}")
    return (*lines, "programs, units, settings and certificates on its hosts stay as they are")


def _warnings(ctx: Cluster, cluster: ExistingCluster) -> list[Finding]:
    """What can be adopted and has a price."""
    spec, found = ctx.spec, []
    host = Endpoint.parse(spec.load_balancer.address or "").host
    lone = next((each for each in ctx.hosts if each.address == host and ctx.is_control_plane(each)), None)
    if lone:
        found.append(("", f"the API is reached at {lone.name} itself: while that one is down, no node reaches it", ""))
    if not cluster.endpoint:
        what = "kubeadm-config has no controlPlaneEndpoint: kubeadm lets no control plane join such a cluster"
        found.append(("", what, "workers can be added"))
    if not cluster.pod_subnet:
        what = f"kubeadm was not told the pods' addresses; {spec.networking.pod_subnet} is taken for them"
        found.append(("", what, "another: --set networking.podSubnet=CIDR"))
    if cluster.image_repository not in ("", image_repository(spec.kubernetes)):
        what = f"its images come from {cluster.image_repository}: new nodes pull them from there"
        found.append(("", what, ""))
    for node in cluster.nodes:
        if not node.schedulable:
            found.append((node.name, "it is cordoned, and stays so", ""))
    for each in ctx.hosts:
        server = each.facts.api_server.removeprefix("https://")
        if server not in ("", spec.load_balancer.address, str(api_server(each.address))):
            what = f"its kubelet reaches the API at {server}, not at {spec.load_balancer.address}"
            found.append((each.name, what, ""))
    return [Finding("Adopt", where, Severity.WARNING, what, hint) for where, what, hint in found]
