"""Certificates that are made anew: placed on hosts, and then everything that uses them restarted.

Files are placed first, everywhere, without disturbing anything: what runs goes on with what it has, or takes the new
ones up by itself. So a cluster whose certificates have expired, and whose API answers nobody, is mended by the same
steps.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from kubeon.errors import BlockedError, KubeonError, OperationError
from kubeon.hosts.files import File, ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import MARKER
from kubeon.phases.context import Cluster, Step
from kubeon.phases.look_at_certificates import SERVED, look_at_certificates, ports_of
from kubeon.phases.place_certificates import leaf_request
from kubeon.phases.restart_components import (
    API_SERVER,
    COMPONENTS,
    ETCD,
    KUBELET,
    control_plane_problem,
    owe_script,
    owed,
    paid,
    restart_control_plane,
    restart_kubelet,
    stamps,
    wait_until_settled,
)
from kubeon.pki import issuing
from kubeon.pki.authorities import Authorities
from kubeon.pki.leaves import FILES, KUBELET_CLIENT_LINK, KUBELET_CLIENT_PEM, KUBELET_CONF, KUBERNETES, PKI, SUPER_ADMIN
from kubeon.waiting import SYSTEM_CLOCK, wait_until

SERVED_WITHIN = 150  # seconds until everything serves its new certificate; before v1.23 API servers look once a minute
READY_WITHIN = 240  # seconds for nodes to be Ready again
MANAGER = "kube-controller-manager"
MANIFEST = f"{KUBERNETES}/manifests/{MANAGER}.yaml"
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
# The kubelet starts a pod anew by itself when the content of its manifest changes.
_SET_FLAG = """\
set_flag() { # MANIFEST FLAG VALUE
    [ -e "$1" ] || return 0
    temporary="${1%/*}/.${1##*/}.kubeon-new"
    (umask 077 && sed "s#^\\( *- --$2=\\).*#\\1$3#" "$1" >"$temporary") || exit
    if cmp -s "$temporary" "$1"; then
        rm -f "$temporary"
    else
        mv -f "$temporary" "$1" || exit
        printf '%s\\n' "$1"
    fi
}
"""


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


class PlaceRenewed(Step):
    """Written whole, one after the other; what has to be restarted for it is noted on the host before."""

    name = "place-renewed"
    title = "Place renewed certificates"

    def __init__(self, due: Callable[[Cluster, Host], Due] | None = None) -> None:
        self._due = due or (lambda ctx, host: Due())

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Which, why, and what is restarted for it."""
        due = self._due(ctx, host)
        whys: dict[str, list[str]] = {}
        for name, why in due.reasons.items():
            whys.setdefault(why, []).append(name)
        lines = [f"renew {', '.join(names)}: {why}" for why, names in whys.items()]
        lines += [f"set --{flag}={value} of the controller manager" for flag, value in due.flags.items()]
        return (*lines, *([f"restart {', '.join(due.restarts)}"] if due.restarts else []))

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """One script."""
        due = self._due(ctx, host)
        if not (due.files or due.flags or due.gone or due.owed):
            return ()
        return host.change(place_script(due, _kinds(ctx, host)), what="place renewed certificates").splitlines()


class RestartControlPlane(Step):
    """One control plane after the other, etcd's leader last: its lead is handed over once, not with each of them.

    When one does not come back, the next is not tried: whatever is the matter may be the matter everywhere.
    """

    name = "restart-control-plane"
    title = "Restart the control plane"
    needs = (PlaceRenewed,)
    at_once = 1

    def __init__(self, last: str = "", broken: Collection[str] = ()) -> None:
        self.last, self.broken = last, broken  # addresses
        self._failed = ""

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Control planes."""
        return ctx.is_control_plane(host)

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """Those that do not work can only gain; else all but the leader."""
        del ctx
        return host.address in self.broken if self.broken else host.address != self.last

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What is owed."""
        components = owed(host)
        if not components:
            return ()
        if self._failed:
            raise BlockedError(f"not restarted, because {self._failed} did not come back")
        others = (each for each in ctx.hosts if self.concerns(ctx, each) and each is not host)
        try:
            wait_until_settled(ctx, (each for each in others if each.address not in self.broken))
            restart_control_plane(ctx, host, components, gently=True)
        except KubeonError:
            self._failed = host.name
            raise
        return _restarted(components)


