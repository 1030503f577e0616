"""`certs show`: every certificate and kubeconfig of a cluster, on every node and on this machine."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from kubeon import quick_yaml
from kubeon.cluster.certificates import Certificates, look_at_certificates
from kubeon.cluster.membership import split_marked
from kubeon.cluster.options import Options
from kubeon.errors import KubeonError, StateError
from kubeon.hosts.fleet import on_all
from kubeon.operations.base import visited
from kubeon.pki import kubeconfigs
from kubeon.pki.authorities import Authorities
from kubeon.pki.inspect import BEGIN, CertificateInfo, describe, signer, split
from kubeon.pki.issuing import name_of
from kubeon.pki.leaves import KUBELET_CLIENT_LINK, KUBERNETES, PKI
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK

HERE = "this machine"
UNKNOWN = "unknown"
_FILES = {f"{PKI}/ca.crt": "ca", f"{PKI}/etcd/ca.crt": "etcd-ca", f"{PKI}/front-proxy-ca.crt": "front-proxy-ca"}


@dataclass(frozen=True)
class Shown:
    """One certificate in one file on one node. `info` is None for the service-account key, and for what is damaged."""

    node: str
    name: str  # kubeadm's: apiserver, etcd-peer, admin.conf ..., kubelet-client, kubelet-serving, ca ...
    file: str
    kind: str  # certificate, kubeconfig (the client certificate in it), authority, key
    info: CertificateInfo | None = None
    authority: str = ""  # which CA signed it: ca, etcd-ca, front-proxy-ca; "unknown"
    served: bool | None = None  # is it what the port serves? None: nothing serves it, or it could not be asked
    damage: str = ""  # why it cannot be read

    def problem(self, now: datetime, warn_days: int) -> str:
        """What is wrong with it; "" when nothing is."""
        if self.damage or self.info is None:
            return self.damage
        if self.info.not_after <= now:
            return "expired"
        if self.info.days_left(now) < warn_days:
            return "expires soon"
        if self.authority == UNKNOWN:
            return "from a CA that is not this cluster's"
        return "another one is served: restart it" if self.served is False else ""


@dataclass(frozen=True)
class Inspection:
    """All of them, and the nodes that could not be asked, with the reason."""

    cluster: str
    rows: tuple[Shown, ...]
    missed: Mapping[str, str]
    now: datetime
    warn_days: int

    @property
    def problems(self) -> tuple[tuple[Shown, str], ...]:
        """Those that somebody has to look after."""
        found = ((row, row.problem(self.now, self.warn_days)) for row in self.rows)
        return tuple((row, problem) for row, problem in found if problem)

    @property
    def ok(self) -> bool:
        """Is nothing wrong, and was everybody asked?"""
        return not self.missed and not self.problems


def inspect(name: str, options: Options, home: Home, *, warn_days: int) -> Inspection:
    """Look at all nodes, without a lock; `options.kubeconfig` is the user's, looked at too."""
    with visited(name, options, home) as (spec, state, seen):
        names = {str(node.address): node.name or str(node.address) for node in spec.nodes}
        missed = {names[address]: _reason(error) for address, error in seen.unreachable.items()}
        hosts, strangers = split_marked(seen.hosts, state)
        missed |= {finding.host: finding.what for finding in strangers}
        known = _authorities(state)
        found = on_all(hosts, look_at_certificates, parallel=options.parallel)
    rows: list[Shown] = []
    for host, answer in found.items():
        if isinstance(answer, KubeonError):
            missed[host.name] = _reason(answer)
        else:
            rows += _of_node(host.name, answer, known)
    rows += _here(state, known, options.kubeconfig)
    return Inspection(name, tuple(rows), missed, SYSTEM_CLOCK.now(), warn_days)


def _reason(error: KubeonError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


def _authorities(state: ClusterState) -> list[Authorities]:
    """The cluster's, and while they are rotated the others too."""
    rotation = state.rotation.read()
    files = [state.read_pki(), *((rotation.old, rotation.new) if rotation else ())]
    return [Authorities.from_files(each) for each in files if each]


def _of_node(node: str, found: Certificates, known: Sequence[Authorities]) -> Iterator[Shown]:
    current = found.current
    for file, content in found.files.items():
        yield from _or_damage(node, _name(file), file, _of_file(node, file, content, known, current.get(file)))


def _or_damage(node: str, name: str, file: str, rows: Iterator[Shown]) -> Iterator[Shown]:
    """What a file holds, as far as it can be read."""
    try:
        yield from rows
    except StateError as error:
        yield Shown(node, name, file, "damaged", damage=str(error))


def _of_file(
    node: str, file: str, content: bytes, known: Sequence[Authorities], served: bool | None = None
) -> Iterator[Shown]:
    if file == f"{PKI}/sa.pub":
        yield Shown(node, "sa", file, "key", None)
    elif file.endswith(".conf"):
        yield from _of_kubeconfig(node, _name(file), file, content, known)
    elif BEGIN not in content:
        raise StateError(f"{file} holds no certificate")
    elif file in _FILES or file.endswith("/ca.crt") or "ca" in _name(file).split("-"):
        for pem in split(content, file):
            yield Shown(node, _FILES.get(file, _name(file)), file, "authority", describe(pem), _signer(pem, known))
    else:
        info = describe(content, file)
        yield Shown(node, _name(file), file, "certificate", info, _signer(content, known), served)


def _of_kubeconfig(node: str, name: str, file: str, content: bytes, known: Sequence[Authorities]) -> Iterator[Shown]:
    kubeconfig = kubeconfigs.parse(content, file)
    if kubeconfig.certificate:
        info, by = describe(kubeconfig.certificate, file), _signer(kubeconfig.certificate, known)
        yield Shown(node, name, file, "kubeconfig", info, by)
    for pem in split(kubeconfig.authority, file):
        yield Shown(node, "ca", file, "authority", describe(pem, file), _signer(pem, known))


def _here(state: ClusterState, known: Sequence[Authorities], kubeconfig: Path | None) -> Iterator[Shown]:
    for path, content in state.read_pki().items():
        if path.endswith(".crt"):
            for row in _of_file(HERE, f"{PKI}/{path}", content, known):
                yield Shown(HERE, row.name, str(state.path / "pki" / path), row.kind, row.info, row.authority)
    if admin := state.read_admin_conf():
        file = str(state.admin_conf)
        yield from _or_damage(HERE, "admin.conf", file, _of_kubeconfig(HERE, "admin.conf", file, admin.encode(), known))
    if kubeconfig is not None and (text := _context(kubeconfig, state.name)):
        name, file = "your kubeconfig", str(kubeconfig)
        yield from _or_damage(HERE, name, file, _of_kubeconfig(HERE, name, file, text, known))


def _context(path: Path, cluster: str) -> bytes:
    """A kubeconfig as if the cluster's context were the current one; empty where there is none."""
    try:
        document = quick_yaml.load(path.read_text(encoding="utf-8"))
        if any(context["name"] == cluster for context in document["contexts"]):
            return quick_yaml.dump(document | {"current-context": cluster}).encode()
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError):
        pass
    return b""


def _signer(pem: bytes, known: Sequence[Authorities]) -> str:
    return next((label for authorities in known if (label := signer(pem, authorities))), UNKNOWN)


def _name(file: str) -> str:
    """As kubeadm calls it."""
    if file == KUBELET_CLIENT_LINK or name_of(file) != file:
        return name_of(file)
    return file.removeprefix(f"{PKI}/").removeprefix(f"{KUBERNETES}/").removesuffix(".crt")
