"""Certificates and kubeconfigs of one host: what they depend on, and which are to be made anew."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from kubeon.cluster.context import Cluster
from kubeon.cluster.restarts import API_SERVER, COMPONENTS, ETCD, KUBELET
from kubeon.hosts.host import Host
from kubeon.pki import issuing
from kubeon.pki.authorities import Authorities
from kubeon.pki.leaves import FILES, KUBELET_CONF, KUBERNETES, PKI, SUPER_ADMIN, LeafRequest
from kubeon.spec.versions import parse_duration
from kubeon.waiting import SYSTEM_CLOCK

MANAGER = "kube-controller-manager"
SIGNING_CA = f"{PKI}/ca-signing.crt"  # while ca.crt holds two: the controller manager signs with exactly one
# By the beginning of a path, what has to be restarted when the file changes; etcd's own before the rest of the folder.
# API servers read their serving certificate again by themselves (since v1.17: kubernetes/kubernetes#84200).
_USERS = {
    f"{PKI}/etcd/ca.": (ETCD, API_SERVER),
    f"{PKI}/etcd/server.": (ETCD,),
    f"{PKI}/etcd/peer.": (ETCD,),
    f"{PKI}/ca.crt": (KUBELET, API_SERVER, MANAGER),
    f"{PKI}/ca.key": (MANAGER,),
    SIGNING_CA: (MANAGER,),
    f"{PKI}/apiserver.": (),
    f"{PKI}/apiserver-": (API_SERVER,),
    f"{PKI}/front-proxy-": (API_SERVER,),
    f"{KUBERNETES}/controller-manager.conf": (MANAGER,),
    f"{KUBERNETES}/scheduler.conf": ("kube-scheduler",),
    KUBELET_CONF: (KUBELET,),
    "/var/lib/kubelet/pki/": (KUBELET,),
}


def leaf_request(ctx: Cluster, host: Host) -> LeafRequest:
    """What the certificates of a host depend on."""
    spec = ctx.spec
    return LeafRequest(
        node_name=host.name,
        address=host.address,
        version=spec.kubernetes,
        endpoint=str(ctx.lb.endpoint(spec)),
        validity=parse_duration(spec.certificates.validity),
        service_subnet=spec.networking.service_subnet,
        dns_domain=spec.networking.dns_domain,
        control_plane=ctx.is_control_plane(host),
        sans=(*spec.certificates.sans, *ctx.lb.sans(spec)),
    )


@dataclass(frozen=True)
class Due:
    """What has to change on one host. `reasons` says why, by kubeadm's name of a certificate or kubeconfig."""

    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    reasons: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)  # of the controller manager, which has them already
    gone: tuple[str, ...] = ()  # files that are not needed any more
    owed: frozenset[str] = frozenset()  # what has to be restarted anyway: an earlier run has left it, or it is stale

    @property
    def restarts(self) -> tuple[str, ...]:
        """What has to be restarted, in order."""
        found = set(self.owed).union(*(users_of(path) for path in self.files), (MANAGER,) if self.flags else ())
        return tuple(component for component in COMPONENTS if component in found)


@dataclass(frozen=True)
class Wanted:
    """Which certificates: `names` (none: all), made anew though they are fit (`every`) or if they expire `within`."""

    names: frozenset[str] = frozenset()
    every: bool = False
    within: timedelta = timedelta(0)


def users_of(path: str) -> tuple[str, ...]:
    """Components that read a file when they start."""
    return next((users for start, users in _USERS.items() if path.startswith(start)), ())


def due_leaves(ctx: Cluster, host: Host, authorities: Authorities, wanted: Wanted) -> Due:
    """Certificates and kubeconfigs that this host needs anew from these CAs; asks the host what it has."""
    request, now = replace(leaf_request(ctx, host), super_admin=True), SYSTEM_CLOCK.now()
    control_plane = ctx.is_control_plane(host)
    existing = host.read_files(issuing.paths(request, control_plane=control_plane))
    request = replace(request, super_admin=SUPER_ADMIN in existing)
    chosen = {path for name, path in FILES.items() if not wanted.names or name in wanted.names}
    soon = {} if wanted.every else issuing.expiring(authorities, now, existing, wanted.within)
    renew = chosen if wanted.every else chosen & set(soon)
    issued = issuing.kubelet_serving(authorities, request, now, existing, renew)
    issued |= issuing.kubelet_client(authorities, request, now, existing, renew)
    if control_plane:
        issued |= issuing.control_plane_files(authorities, request, now, existing, renew)
    reasons = {path: why for path, why in issued.reasons.items() if not wanted.names or _named(path, wanted.names)}
    whys = {issuing.name_of(path): soon.get(_known(path), why) for path, why in reasons.items()}
    files = {path: content for path, content in issued.files.items() if _first(path, reasons)}
    return Due(files, whys)


def _named(path: str, names: Collection[str]) -> bool:
    return issuing.name_of(path) in names


def _known(path: str) -> str:
    """The path by which `FILES` knows a certificate."""
    return FILES.get(issuing.name_of(path), path)


def _first(path: str, reasons: Collection[str]) -> bool:
    """Is it one of these, or the key of one?"""
    return path in reasons or path.removesuffix(".key") + ".crt" in reasons
