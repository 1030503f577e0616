"""Certificates that are made anew: placed on hosts, and then everything that uses them restarted.

Files are placed first, everywhere, without disturbing anything: what runs goes on with what it has, or takes the new
ones up by itself. So a cluster whose certificates have expired, and whose API answers nobody, is mended by the same
steps.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence

from kubeon.cluster.certificates import SERVED, look_at_certificates, ports_of
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.leaves import MANAGER, Due, users_of
from kubeon.cluster.restarts import (
    COMPONENTS,
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
from kubeon.errors import BlockedError, KubeonError, OperationError
from kubeon.hosts.files import File, ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import MARKER
from kubeon.pki.leaves import KUBELET_CLIENT_LINK, KUBELET_CLIENT_PEM, KUBERNETES
from kubeon.waiting import wait_until

SERVED_WITHIN = 150  # seconds until everything serves its new certificate; before v1.23 API servers look once a minute
READY_WITHIN = 240  # seconds for nodes to be Ready again
MANIFEST = f"{KUBERNETES}/manifests/{MANAGER}.yaml"
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
