"""A snapshot of etcd, taken from a healthy member and brought to the control machine."""

import base64
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeon.bundle.store import Store
from kubeon.cluster.etcdutl import ensure_etcdutl
from kubeon.cri.base import Cri
from kubeon.engine.events import Reporter
from kubeon.errors import CommandError, HostError, KubeonError, OperationError
from kubeon.etcd.members import Etcd, Member, member_at
from kubeon.etcd.quorum import quorum_of
from kubeon.etcd.snapshots import (
    CLEAR,
    SNAPSHOT,
    Content,
    describe_script,
    parse_content,
    save_script,
    send_script,
)
from kubeon.etcd.status import MemberStatus
from kubeon.hosts.host import Host
from kubeon.pki.authorities import Authorities
from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.files import read_file, write_file
from kubeon.state.snapshots import Snapshot, Snapshots, check_place, write_snapshot
from kubeon.waiting import SYSTEM_CLOCK

SAVE_TIMEOUT = 1800  # seconds
_BEFORE = "before-upgrade"  # in the cluster's folder


def remember_before(state: ClusterState, old: str, new: str, path: Path) -> None:
    """Note that this snapshot was taken before the upgrade from `old` to `new`, for a run that goes on with that."""
    write_file(state.path / _BEFORE, f"{old} {new} {path.name}\n".encode())


def snapshot_before(state: ClusterState, old: str, new: str) -> Path | None:
    """The snapshot that `remember_before` has noted for this upgrade, where it is there still."""
    *what, name = (read_file(state.path / _BEFORE) or b"- - -").decode().split()
    path = snapshots_of(state).folder / name
    return path if what == [old, new] and path.exists() else None


def save_snapshot(
    spec: ClusterSpec,
    state: ClusterState,
    hosts: Sequence[Host],
    cri: Cri,
    reporter: Reporter,
    *,
    store: Store,
    path: Path | None = None,
    silent: Mapping[str, KubeonError] | None = None,
) -> Snapshot:
    """Take a snapshot of etcd and keep it at `path`, by default in the cluster's own folder of snapshots.

    `hosts` are control planes that bear the cluster's mark, `silent` those that could not be reached (address: why).
    Raises OperationError when etcd has no quorum.
    """
    if path:
        check_place(path)
    host, members, status = _source(hosts, cri, silent or {})
    etcd = Etcd(host, cri.inside_script)
    ensure_etcdutl(host, etcd.inside("etcdutl", "version"), status.version, store, reporter)
    reporter.note(f"taking a snapshot of {status.db_size / 1e6:.1f} MB", host=host.name)
    output = _change(host, save_script(etcd.etcdctl("snapshot", "save", SNAPSHOT)) + describe_script(etcd.inside))
    return fetch_snapshot(
        spec, state, host, parse_content(output), reporter, members=members, version=status.version, path=path
    )


def fetch_snapshot(
    spec: ClusterSpec,
    state: ClusterState,
    host: Host,
    content: Content,
    reporter: Reporter,
    *,
    members: Sequence[Member],
    version: str,
    path: Path | None = None,
) -> Snapshot:
    """Bring the snapshot that lies on a host to the control machine, whole or not at all, and clear it away there."""
    now = SYSTEM_CLOCK.now()
    with cleared(host):
        path = path or snapshots_of(state).new_path(f"{now:%Y%m%dT%H%M%SZ}", content.revision)
        about = Snapshot(
            cluster=spec.name,
            ca=Authorities.from_files(state.read_pki()).fingerprint,
            kubernetes=spec.version,
            etcd=version,
            revision=content.revision,
            hash=content.hash,
            keys=content.keys,
            size=content.size,
            sha256=content.sha256,
            member=host.name,
            members={member.title: member.peer_urls[0] for member in members},
            taken=now.isoformat(timespec="seconds"),
            path=path,
        )
        write_snapshot(path, _pieces(host, content.size, reporter), about)
    return about


def snapshots_of(state: ClusterState) -> Snapshots:
    """The folder of a cluster's snapshots on the control machine."""
    return Snapshots(state.path / "snapshots")


@contextmanager
def cleared(host: Host) -> Iterator[None]:
    """What was put on the host for a snapshot is gone afterwards, also after a failure."""
    try:
        yield
    finally:
        with suppress(KubeonError):  # the host is gone: the next snapshot there clears it
            host.change(CLEAR, what="clear the snapshot away")


def answering_etcd(hosts: Sequence[Host], cri: Cri, silent: Mapping[str, KubeonError]) -> tuple[Etcd, list[Member]]:
    """etcd as the first of these control planes sees it whose member answers, and all members.

    `silent` are control planes that could not be reached (address: why). Raises OperationError when none answers.
    """
    reasons = [str(error) for error in silent.values()]
    for host in hosts:
        etcd = Etcd(host, cri.inside_script)
        try:
            return etcd, etcd.members()
        except (OperationError, HostError) as error:
            reasons.append(f"{host.name}: {error.why or error.what}")
    raise OperationError(
        "etcd answers on no control plane",
        why="\n".join(reasons),
        hint="kubeon etcd status says how each member is",
    )


def _source(
    hosts: Sequence[Host], cri: Cri, silent: Mapping[str, KubeonError]
) -> tuple[Host, list[Member], MemberStatus]:
    """Where to take a snapshot: a follower that is healthy, since the leader has enough to do; else the leader.

    A member counts as healthy when it answered a linearizable read just now, so it has all that was written before.
    """
    etcd, members = answering_etcd(hosts, cri, silent)
    quorum = quorum_of(members)
    healthy = [host for host in hosts if (member := member_at(members, host.address)) and member.healthy]
    if quorum.tolerates < 0 or not healthy:
        raise OperationError(
            "no member of etcd is healthy, so its latest revision cannot be determined",
            why=str(quorum),
            hint="kubeon etcd snapshot restore NAME --from-member NODE saves what a single member has",
        )
    found: list[tuple[bool, Host, MemberStatus]] = []
    for host in healthy:
        try:
            status = Etcd(host, cri.inside_script).own_status()
        except (CommandError, OperationError):
            continue
        if not status.learner:
            found.append((status.leader == status.id, host, status))
    if not found:
        raise OperationError("no healthy member of etcd can be asked", why=str(quorum), host=etcd.host.name)
    _, host, status = min(found, key=lambda each: each[0])
    return host, members, status


def _change(host: Host, script: str) -> str:
    return host.change(script, timeout=SAVE_TIMEOUT, what="take a snapshot")


def _pieces(host: Host, size: int, reporter: Reporter) -> Iterator[bytes]:
    number = got = 0
    while got < size:
        text = host.ask(send_script(number), timeout=300, what="fetch the snapshot", wait=False)
        try:
            piece = gzip.decompress(base64.b64decode(text))
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise OperationError("a piece of the snapshot came damaged", why=str(error), host=host.name) from error
        if not piece:
            return  # shorter than it was said to be: its checksum will tell
        number, got = number + 1, got + len(piece)
        yield piece
        reporter.note(f"{got / 1e6:.0f} of {size / 1e6:.0f} MB fetched", host=host.name)
