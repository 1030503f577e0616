"""Components that are really restarted, one control plane at a time or all together, and the health that is waited for.

A static pod's container is asked to end; the kubelet, which sees it end, starts it again. Touching the manifest would
do nothing: the kubelet looks at its content. What is owed to a host stands there, in /run: a run that was cut off is
made up for by the next, and a reboot pays everything.
"""

import contextlib
from collections.abc import Collection, Iterable

from kubeon.cluster.context import Cluster
from kubeon.errors import ClosedError, CommandError, OperationError
from kubeon.etcd.members import Etcd, Member, member_at
from kubeon.etcd.quorum import quorum_of, without
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.kubectl import ADMIN_CONF, Kubectl
from kubeon.kubeadm.config import SHUTDOWN_DELAY
from kubeon.waiting import SYSTEM_CLOCK, Clock, expect, wait_until

KUBELET, ETCD, API_SERVER = "kubelet", "etcd", "kube-apiserver"
HEALTH_PORTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}
MANAGERS = tuple(HEALTH_PORTS)
COMPONENTS = (KUBELET, ETCD, API_SERVER, *MANAGERS)  # in the order in which they are restarted
ENDS_WITHIN = SHUTDOWN_DELAY + 5  # seconds for an API server to end what it has begun, watches aside
ANSWERS_WITHIN = 30  # seconds for a container runtime that is busy
GONE_WITHIN = 30  # seconds for anything to end that was asked to
STARTS_WITHIN = 240  # seconds; the kubelet lets one that failed before wait for its turn
SETTLED = 5  # seconds that others have to answer without a break: load balancers ask every two
WHOLE_WITHIN = 30  # seconds for all of etcd's members to answer, those that did before

_OWED = "/run/kubeon-owed-"
_RESTART_KUBELET = "systemctl restart kubelet\n"
# Without trust: it signs its own certificate when it starts. No secret is sent, and none is asked for; but kubectl
# asks for a name where it is given no certificate.
_HEALTHZ = f"""
kubectl --kubeconfig {ADMIN_CONF} --server https://127.0.0.1:{{port}} --insecure-skip-tls-verify --request-timeout 5s \\
    get --raw /healthz
"""


def stamps(components: Iterable[str]) -> str:
    """For `ensure_files_script`: files on the host that say that these have to be restarted."""
    return " ".join(f"{_OWED}{component}" for component in components)


def owe_script(components: Iterable[str]) -> str:
    """Note on the host that these have to be restarted."""
    return "".join(f": >{_OWED}{component}\n" for component in components)


OWED_SCRIPT = f'for each in {_OWED}*; do [ ! -e "$each" ] || echo "owed ${{each#{_OWED}}}"; done\n'


def parse_owed(output: str) -> frozenset[str]:
    """Components that the script found to be owed a restart."""
    words = [line.split() for line in output.splitlines()]
    return frozenset(line[1] for line in words if len(line) == 2 and line[0] == "owed") & frozenset(COMPONENTS)


def owed(host: Host) -> frozenset[str]:
    """What has to be restarted on a host since its files have changed."""
    return parse_owed(host.ask(OWED_SCRIPT, what="look what has to be restarted"))


def paid(host: Host, components: Collection[str]) -> None:
    """They have been restarted."""
    if components:
        host.change(f"rm -f {stamps(sorted(components))}\n", what="remember what was restarted")


def restart_kubelet(host: Host) -> None:
    """Pods go on meanwhile. It also forgets how long containers that failed should wait."""
    host.change(_RESTART_KUBELET, what="restart the kubelet")


def restart_control_plane(ctx: Cluster, host: Host, components: Collection[str], *, gently: bool) -> None:
    """Restart some components of a control plane and wait until all of it is healthy.

    `gently` is for a cluster that works: only where etcd bears it, its lead is handed over first, and the API server is
    out of the way before its etcd goes. Otherwise all control planes are restarted together.
    Raises OperationError when something does not come back.
    """
    before: list[Member] = []
    if gently and ETCD in components:
        before = _bearing(ctx, host)
    if KUBELET in components or not gently:
        restart_kubelet(host)
    running = {component: _running(ctx, host, component) for component in components if component != KUBELET}
    if API_SERVER in components:
        _end(ctx, host, API_SERVER, running[API_SERVER], patience=ENDS_WITHIN)
    if ETCD in components:
        _end(ctx, host, ETCD, running[ETCD], patience=GONE_WITHIN)
        _wait_for_start(ctx, host, ETCD, running[ETCD])
    wait_for_etcd(ctx, host, before)
    if API_SERVER in components:
        _wait_for_start(ctx, host, API_SERVER, running[API_SERVER])
    wait_for_api_server(host)
    managers = [component for component in MANAGERS if component in components]
    for component in managers:
        # One that lost its lead with its API server has ended and started by itself. Asked to end once more it would
        # look like one that crashes: the kubelet lets it wait for 20 seconds.
        if running[component] & _running(ctx, host, component):
            host.change(ctx.cri.stop_script(component), what=f"restart {component}")
    for component in managers:
        _wait_for_start(ctx, host, component, running[component])
        _wait_for_manager(host, component)
    paid(host, components)


def etcd_of(ctx: Cluster, host: Host) -> Etcd:
    """etcd as the member on this control plane sees it."""
    return Etcd(host, ctx.cri.inside_script)