class RestartAllControlPlanes(RestartControlPlane):
    """For a cluster that is down: each waits for what only all together can give, etcd's quorum."""

    at_once = 0

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """Nobody."""
        del ctx, host
        return False

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Everything: what has failed before waits for its turn, for minutes."""
        if not owed(host) and not control_plane_problem(ctx, host):
            return ()
        restart_control_plane(ctx, host, COMPONENTS, gently=False)
        return _restarted(COMPONENTS)


class RestartKubelet(Step):
    """Workers; their pods go on."""

    name = "restart-kubelet"
    title = "Restart the kubelet"
    needs = (RestartControlPlane,)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Workers; a control plane's is part of it."""
        return not ctx.is_control_plane(host)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """If it is owed."""
        if KUBELET not in owed(host):
            return ()
        restart_kubelet(host)
        paid(host, {KUBELET})
        return _restarted({KUBELET})


class VerifyCertificates(Step):
    """What is served is what was placed."""

    name = "verify-certificates"
    title = "Verify the certificates"
    needs = (RestartControlPlane, RestartKubelet)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Asked of every port that serves with a certificate of the cluster's."""
        wrong: list[int] = []

        def served() -> bool:
            seen = look_at_certificates(host)
            wrong[:] = [port for port in ports_of(host) if not seen.current.get(SERVED[port])]
            return not wrong

        if not wait_until(served, seconds=SERVED_WITHIN, pause=0.5, longest=3.0):
            raise OperationError(
                f"what is served on port {', '.join(map(str, wrong))} is not the certificate on disk",
                hint="look at: crictl ps -a, and journalctl -u kubelet, on that host",
                host=host.name,
            )
        return ()


def place_script(due: Due, components: Collection[str]) -> str:
    """Write the files, and before each one what is to be restarted for it, of these components."""
    groups: dict[tuple[str, ...], list[File]] = {}
    for path, content in due.files.items():
        users = tuple(user for user in users_of(path) if user in components)
        mode = 0o644 if path.endswith((".crt", ".pub")) or path == MARKER else 0o600
        groups.setdefault(users, []).append(File(path, content.decode(), mode, secret=True))
    script = "set -e\n" + owe_script(component for component in COMPONENTS if component in due.owed)
    script += "".join(ensure_files_script(files, stamp=stamps(users)) for users, files in groups.items())
    if KUBELET_CLIENT_PEM in due.files:
        script += f"ln -sfn {shlex.quote(KUBELET_CLIENT_PEM)} {shlex.quote(KUBELET_CLIENT_LINK)}\n"
    if due.flags:
        script += _SET_FLAG
        script += "".join(f"set_flag {MANIFEST} {flag} {shlex.quote(value)}\n" for flag, value in due.flags.items())
    return script + "".join(f"rm -f {shlex.quote(path)}\n" for path in due.gone)


def _kinds(ctx: Cluster, host: Host) -> tuple[str, ...]:
    return COMPONENTS if ctx.is_control_plane(host) else (KUBELET,)


def _restarted(components: Iterable[str]) -> tuple[str, ...]:
    found = [component for component in COMPONENTS if component in set(components)]
    return (f"restarted {', '.join(found)}",)


def _named(path: str, names: Collection[str]) -> bool:
    return issuing.name_of(path) in names


def _known(path: str) -> str:
    """The path by which `FILES` knows a certificate."""
    return FILES.get(issuing.name_of(path), path)


def _first(path: str, reasons: Collection[str]) -> bool:
    """Is it one of these, or the key of one?"""
    return path in reasons or path.removesuffix(".key") + ".crt" in reasons
