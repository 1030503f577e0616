"""A control plane whose API server is out of the way while its etcd is exchanged.

An API server whose etcd is away holds requests for up to a minute (`requestTimeoutUpperBound` in k8s.io/apiserver):
those of clients, and those of its own kubelet, which before it starts a static pod deletes its mirror pod. So it is
ended gently before: it says that it is not ready and leaves the endpoints of `kubernetes`, answers for
`shutdown-delay-duration` more, and everybody has gone elsewhere. It comes back with another etcd. kubelet and kubeadm
of this host ask another API server meanwhile.

Not so where workers have no other API server: kubeadm begins with a Job, which may be given to one of them, and gives
it a minute, up to v1.35 15 seconds (`createJob` in kubeadm's phases/upgrade/health.go). They wait for etcd then.
"""

from importlib import resources

from kubeon.cluster.context import Cluster
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.leaves import leaf_request
from kubeon.cluster.restarts import API_SERVER, ETCD, control_plane_problem, wait_until_settled
from kubeon.etcd.quorum import quorum_of
from kubeon.hosts.host import Host
from kubeon.pki.leaves import kubelet_client_leaf
from kubeon.spec.endpoints import api_server

# kubeadm waits for the kubelet to register before it starts etcd, so the API server beside it is not there yet: the
# kubelet goes to another one meanwhile. A detour in /etc/hosts would stay in pods that start during the join.
TOWARD = """
toward() { sed -i "s#^\\( *server: https://\\).*#\\1$1#" /etc/kubernetes/kubelet.conf; }
"""
KUBECONFIG = "/run/kubeon/apart.conf"  # admin.conf with another server, in memory
_BEFORE = """\
trap 'end_apart {own}' EXIT
stand_apart {other}
"""
_HOLD_BACK = """\
if hold_back {longest}; then
release_after_etcd {log}
{end}{leaders}fi
"""
_LEADERS = "until_others_lead\n"
_AFTER = """\
trap - EXIT
end_apart {own}
"""
# A runtime that does not say what runs is no reason to leave the upgrade: a minute later it goes on as without this.
_END = """\
({stop}) || :
until_closed {address}
"""


def apart_scripts(ctx: Cluster, host: Host, *, longest: int, log: str) -> tuple[str, str]:
    """What to run on a control plane before and after, at most `longest` seconds later, kubeadm that writes into `log`.

    Both are empty where no other one can stand in.
    """
    other = _other(ctx, host)
    if other is None:
        return "", ""
    own = kubelet_client_leaf(leaf_request(ctx, host)).server.removeprefix("https://")
    to = api_server(other.address)
    before = _BEFORE.format(own=own, other=to)
    if host.address != ctx.lb.only_server(ctx.spec):
        leaders = _LEADERS if host is ctx.bootstrap else ""  # `kubeadm upgrade node` has no Job
        before += _HOLD_BACK.format(longest=longest, log=log, end=_end_api_server(ctx, host), leaders=leaders)
    return _library() + before, _AFTER.format(own=own)


def aside_scripts(ctx: Cluster, host: Host) -> tuple[str, str]:
    """What to run on a node whose kubelet has been stopped, and before one is started that makes static pods anew.

    Both are empty on a worker, and where no other control plane can stand in.
    """
    if not ctx.is_control_plane(host) or _other(ctx, host) is None:
        return "", ""
    return _library() + _end_api_server(ctx, host), f"({ctx.cri.stop_script(ETCD)}) || :\n"


def _end_api_server(ctx: Cluster, host: Host) -> str:
    return _END.format(stop=ctx.cri.stop_script(API_SERVER), address=host.address)


def _other(ctx: Cluster, host: Host) -> Host | None:
    """Another control plane that is well, when etcd can do without the member of this one."""
    tolerates = quorum_of(wait_for_health(ctx)).tolerates
    others = [each for each in ctx.hosts if ctx.is_control_plane(each) and each is not host]
    well = [each for each in others if tolerates > 0 and not control_plane_problem(ctx, each)]
    if well:
        wait_until_settled(ctx, well)
    return well[0] if well else None


def _library() -> str:
    return TOWARD + resources.files("kubeon.cluster").joinpath("apart.sh").read_text(encoding="utf-8")
