"""Asking a whole cluster how it is: everybody at once, one round trip each, and nobody is waited for any longer."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kubeon.cluster.look import target_of
from kubeon.cluster.marks import marks_of
from kubeon.cri import CRIS
from kubeon.errors import ConnectError, KubeonError, StateError
from kubeon.etcd.members import CONTAINER, etcdctl
from kubeon.hosts.fleet import within
from kubeon.hosts.health import HostHealth, health_script, parse_health
from kubeon.hosts.host import Host
from kubeon.hosts.marks import Mark
from kubeon.kube.kubectl import ADMIN_CONF, Kubectl
from kubeon.kube.objects import NodeState, PodState, parse_objects
from kubeon.lb import LBS
from kubeon.operations.cluster_info.gathered import (
    API,
    BALANCER,
    ETCD_HEALTH,
    ETCD_MEMBERS,
    ETCD_STATUS,
    CertificateEnd,
    Gathered,
    bears_another,
)
from kubeon.operations.pending import Kind, Pending, unfinished
from kubeon.pki.authorities import Authorities
from kubeon.pki.inspect import describe
from kubeon.spec.endpoints import api_server
from kubeon.spec.model import ClusterSpec, NodeSpec, Role
from kubeon.state.cluster import ClusterState
from kubeon.state.history import PastOperation, history
from kubeon.state.home import Home
from kubeon.transport.secrets import Secrets
from kubeon.transport.ssh import SSH
from kubeon.waiting import SYSTEM_CLOCK

CONNECT_WITHIN = 3.0  # seconds; a host that is up answers a call in one
# Where a worker's load balancer has no question of its own: as the kubelet asks, by name and certificate.
THROUGH = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf get --raw /readyz --request-timeout 3s\n"
_READY = f"kubectl --kubeconfig {ADMIN_CONF} --server https://{{server}} "
_READY += "get --raw /readyz --request-timeout 3s\n"


@dataclass(frozen=True)
class Options:
    """How to ask."""

    secrets: Secrets = field(default_factory=Secrets)
    seconds: float | None = None  # for all hosts together; None: what should do for so many
    parallel: int = 100  # hosts at once

    def patience(self, hosts: int) -> float:
        """Seconds for so many hosts together. A login costs this machine 10 to 30 ms of its processor."""
        return self.seconds or max(8.0, 0.08 * hosts)


class Lookout:
    """A cluster's hosts with connections that stay from one look to the next. Changes nothing and takes no lock.

    Raises StateError for a cluster that is not known here.
    """

    def __init__(self, name: str, options: Options, home: Home) -> None:
        self._options, self._state, self._home = options, home.cluster(name), home
        self._transports: dict[str, SSH] = {}
        home.known(name)
        self._state.check_known_hosts()

    def look(self) -> Gathered:
        """Ask everybody."""
        state, began = self._state, SYSTEM_CLOCK.monotonic()
        spec = self._home.known(state.name)
        listed = state.read_spec() or spec  # the balancers' lists have those whose joining has come to its end
        patience = self._options.patience(len(spec.nodes))
        marks = _marks(state)
        look = _Look(self, spec, listed, marks, began + patience)
        # control planes first: when there are more hosts than may be asked at once, they know most
        nodes = sorted(spec.nodes, key=lambda node: node.role is not Role.CONTROL_PLANE)
        by_address = {str(node.address): node for node in nodes}
        ended = within(
            by_address,
            lambda address: look.visit(by_address[address]),
            seconds=patience,
            parallel=self._options.parallel,
        )
        look.ask_again()
        heard, objects = dict(look.heard), look.objects
        silent = {address: answer for address, answer in ended.items() if isinstance(answer, KubeonError)}
        for address in by_address.keys() - heard.keys() - silent.keys():
            silent[address] = ConnectError(f"no answer within {patience:.0f} s", hint="a longer --timeout")
        for address in by_address.keys() - ended.keys():  # still under way: end it
            if transport := self._transports.pop(address, None):
                transport.close()
        past = history(state)
        found = Gathered(
            spec=spec,
            now=SYSTEM_CLOCK.now(),
            answers=heard,
            silent={address: error for address, error in silent.items() if address not in heard},
            nodes=objects[0] if objects else None,
            pods=objects[1] if objects else (),
            api_problem=look.problem,
            marks=marks,
            unfinished=_unfinished(state, past),
            holder=state.holder,
            last=past[-1] if past else None,
        )
        found = replace(found, certificates=tuple(_certificates(found)))
        return replace(found, seconds=SYSTEM_CLOCK.monotonic() - began)

    def close(self) -> None:
        """End all connections. Safe to call twice."""
        for address in list(self._transports):
            self._transports.pop(address).close()

    def transport(self, spec: ClusterSpec, node: NodeSpec) -> SSH:
        """The connection to a node's host; opened when it is used, given up soon."""
        address = str(node.address)
        if address not in self._transports:
            target = target_of(spec, node, self._state, self._options.secrets)
            patience = min(target.connect_timeout, CONNECT_WITHIN)
            self._transports[address] = SSH(replace(target, connect_timeout=patience))
        return self._transports[address]


