"""What `adopt` has to know of a cluster before it touches a host, and what speaks against touching it. Read-only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeon.cluster.marks import is_adopted, mark_of
from kubeon.cluster.resolve import FILES, PKI
from kubeon.cni import CNIS
from kubeon.errors import KubeonError, PreflightError, StateError
from kubeon.etcd.members import Member, member_at
from kubeon.hosts.gather import BASE_COMMANDS
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import Kubectl, why_not_ready
from kubeon.kubeadm.existing import (
    ExistingCluster,
    ExistingNode,
    kubelet_config_names,
    kubelet_settings,
    read_existing,
)
from kubeon.pki.authorities import Authorities
from kubeon.pki.inspect import describe
from kubeon.spec.versions import Version, usual_cgroup_driver

_LEAVES = (
    *(f"{PKI}/{name}.crt" for name in ("apiserver", "apiserver-kubelet-client", "apiserver-etcd-client")),
    *(f"{PKI}/{name}.crt" for name in ("front-proxy-client", "etcd/server", "etcd/peer", "etcd/healthcheck-client")),
    *(f"/etc/kubernetes/{name}.conf" for name in ("admin", "controller-manager", "scheduler")),
)
_NETWORK_FILES = "/etc/cni/net.d"
_POD_CGROUPS = "find /sys/fs/cgroup -maxdepth 3 -type d '(' -name '*kubepods.slice' -o -name kubepods ')' | sort -r\n"


@dataclass(frozen=True)
class Survey:
    """What a control plane that answers says of its cluster."""

    cluster: ExistingCluster
    authorities: Authorities
    cgroup_driver: str  # of the kubelets
    unready: dict[str, str]  # node: why it is not Ready


def survey(host: Host) -> Survey:
    """Ask a control plane that answers. Raises PreflightError with all that kubeon cannot look after."""
    api = Kubectl(host)
    nodes = api.nodes()
    configuration = _data(api, "kubeadm-config", "ClusterConfiguration")
    version = read_existing(configuration, "", {}).version
    found = read_existing(configuration, _kubelet_config(api, version), nodes)
    unready = {name: why for name, node in nodes.items() if (why := why_not_ready(node))}
    problems = [*found.problems, *(f"node {name} is not Ready: {why}" for name, why in sorted(unready.items()))]
    expect_none(problems)
    driver = found.cgroup_driver or _cgroup_driver(host) or usual_cgroup_driver(Version.parse(version))
    return Survey(found, _authorities(host), driver, unready)


def settings_of_kubelets(host: Host, version: str) -> dict[str, object]:
    """What the kubelets of this control plane's cluster are told, and with them the next one that joins."""
    return kubelet_settings(_kubelet_config(Kubectl(host), version))


def expect_none(problems: Sequence[str]) -> None:
    """Raise PreflightError when there are any."""
    if problems:
        raise PreflightError("this cluster cannot be adopted; nothing was changed", why="\n".join(problems))


def host_problems(name: str, found: Survey, hosts: Sequence[Host]) -> list[str]:
    """What speaks against each host: another cluster's, another machine than the node, unfit."""
    members = {node.address: node for node in found.cluster.nodes}
    problems = [problem for host in hosts for problem in _host_problems(name, found, host, members[host.address])]
    mark = mark_of(name, found.authorities)
    if all(host.facts.mark == mark and not is_adopted(host) for host in hosts):
        problems.append("kubeon made this cluster: kubeon create -f, with its description, takes it up again")
    return problems


def etcd_problems(members: Sequence[Member], control_planes: Sequence[ExistingNode]) -> list[str]:
    """One voter that answers on each control plane, and no other."""
    found = []
    known = [member_at(members, node.address) for node in control_planes]
    for node, member in zip(control_planes, known, strict=True):
        if member is None:
            found.append(f"control plane {node.name} has no member in etcd")
        elif not member.healthy or member.learner:
            found.append(f"etcd's member on {node.name} does not answer, or is a learner")
    return found + [f"etcd has a member {each.title} that is no control plane" for each in members if each not in known]


def network_plugin(hosts: Iterable[Host]) -> str:
    """The network plug-in as the hosts' CNI configuration tells it; its files where nobody knows them, "" for none."""
    files = sorted({name for host in hosts for name in host.facts.cni_configs})
    known = {path: name for name, plugin in CNIS.items() for path in plugin.cleaning().paths}
    names = dict.fromkeys(known.get(f"{_NETWORK_FILES}/{file}", "") for file in files)
    return ", ".join(name for name in names if name) or ", ".join(files)


def first_to_expire(hosts: Iterable[Host]) -> tuple[datetime, str] | None:
    """When the first certificate of these control planes expires, and which it is ("apiserver.crt on cp1")."""
    ends = []
    for host in hosts:
        for path, content in host.read_files(_LEAVES).items():
            try:
                ends.append((describe(content, path).not_after, f"{path.rpartition('/')[2]} on {host.name}"))
            except StateError:
                continue
    return min(ends, default=None)


def _kubelet_config(api: Kubectl, version: str) -> str:
    return next((text for name in kubelet_config_names(version) if (text := _data(api, name, "kubelet"))), "")


def _cgroup_driver(host: Host) -> str:
    """By the cgroups of the pods that run: what the kubelet goes by, or since 1.34 the runtime (KEP-4033)."""
    found = host.ask(_POD_CGROUPS, what="look for the pods' cgroups").split()
    return "" if not found else "systemd" if found[0].endswith(".slice") else "cgroupfs"


def _data(api: Kubectl, name: str, key: str) -> str:
    configmap: Any = api.get("configmap", name, "--namespace", "kube-system") or {}
    return str(configmap.get("data", {}).get(key, ""))


def _authorities(host: Host) -> Authorities:
    """All of the CAs with their keys: without them kubeon could give no node a certificate."""
    paths = [f"{PKI}/{name}" for name in FILES]
    found = host.read_files(paths)
    missing = [path for path in paths if path not in found]
    if missing:
        expect_none([f"{host.name} lacks {', '.join(missing)}: kubeon issues certificates, and needs the CAs' keys"])
    try:
        return Authorities.from_files({path.removeprefix(f"{PKI}/"): text for path, text in found.items()})
    except KubeonError as error:
        raise PreflightError(
            "this cluster cannot be adopted; nothing was changed", why=f"{host.name}: {error}", hint=error.hint
        ) from error


def _host_problems(name: str, found: Survey, host: Host, node: ExistingNode) -> list[str]:
    facts, problems = host.facts, []
    mark = facts.mark
    fingerprint = found.authorities.fingerprint
    if mark and mark.ca != fingerprint:
        problems.append(f"it bears the mark of another cluster, {mark.cluster}")
    elif mark and mark.cluster != name:
        problems.append(f"it is adopted as {mark.cluster} already: adopt it under that name, and then kubeon rename")
    if not facts.kubelet_kubeconfig or facts.ca_fingerprint != fingerprint:
        problems.append("it has no kubelet.conf, or another CA: it is no node of this cluster")
    elif node.machine_id and facts.machine_id and node.machine_id != facts.machine_id:
        problems.append("it is another machine than the node: the machine-ids differ")
    if facts.init != "systemd":
        problems.append("it does not run on systemd")
    if missing := sorted(set(BASE_COMMANDS) - facts.commands):
        problems.append(f"it lacks {' '.join(missing)}")
    return [f"{host.name} ({host.address}): {problem}" for problem in problems]
