"""The first half of every operation, which changes nothing: log in, gather facts, run the preflight checks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from kubeon.bundle.catalogue import ARCHITECTURES, Material, all_files, material
from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.distros import ALL_COMMANDS, ALL_PACKAGES, Family, family_of
from kubeon.errors import BundleError, KubeonError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.gather import facts_script, parse_facts
from kubeon.hosts.host import Host
from kubeon.spec.model import ClusterSpec, NodeSpec
from kubeon.state.cluster import ClusterState
from kubeon.transport.login import Target
from kubeon.transport.secrets import Secrets
from kubeon.transport.ssh import SSH
from kubeon.waiting import SYSTEM_CLOCK

FACTS_TIMEOUT = 60  # seconds


@dataclass
class Seen:
    """What was found: hosts that answered, and by address why the others did not."""

    hosts: tuple[Host, ...]
    unreachable: dict[str, KubeonError]

    def close(self) -> None:
        """End all connections."""
        for host in self.hosts:
            host.transport.close()


def target_of(spec: ClusterSpec, node: NodeSpec, state: ClusterState, secrets: Secrets) -> Target:
    """How to log in to a node: its own settings before those of all."""
    own, every = node.ssh, spec.ssh
    key = own.key or every.key
    return Target(
        address=str(node.address),
        known_hosts=state.known_hosts,
        user=own.user or every.user,
        port=own.port or every.port,
        own_key=state.key,
        key=Path(key).expanduser() if key else None,
        jump=own.jump or every.jump,
        strict_host_keys=every.strict_host_keys,
        connect_timeout=every.connect_timeout,
        secrets=secrets,
        name=node.name or str(node.address),
    )


def look(
    spec: ClusterSpec,
    state: ClusterState,
    secrets: Secrets,
    *,
    parallel: int,
    nodes: Sequence[NodeSpec] = (),
    impatient: Collection[IPv4Address] = (),
    on_wait: Callable[[str, str], None] = lambda text, host: None,
    make: Callable[[Target], SSH] = SSH,
) -> Seen:
    """Log in to the hosts of `nodes` (default: all) and gather facts, one round trip each, all at once.

    Those at the addresses in `impatient` are given up after 3 seconds: somebody said that they are dead. `on_wait` is
    told for what a script waits on a host, now and later.
    """
    state.check_known_hosts()
    script = facts_script(ALL_COMMANDS, ALL_PACKAGES)

    def visit(node: NodeSpec) -> Host:
        target = target_of(spec, node, state, secrets)
        if node.address in impatient:
            target = replace(target, connect_timeout=min(target.connect_timeout, 3.0))
        transport = make(target)
        host = Host(node, node.name or str(node.address), transport)
        host.on_wait = lambda text: on_wait(text, host.name)
        try:
            transport.open()
            answer = host.ask(script, timeout=FACTS_TIMEOUT, what="gather facts")
        except KubeonError:
            transport.close()
            raise
        host.facts = parse_facts(answer, SYSTEM_CLOCK.now())
        host.used_password = transport.used_password
        host.name = node.name or host.facts.hostname.lower()  # as the kubelet does
        return host

    asked = dict(enumerate(nodes or spec.nodes))
    answers = on_all(asked, lambda index: visit(asked[index]), parallel=parallel)
    hosts = tuple(answer for answer in answers.values() if isinstance(answer, Host))
    failed = {index: answer for index, answer in answers.items() if isinstance(answer, KubeonError)}
    return Seen(hosts, {str(asked[index].address): error for index, error in failed.items()})


def family_of_host(host: Host) -> Family | None:
    """Its OS family; None for an OS that kubeon does not know."""
    facts = host.facts
    return family_of(facts.os_id, facts.os_like, facts.commands)


def missing_material(spec: ClusterSpec, hosts: Sequence[Host], store: Store, registry: Registry) -> list[KubeonError]:
    """What these hosts would need and cannot be had."""
    architectures = {host.facts.architecture for host in hosts}
    wanted = sorted(architectures & set(ARCHITECTURES))
    files = {artifact: None for each in wanted for artifact in all_files(spec, each)}
    problems: list[KubeonError] = [error for error in on_all(files, store.problem_of, parallel=8).values() if error]
    if any(store.known(artifact) is None for artifact in files) and (full := store.lacks_room()):
        problems.append(full)
    if problems:
        return problems
    try:
        images = [(image, each) for each in wanted for image in material(spec, each, store).images]
    except BundleError as error:
        return [error]
    found = on_all(images, lambda pair: registry.problem_of(*pair), parallel=8)
    return [error for error in found.values() if error]


def materials_of(spec: ClusterSpec, hosts: Sequence[Host], store: Store) -> Mapping[str, Material]:
    """The material for every architecture among the hosts."""
    return {each: material(spec, each, store) for each in sorted({host.facts.architecture for host in hosts})}