class _Look:
    """One look: what has been heard so far, by address, while threads go on."""

    def __init__(
        self, lookout: Lookout, spec: ClusterSpec, listed: ClusterSpec, marks: frozenset[Mark], deadline: float
    ) -> None:
        self._lookout, self._spec, self._listed, self._marks, self._deadline = lookout, spec, listed, marks, deadline
        self.heard: dict[str, HostHealth] = {}
        self.objects: tuple[dict[str, NodeState], tuple[PodState, ...]] | None = None
        self.problem = ""
        self._asking = threading.Lock()
        self._spare: list[Host] = []  # control planes that could be asked for the objects, too

    def visit(self, node: NodeSpec) -> None:
        """Ask one host; a control plane with a ready API server also for nodes and pods, if nobody else was."""
        address, lines = str(node.address), list[str]()
        host = Host(node, node.name or address, self._lookout.transport(self._spec, node))
        script = health_script(questions(self._listed, node))
        sent = SYSTEM_CLOCK.now()
        try:
            host.ask(script, timeout=self._left(), what="ask how it is", wait=False, on_line=lines.append)
        except ConnectError:
            if not lines:
                raise
        health = self.heard[address] = parse_health("\n".join(lines), sent, SYSTEM_CLOCK.now())
        answer = health.answers.get(API)
        if answer and answer.well and not bears_another(health, self._marks):
            self._spare.append(host)
            if self._asking.acquire(blocking=False):
                try:
                    self._ask_once(host)
                finally:
                    self._asking.release()

    def ask_again(self) -> None:
        """When the first control plane that was asked for nodes and pods did not tell: the others."""
        if self._asking.acquire(timeout=self._left(least=0.0)):
            for host in list(self._spare):
                if self._left(least=0.0) > 0.5:
                    self._ask_once(host)

    def _ask_once(self, host: Host) -> None:
        if self.objects is not None:
            return
        words = ("get", "nodes,pods", "--namespace", "kube-system", "-o", "json", "--request-timeout", "5s")
        try:
            self.objects = parse_objects(json.loads(Kubectl(host).run(*words, timeout=self._left(), patient=False)))
        except (KubeonError, ValueError) as error:
            self.problem = str(error)
            self._spare.remove(host)

    def _left(self, least: float = 0.1) -> float:
        """Seconds to the deadline."""
        return max(least, self._deadline - SYSTEM_CLOCK.monotonic())


def questions(spec: ClusterSpec, node: NodeSpec) -> dict[str, tuple[int, str]]:
    """What a node is asked besides what every host is: read-only scripts by name, and the seconds each one gets."""
    if node.role is Role.WORKER:
        return {BALANCER: (5, LBS[spec.load_balancer.mode].check(spec, node) or THROUGH)}
    inside = CRIS[spec.runtime.name].inside_script
    return {
        ETCD_STATUS: (4, inside(CONTAINER, etcdctl("endpoint", "status", seconds=2))),
        ETCD_MEMBERS: (4, inside(CONTAINER, etcdctl("member", "list", seconds=2))),
        API: (4, _READY.format(server=api_server(node.address))),
        ETCD_HEALTH: (5, inside(CONTAINER, etcdctl("endpoint", "health", "--cluster", seconds=3))),
    }


def _unfinished(state: ClusterState, past: Sequence[PastOperation]) -> Pending | None:
    """What was begun; a record of it that is damaged keeps nobody from asking how the hosts are."""
    try:
        return unfinished(state, past)
    except StateError as error:
        return Pending(Kind.SETTINGS, str(error), error.hint)


def _marks(state: ClusterState) -> frozenset[Mark]:
    """What hosts may bear: two marks while the CA is rotated, or while the cluster gets another name."""
    try:
        if files := state.read_pki():
            Authorities.from_files(files)  # damaged ones are none
        marks = marks_of(state)
    except StateError:
        return frozenset()
    _, new = state.renaming or ("", state.name)
    return marks | {Mark(new, mark.ca) for mark in marks}


def _certificates(found: Gathered) -> Sequence[CertificateEnd]:
    ends = []
    for node, health in found.pairs():
        for path, pem in health.certificates.items():
            try:
                info = describe(pem, path)
            except StateError:  # half a file; whoever uses it says so
                continue
            ends.append(CertificateEnd(found.name_of(node), path, info.subject, info.not_after))
    return ends
