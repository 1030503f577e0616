"""Running kubeadm on a host: what it is told, what it may ignore, and why it failed."""

import shlex
from collections.abc import Sequence

from kubeon.cluster.context import Cluster
from kubeon.cluster.explain import explained
from kubeon.hosts.host import Host
from kubeon.hosts.marks import JOINED
from kubeon.kubeadm.config import NodeHandoff
from kubeon.spec.endpoints import API_PORT, api_server
from kubeon.spec.model import ExtraArgs
from kubeon.spec.versions import refuses_cgroup_v1

CONFIG = "/run/kubeon/kubeadm.yaml"  # in memory, and only while kubeadm runs: it holds the join token
HOSTS = "/run/kubeon/hosts"  # /etc/hosts for kubeadm alone
TIMEOUT = 600  # seconds
REMEMBER = f"mkdir -p {JOINED.rpartition('/')[0]} && : >{JOINED}\n"
# Everything these complain of was put there by kubeon, or by an init that was cut off and is now continued.
IGNORED = (
    "DirAvailable--etc-kubernetes-manifests",
    "DirAvailable--var-lib-etcd",
    "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf",
    "FileAvailable--etc-kubernetes-kubelet.conf",
    "FileAvailable--etc-kubernetes-pki-ca.crt",
    *(
        f"FileAvailable--etc-kubernetes-manifests-{name}.yaml"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    ),
    *(f"Port-{port}" for port in (API_PORT, 10250, 10257, 10259, 2379, 2380)),
)


def node_handoff(ctx: Cluster, host: Host) -> NodeHandoff:
    """What kubeadm has to know of a host that is about to become a node."""
    endpoint = str(ctx.lb.endpoint(ctx.spec))
    return NodeHandoff(
        name=host.name,
        address=host.address,
        endpoint=endpoint,
        token=ctx.join_token,
        ca_hash=ctx.ca.spki_hash,
        discovery_endpoint=str(api_server(ctx.bootstrap.address)),
        cgroup_driver=ctx.cgroup_driver(host),
        cgroup_v1=any(each.facts.cgroup_version == 1 for each in ctx.hosts),
        cri_socket=ctx.cri.socket,
        keep_conntrack=not all(each.facts.conntrack_max_writable for each in ctx.hosts),
        certificate_sans=ctx.lb.sans(ctx.spec),
        plugin_args=ExtraArgs(controller_manager=ctx.cni.controller_manager_args(ctx.spec)),
    )


def ignored_checks(ctx: Cluster, host: Host) -> tuple[str, ...]:
    """Checks of kubeadm that may fail, because kubeon looked already or is the cause."""
    return tuple(dict.fromkeys((*IGNORED, *machine_checks(ctx, host))))


def machine_checks(ctx: Cluster, host: Host) -> tuple[str, ...]:
    """Those of them that are about the machine, also where it is a node already: since 1.35 an upgrade looks, too.

    kubeadm does not see that the kubelet is told to take cgroup v1 (kubernetes/kubernetes#134744).
    """
    old_cgroups = refuses_cgroup_v1(ctx.spec.kubernetes) and host.facts.cgroup_version == 1
    asked = (name for name in ctx.ignored if not name.startswith("Duplicate"))
    return tuple(dict.fromkeys((*asked, *(("SystemVerification",) if old_cgroups else ()))))


def kubeadm_script(config: str, words: Sequence[str], *, api: tuple[str, str] | None = None) -> str:
    """Run kubeadm with a configuration that nobody else can read and that is gone afterwards.

    kubeadm alone finds the API's name (`api`: address and name) at that address, in a mount namespace of its own. The
    host's /etc/hosts stays as it is for good: whatever starts meanwhile in the host's network would keep a detour.
    """
    script = (
        f"umask 077\nmkdir -p /run/kubeon\ntrap 'rm -f {CONFIG} {HOSTS}' EXIT\n"
        f"cat >{CONFIG} <<'KUBEON_CONFIG'\n{config}KUBEON_CONFIG\n"
        "umask 022\n"
    )
    if api is None:
        return f"{script}{shlex.join(words)}\n"
    address, name = api
    other = shlex.quote(f" {name}$")
    return (
        f"{script}{{ echo {shlex.quote(address)} {shlex.quote(name)}; grep -v {other} /etc/hosts || true; }} >{HOSTS}\n"
        f"unshare --mount sh -c 'mount --bind {HOSTS} /etc/hosts && exec \"$@\"' sh {shlex.join(words)}\n"
    )


def run_kubeadm(ctx: Cluster, host: Host, script: str, *, what: str) -> None:
    """Make the host a node by this script, and remember it there: phases are shown, a failure is explained."""
    with explained(ctx, host):
        host.change(
            f"set -e\n{script}{REMEMBER}",  # what follows kubeadm is not reached when it fails
            timeout=TIMEOUT,
            what=what,
            on_line=lambda line: ctx.reporter.note(line, host=host.name) if line.startswith("[") else None,
        )


def api_through(ctx: Cluster, host: Host) -> tuple[str, str] | None:
    """Where a kubeadm shall find the API's name: at this host, which needs no load balancer that knows it already.

    None where the balancer has a port of its own.
    """
    endpoint = ctx.lb.endpoint(ctx.spec)
    return (host.address, endpoint.host) if endpoint.port == API_PORT else None
