"""Are the hosts different machines, with names that Kubernetes takes and clocks that agree."""

from collections.abc import Callable, Iterator
from statistics import median_low

from kubeon.lb import LBS
from kubeon.pki.names import collision, shared_names
from kubeon.preflight.base import Candidate, Check, Finding, Severity, Subject, each
from kubeon.preflight.network import same_host
from kubeon.spec.fields import DNS_LABEL

CLOCK_ERROR = 30.0  # seconds: tokens and certificates begin to be refused, etcd's leases to end early
CLOCK_WARNING = 2.0  # seconds: round trips are much shorter


def node_name(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Kubernetes takes lower-case DNS names only (kubeadm would silently change capitals), and each stands for one."""
    hint = f"name it: node-1={c.address} on the command line, nodes[].name in cluster.yaml"
    if c.node.name is None and not c.facts.hostname:
        yield c.error("Hostname", "the hostname cannot be read", hint)
    elif c.node.name is None and not all(DNS_LABEL.fullmatch(label) for label in c.facts.hostname.split(".")):
        yield c.error("Hostname", f"Kubernetes refuses the hostname {c.facts.hostname!r} as a node's name", hint)
    elif c.node.name is None and c.facts.hostname.split(".")[0] == "localhost":
        yield c.error("Hostname", f"the hostname {c.facts.hostname!r} says nothing and names every host", hint)
    elif problem := collision(c.name, c.address, _taken(subject, c), dns_domain=subject.spec.networking.dns_domain):
        if c.joined:
            hint = f"kubeon del {subject.spec.name} removes it; then it may come again as node-1={c.address}"
        yield c.error("Hostname", f"the certificate of node {c.name} ({c.address}) would be good for {problem}", hint)


def _taken(subject: Subject, c: Candidate) -> list[str]:
    """Names and addresses that the certificate of a node must not be good for: other nodes', and a worker's: the API's.

    Not the names of nodes that are looked at: those are compared below, whether they are given or the hosts' own.
    """
    spec, looked_at = subject.spec, {other.address for other in subject.candidates}
    others = [node for node in spec.nodes if str(node.address) != c.address]
    taken = [str(node.address) for node in others]
    taken += [node.name for node in others if node.name and str(node.address) not in looked_at]
    if not c.control_plane:
        lb, networking = LBS[spec.load_balancer.mode], spec.networking
        sans = (*spec.certificates.sans, *lb.sans(spec))
        taken += shared_names(lb.endpoint(spec).host, networking.service_subnet, networking.dns_domain, sans)
    return taken


def duplicates(subject: Subject) -> Iterator[Finding]:
    """One machine given twice, and machines that were cloned."""
    pairs = [(a, b) for i, a in enumerate(subject.candidates) for b in subject.candidates[i + 1 :]]
    same = [(a, b) for a, b in pairs if same_host(a, b)]
    for a, b in same:
        yield _error("SameHost", f"{a.address} and {b.address} are one machine")
    again = {b.address for _, b in same}
    apart = [c for c in subject.candidates if c.address not in again]
    for text in _same(apart, lambda c: c.name):
        yield _error("Hostname", f"several hosts have the name {text}", "give them names of their own: name=address")
    fresh = [c for c in apart if not c.joined]
    for text in _same(fresh, lambda c: c.facts.machine_id):
        hint = "on clones: `rm /etc/machine-id && systemd-machine-id-setup`, then reboot"
        yield _error("DuplicateMachineID", f"several hosts have the machine-id {text}", hint)
    for text in _same(fresh, lambda c: c.facts.product_uuid):
        what = f"several hosts have the product_uuid {text}"
        hint = "some firmware gives all machines one; network plug-ins may take them for one node"
        yield Finding("DuplicateProductUUID", "", Severity.WARNING, what, hint)


def _error(check: str, what: str, hint: str = "") -> Finding:
    """About several hosts, which `what` names."""
    return Finding(check, "", Severity.ERROR, what, hint)


def _same(candidates: list[Candidate], key: Callable[[Candidate], str]) -> Iterator[str]:
    """A text for each value that several hosts have: the value, and who."""
    found: dict[str, list[Candidate]] = {}
    for c in candidates:
        if key(c):
            found.setdefault(key(c), []).append(c)
    for value, same in found.items():
        if len(same) > 1:
            yield f"{value}: {', '.join(f'{c.name} ({c.address})' for c in same)}"


def clocks(subject: Subject) -> Iterator[Finding]:
    """Clocks compared with the median of all, so that the control machine's own does not matter."""
    offsets = {c.name: c.facts.clock_offset for c in subject.candidates}
    known = [offset for offset in offsets.values() if offset is not None]
    if not known:
        return
    middle = median_low(known)
    for c in subject.candidates:
        if c.facts.clock_offset is None:
            continue
        skew = c.facts.clock_offset - middle
        what = f"the clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the others"
        if abs(skew) > CLOCK_ERROR:
            yield c.error("Clock", what, "set it, and let chrony or systemd-timesyncd keep it")
        elif abs(skew) > CLOCK_WARNING:
            yield c.warning("Clock", what, "let chrony or systemd-timesyncd keep it")
    if abs(middle) > CLOCK_ERROR:
        this = "behind" if middle > 0 else "ahead of"
        what = f"the clock of this machine is {abs(middle):.0f} s {this} the hosts'"
        yield Finding("Clock", "", Severity.WARNING, what, "certificates are issued here and must be valid there")


def time_service(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Something keeps the clock. A container has its machine's clock."""
    if c.facts.container:
        return
    if c.facts.time_services:
        if c.facts.time_synchronised is False:
            yield c.warning("TimeSync", f"{c.facts.time_services[0]} runs but the clock is not synchronised")
    elif subject.spec.hosts.time_sync == "keep" and not c.facts.time_synchronised:
        yield c.warning("TimeSync", "no time service runs", "hosts.timeSync: chrony installs one")


CHECKS = (
    Check(each(node_name), ("Hostname",)),
    Check(duplicates, ("SameHost", "Hostname", "DuplicateMachineID", "DuplicateProductUUID")),
    Check(clocks, ("Clock",)),
    Check(each(time_service), ("TimeSync",)),
)
