"""What this machine knows of its clusters: `list`, and a kubeconfig for one of them. Hosts are asked only for what is
not on record.
"""

from dataclasses import dataclass

from kubeon.cluster.membership import split_marked
from kubeon.cluster.options import Options
from kubeon.errors import HostError, OperationError, StateError
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import ADMIN_CONF
from kubeon.lb import LBS
from kubeon.operations.base import visited
from kubeon.operations.pending import unfinished
from kubeon.spec.endpoints import api_server
from kubeon.spec.model import ClusterSpec, Role
from kubeon.state.cluster import ClusterState
from kubeon.state.history import PastOperation, history
from kubeon.state.home import Home

READY, UNFINISHED, BUSY, DAMAGED = "ready", "unfinished", "busy", "damaged"


@dataclass(frozen=True)
class Known:
    """A cluster on record. `state` is about the record, not about the cluster's health; `detail` explains it."""

    name: str
    current: bool
    state: str  # ready, unfinished (`detail`: what goes on), busy (somebody is at work on it), damaged (the record)
    detail: str
    spec: ClusterSpec | None  # None: the record is damaged
    endpoint: str  # host:port by which nodes reach the API
    last: PastOperation | None


def overview(home: Home) -> list[Known]:
    """All clusters on record, by name. One damaged record hides no other."""
    current = home.current
    return [_known(home.cluster(name), current=name == current) for name in home.clusters()]


def _known(state: ClusterState, *, current: bool) -> Known:
    try:
        spec = state.read_known()
        past = history(state)
        busy = state.holder
        begun = None if busy else unfinished(state)  # whoever is at work changes what says so
    except StateError as error:
        return Known(state.name, current, DAMAGED, str(error), None, "", None)
    last = past[-1] if past else None
    how, detail = READY, ""
    if busy:
        how, detail = BUSY, str(busy) if busy.who else "another kubeon is at work on it"
    elif begun:
        how, detail = UNFINISHED, f"{begun.what}; {begun.hint}"
    endpoint = str(LBS[spec.load_balancer.mode].endpoint(spec)) if spec else ""
    return Known(state.name, current, how, detail, spec, endpoint, last)


def admin_kubeconfig(name: str, options: Options, home: Home) -> str:
    """The administrator's kubeconfig: the one on record, or else one that is fetched from a control plane, and kept."""
    spec, state = home.known(name), home.cluster(name)
    if text := state.read_admin_conf():
        return text
    reasons = []
    with visited(name, options, home, nodes=spec.control_planes) as (_, _, seen):
        marked, strangers = split_marked(seen.hosts, state)
        reasons = [*map(str, seen.unreachable.values()), *(f"{one.host}: {one.what}" for one in strangers)]
        for host in marked:
            if found := _read(host, reasons):
                state.write_admin_conf(found)
                return found
    raise OperationError(f"no control plane of {name} has an {ADMIN_CONF} to give", why="\n".join(reasons))


def user_server(spec: ClusterSpec) -> str:
    """Where a user's kubectl finds the API: an external load balancer, or the first control plane by its address."""
    if LBS[spec.load_balancer.mode].is_outside:
        return f"https://{spec.load_balancer.address}"
    first = next(node for node in spec.nodes if node.role is Role.CONTROL_PLANE)
    return api_server(first.address).url


def _read(host: Host, reasons: list[str]) -> str:
    try:
        found = host.read_files([ADMIN_CONF]).get(ADMIN_CONF, b"")
    except HostError as error:
        reasons.append(str(error))
        return ""
    if not found:
        reasons.append(f"{host.name}: it has none")
    return found.decode()
