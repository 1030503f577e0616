"""A control plane that stands apart while its etcd and its API server are exchanged.

An API server whose etcd is away holds requests for up to a minute (`requestTimeoutUpperBound` in k8s.io/apiserver):
those of clients, and those of its own kubelet, which before it starts a static pod deletes its mirror pod. So kubelet
and kubeadm of this host go to another API server. And where balancers ask, the port is closed to others while all still
works: they notice and go elsewhere, and what they leave is ended when nothing waits for an answer. Not where kube-proxy
leads clients: it would go on to send every third one to a closed port.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

from kubeon.etcd.quorum import quorum_of
from kubeon.hosts.host import Host
from kubeon.kubeadm.config import API_PORT
from kubeon.phases.context import Cluster
from kubeon.phases.join_nodes import TOWARD, wait_for_health
from kubeon.phases.place_certificates import leaf_request
from kubeon.phases.restart_components import control_plane_problem, wait_until_settled
from kubeon.pki.leaves import kubelet_client_leaf

KUBECONFIG = "/run/kubeon/apart.conf"  # admin.conf with another server, in memory
NOTICED = 6  # seconds; local-haproxy takes 4 (its inter, fastinter and fall, and its ends.lua)
_BEFORE = """\
trap 'end_apart {own}' EXIT
stand_apart {other} {noticed} {longest} {log}
"""
_AFTER = """\
trap - EXIT
end_apart {own}
"""


def apart_scripts(ctx: Cluster, host: Host, *, longest: int, log: str) -> tuple[str, str]:
    """What to run on a control plane before and after, at most `longest` seconds later, kubeadm that writes into `log`.

    Both are empty where no other one can stand in.
    """
    other = _other(ctx, host)
    if other is None:
        return "", ""
    own = kubelet_client_leaf(leaf_request(ctx, host)).server.removeprefix("https://")
    to = f"{other.address}:{API_PORT}"
    noticed = NOTICED if ctx.lb.health_checks else 0
    before = _BEFORE.format(own=own, other=to, noticed=noticed, longest=longest, log=log)
    return _library() + before, _AFTER.format(own=own)


@contextmanager
def shut_out(ctx: Cluster, host: Host, *, longest: int) -> Iterator[None]:
    """Nobody else reaches the API server of a control plane meanwhile, nor longer than so many seconds.

    It is only done where the balancer has health checks, and another one can stand in.
    """
    if not ctx.lb.health_checks or not ctx.is_control_plane(host) or _other(ctx, host) is None:
        yield
        return
    try:
        host.change(f"{_library()}shut_out {NOTICED} {longest}\n", what="close its API server to others")
        yield
    finally:
        let_in(host)


def let_in(host: Host) -> None:
    """Everybody, again; also where a run that was killed has shut them out."""
    host.change(f"{_library()}let_in\n", what="open its API server to others")


def _other(ctx: Cluster, host: Host) -> Host | None:
    """Another control plane that is well, when etcd can do without the member of this one."""
    tolerates = quorum_of(wait_for_health(ctx)).tolerates
    others = [each for each in ctx.hosts if ctx.is_control_plane(each) and each is not host]
    well = [each for each in others if tolerates > 0 and not control_plane_problem(ctx, each)]
    if well:
        wait_until_settled(ctx, well)
    return well[0] if well else None


def _library() -> str:
    return TOWARD + resources.files("kubeon.phases").joinpath("apart.sh").read_text(encoding="utf-8")
