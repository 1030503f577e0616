"""Which nodes of a cluster are meant: `@w*`, `@name=web-*,db1`, `@all^cp*`. An unknown name is an error, never nobody.

    term      all | cp* | w* | a node's name | name=NAME,... | ip=ADDRESS-or-NETWORK,...
    selector  [CLUSTER]@TERM, and more terms joined by + (these too) and ^ (but not these), read from left to right

Several selectors mean the nodes of all of them. `+` and `^` need no quotes in a shell; a `*` does where files of such
names lie about.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network

from kubeon.errors import UsageError
from kubeon.spec.model import ClusterSpec, NodeSpec, Role

Addresses = frozenset[IPv4Address]
ROLES = ("all", "cp*", "w*")
HINT = "selectors: @all, @cp*, @w*, @NAME, @name=a,b*, @ip=10.0.0.1,10.0.1.0/24; join with + (these too), ^ (but not)"


def split_cluster(text: str) -> tuple[str, str]:
    """("demo", "w*") of `demo@w*`; the cluster is "" where only terms are given."""
    cluster, at, terms = text.partition("@")
    return (cluster, terms) if at else ("", text)


def select(spec: ClusterSpec, selectors: Sequence[str]) -> tuple[NodeSpec, ...]:
    """The nodes that are meant, in the order of the spec. Raises UsageError for a selector that is wrong or empty."""
    chosen: Addresses = frozenset()
    for text in selectors:
        cluster, terms = split_cluster(text)
        if cluster not in ("", spec.name):
            raise UsageError(f"{text!r} is about cluster {cluster}, not {spec.name}", hint=HINT)
        chosen |= _evaluate(spec, terms, text)
    if not chosen:
        raise UsageError(f"{' '.join(selectors)!r} leaves no node", hint=HINT)
    return tuple(node for node in spec.nodes if node.address in chosen)


def _evaluate(spec: ClusterSpec, terms: str, text: str) -> Addresses:
    first, *rest = re.split(r"([+^])", terms)
    chosen = _term(spec, first, text)
    for operator, term in zip(rest[::2], rest[1::2], strict=True):
        found = _term(spec, term, text)
        chosen = chosen | found if operator == "+" else chosen - found
    return chosen


def _term(spec: ClusterSpec, term: str, text: str) -> Addresses:
    word = term.strip()
    match word.lower():
        case "":
            raise UsageError(f"{text!r} has an empty place", hint=HINT)
        case "all":
            return frozenset(node.address for node in spec.nodes)
        case "cp*":
            return _of_role(spec, Role.CONTROL_PLANE)
        case "w*":
            return _some(_of_role(spec, Role.WORKER), f"cluster {spec.name} has no worker")
    key, equals, values = word.partition("=")
    if not equals:
        return _listed(spec, [word], _by_name)
    kinds: dict[str, Callable[[ClusterSpec, str], Addresses]] = {
        "name": _by_name,
        "n": _by_name,
        "ip": _by_address,
        "address": _by_address,
    }
    if key.lower() not in kinds:
        raise UsageError(f"{word!r} is no selector", hint=HINT)
    return _listed(spec, values.split(","), kinds[key.lower()])


def _listed(spec: ClusterSpec, values: Iterable[str], find: Callable[[ClusterSpec, str], Addresses]) -> Addresses:
    return frozenset().union(*(find(spec, value.strip()) for value in values))


def _of_role(spec: ClusterSpec, role: Role) -> Addresses:
    return frozenset(node.address for node in spec.nodes if node.role is role)


def _by_name(spec: ClusterSpec, pattern: str) -> Addresses:
    found = frozenset(node.address for node in spec.nodes if node.name and fnmatchcase(node.name, pattern.lower()))
    return _some(found, f"cluster {spec.name} has no node {pattern!r}", _names(spec))


def _by_address(spec: ClusterSpec, value: str) -> Addresses:
    try:
        network = IPv4Network(value)
    except ValueError:
        raise UsageError(f"{value!r} is neither an IPv4 address nor a network", hint=HINT) from None
    found = frozenset(node.address for node in spec.nodes if node.address in network)
    return _some(found, f"cluster {spec.name} has no node with the address {value}", _names(spec))


def _some(found: Addresses, otherwise: str, hint: str = "") -> Addresses:
    if not found:
        raise UsageError(otherwise, hint=hint or HINT)
    return found


def _names(spec: ClusterSpec) -> str:
    names = [f"{node.name or '?'} ({node.address})" for node in spec.nodes]
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"its nodes: {', '.join(names[:20])}{more}"