def wait_for_etcd(ctx: Cluster, host: Host, before: Collection[Member] = ()) -> None:
    """Until the member on this host and enough others answer; those that answered `before` are given a while."""
    etcd = etcd_of(ctx, host)

    def why_not() -> str:
        try:
            members = etcd.members()
        except OperationError as error:
            return error.why or error.what
        own, quorum = member_at(members, host.address), quorum_of(members)
        if own is None:
            return "this control plane has no member"
        return "" if own.healthy and quorum.tolerates >= 0 else str(quorum)

    hint = "look at: crictl ps -a --name etcd, and its logs, on that host"
    expect(why_not, "etcd did not come back", within=STARTS_WITHIN, hint=hint, host=host.name)
    healthy = {member.id for member in before if member.healthy}

    def whole() -> bool:
        with contextlib.suppress(OperationError):  # in the middle of an election
            return healthy <= {member.id for member in etcd.members() if member.healthy}
        return False

    if healthy:
        wait_until(whole, seconds=WHOLE_WITHIN, pause=0.5, longest=2.0)


def wait_for_api_server(host: Host) -> None:
    """Until this control plane's own API server says that it is ready."""
    hint = "look at: crictl ps -a --name kube-apiserver, and its logs, on that host"
    expect(Kubectl(host).why_not, "the API server did not come back", within=STARTS_WITHIN, hint=hint, host=host.name)


def control_plane_problem(ctx: Cluster, host: Host) -> str:
    """Why this control plane should not be relied on; "" when its API server and its etcd answer."""
    if not Kubectl(host).answers():
        return "its API server is not ready"
    try:
        member = member_at(etcd_of(ctx, host).members(), host.address)
    except OperationError as error:
        return str(error)
    return "" if member and member.healthy else "its etcd does not answer"


def wait_until_settled(ctx: Cluster, hosts: Iterable[Host], *, clock: Clock = SYSTEM_CLOCK) -> None:
    """Until all these control planes have been well for a while, before another one goes away.

    Raises OperationError when they do not come to be.
    """
    asked, since = list(hosts), -1.0

    def why_not() -> str:
        nonlocal since
        answers = on_all(asked, lambda host: control_plane_problem(ctx, host))
        for problem in answers.values():
            if isinstance(problem, ClosedError):
                raise problem
        problems = [f"{host.name}: {problem}" for host, problem in answers.items() if problem]
        since = -1.0 if problems else since if since >= 0 else clock.monotonic()
        if not problems and clock.monotonic() - since < SETTLED:
            return "they are now, not for that long yet"
        return "\n".join(problems)

    what = f"the other control planes were not well for {SETTLED} s on end,"
    expect(why_not, what, within=STARTS_WITHIN, pause=0.5, clock=clock)


def _bearing(ctx: Cluster, host: Host) -> list[Member]:
    """etcd's members, once they can do without this host's for a while; if it leads, it leads no more.

    One or two voters can never do without; then writes wait for the seconds that a restart takes.
    """
    etcd = etcd_of(ctx, host)
    members: list[Member] = []

    def bears() -> bool:
        members[:] = etcd.members()
        own = member_at(members, host.address)
        quorum = quorum_of(members)
        return own is None or not own.healthy or quorum.voters < 3 or quorum.tolerates > 0

    if not wait_until(bears, seconds=WHOLE_WITHIN, pause=0.5, longest=2.0):
        raise OperationError(
            "etcd on this host cannot be restarted without losing the quorum",
            why=str(quorum_of(members)),
            hint="bring the members that do not answer back first",
            host=host.name,
        )
    own = member_at(members, host.address)
    others = [member for member in without(members, {own.id}) if member.healthy and not member.learner] if own else []
    if own and own.healthy and others and etcd.leader() == own.id:
        etcd.move_leader(own, others[0])
    return members


def _running(ctx: Cluster, host: Host, component: str) -> frozenset[str]:
    """IDs of its containers. Raises CommandError where a runtime that is busy does not come to say."""
    script, deadline = f"{ctx.cri.running_script()}running {component}\n", SYSTEM_CLOCK.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            return frozenset(host.ask(script, what=f"look for {component}", wait=False).split())
        except CommandError:
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise
            SYSTEM_CLOCK.sleep(1)


def _end(ctx: Cluster, host: Host, component: str, running: frozenset[str], *, patience: float) -> None:
    """Ask it to end. One that still waits for its watches, up to a minute, is ended by a second signal."""
    for seconds in (patience, GONE_WITHIN):
        host.change(ctx.cri.stop_script(component), what=f"restart {component}")
        if wait_until(lambda: not running & _running(ctx, host, component), seconds=seconds, pause=0.2, longest=0.5):
            return


def _wait_for_start(ctx: Cluster, host: Host, component: str, before: frozenset[str]) -> None:
    def why_not() -> str:
        now = _running(ctx, host, component)
        return "it does not run" if not now else "it is still the old one" if now & before else ""

    hint = f"look at: crictl ps -a --name {component}, and journalctl -u kubelet, on that host"
    expect(why_not, f"{component} was not started again", within=STARTS_WITHIN, hint=hint, host=host.name)


def _wait_for_manager(host: Host, component: str) -> None:
    script = _HEALTHZ.format(port=HEALTH_PORTS[component])

    def why_not() -> str:
        try:
            said = host.ask(script, what=f"ask {component}", wait=False).strip()
        except CommandError as error:
            return error.why or error.what
        return "" if said == "ok" else said or "no answer"

    hint = f"look at: crictl ps -a --name {component}, and its logs, on that host"
    expect(why_not, f"{component} did not come back", within=STARTS_WITHIN, hint=hint, host=host.name)
