"""The record of one cluster, ~/.kubeon/clusters/<name>/. Private, for it holds keys; losing it loses no cluster."""

import base64
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from kubeon.errors import SpecError, StateError
from kubeon.spec.loading import build_spec, dump_spec, load_file
from kubeon.spec.model import ClusterSpec
from kubeon.state.files import explained, make_folder, read_file, write_file
from kubeon.state.journal import Journal
from kubeon.state.lock import Holder, hold, holder
from kubeon.state.root import Root
from kubeon.state.rotation import RotationRecord

_PKI_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class ClusterState:
    """What the control machine knows of a cluster. Nothing is created before something is written."""

    def __init__(self, root: Root, name: str) -> None:
        self._root = root
        self.name = name
        self.path = root.path / "clusters" / name
        self.admin_conf = self.path / "admin.conf"
        self.known_hosts = self.path / "known_hosts"
        self.key = self.path / "id_ed25519"  # the cluster's own login key; its public half is id_ed25519.pub
        self.journal = Journal(self.path / "journal.jsonl")
        self.rotation = RotationRecord(self.path / "rotation")

    @property
    def store(self) -> Path:
        """The artifacts shared by all clusters."""
        return self._root.store

    @property
    def exists(self) -> bool:
        """Is there a committed description? One that was only proposed is a create that has not ended well yet."""
        return self._spec_path.exists()

    def ensure(self) -> None:
        """Create the folder (0700)."""
        self._root.ensure()
        make_folder(self.path)

    @contextmanager
    def lock(self, operation: str, now: datetime) -> Iterator[None]:
        """Be the only one at work on this cluster. Raises StateError saying who is, since when and doing what."""
        self.ensure()
        with hold(self.path / "lock", operation, now):
            yield

    @property
    def holder(self) -> Holder | None:
        """Who is at work on this cluster now."""
        return holder(self.path / "lock")

    @contextmanager
    def running(self, run: str, operation: str, now: datetime) -> Iterator[None]:
        """An operation that does not lock the cluster is under way, and `runner` says whose, for as long as it is."""
        path = self._running_path(run)
        with hold(path, operation, now):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)

    def runner(self, run: str) -> Holder | None:
        """Who is at work on a run that does not lock the cluster."""
        return holder(self._running_path(run)) if run else None

    def _running_path(self, run: str) -> Path:
        return self.path / "running" / run

    @property
    def renaming(self) -> tuple[str, str] | None:
        """(old, new) of a renaming that is not finished."""
        words = (read_file(self._renaming_path) or b"").decode(errors="replace").split()
        return (words[0], words[1]) if len(words) == 2 else None

    def write_renaming(self, names: tuple[str, str] | None) -> None:
        """Remember a renaming that begins; None: it is over."""
        if names:
            self._write(self._renaming_path, f"{' '.join(names)}\n".encode())
        else:
            with explained(self._renaming_path):
                self._renaming_path.unlink(missing_ok=True)

    def check_known_hosts(self) -> None:
        """Raise StateError naming the first line that holds no host key; a full disk may leave half a line."""
        content = read_file(self.known_hosts) or b""
        for number, line in enumerate(content.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith(b"#"):
                continue
            try:
                line.decode()
                base64.b64decode(words[2], validate=True)
            except (IndexError, ValueError):
                what = f"{self.known_hosts} is damaged: line {number} is not a host key"
                hint = f"remove that line; the key is learnt again, so compare it: ssh-keyscan {_shown(words[0])}"
                raise StateError(what, hint=hint) from None

    def read_spec(self) -> ClusterSpec | None:
        """The description that the cluster was last brought to; None before the first success."""
        return self._read(self._spec_path)

    def read_proposed(self) -> ClusterSpec | None:
        """The description of an operation that has not been committed."""
        return self._read(self._proposed_path)

    def read_known(self) -> ClusterSpec | None:
        """The committed description, and with it the nodes of an operation that has not ended well."""
        stored, proposed = self.read_spec(), self.read_proposed()
        if stored is None or proposed is None:
            return stored or proposed
        return stored.with_nodes_of(proposed)

    def write_proposed(self, spec: ClusterSpec) -> None:
        """Remember what an operation is about to bring the cluster to."""
        self._write(self._proposed_path, dump_spec(spec).encode())

    def write_spec(self, spec: ClusterSpec) -> None:
        """Commit: this is what the cluster is now. The proposal has served."""
        self._write(self._spec_path, dump_spec(spec).encode())
        with explained(self._proposed_path):
            self._proposed_path.unlink(missing_ok=True)

    def read_pki(self) -> dict[str, bytes]:
        """Certificates and keys by the name they have below /etc/kubernetes/pki ("etcd/ca.crt"); empty when none."""
        folder = self.path / "pki"
        with explained(folder):
            paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {path.relative_to(folder).as_posix(): read_file(path) or b"" for path in paths}

    def write_pki(self, files: Mapping[str, bytes]) -> None:
        """Store certificates and keys; those not named stay as they are.

        The first time all of them appear at once: half a PKI would be of no use and look like damage.
        """
        for name in files:
            if not _PKI_NAME.fullmatch(name):
                msg = f"{name!r} is not the relative name of a certificate or key"
                raise ValueError(msg)
        folder = self.path / "pki"
        self.ensure()
        with explained(folder):
            target = folder if folder.exists() else self.path / ".pki-new"
            if target != folder and target.exists():  # an earlier run was cut
                shutil.rmtree(target)
            for name, content in files.items():
                write_file(target / name, content)
            if target != folder:
                target.rename(folder)

    def replace_pki(self, files: Mapping[str, bytes]) -> None:
        """Store another PKI in place of the one there is, all of it at once."""
        folder, new, old = self.path / "pki", self.path / ".pki-new", self.path / ".pki-old"
        with explained(folder):
            for left in (new, old):  # an earlier run was cut
                shutil.rmtree(left, ignore_errors=True)
        for name, content in files.items():
            write_file(new / name, content)
        with explained(folder):
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            shutil.rmtree(old, ignore_errors=True)

    def write_key(self, private: bytes, public: str) -> None:
        """Store the cluster's own login key, the public half first: with the private one there, both are."""
        self._write(self.key.with_suffix(".pub"), f"{public}\n".encode())
        self._write(self.key, private)

    def read_admin_conf(self) -> str | None:
        """The administrator's kubeconfig; None before the cluster has one."""
        content = read_file(self.admin_conf)
        return None if content is None else content.decode()

    def write_admin_conf(self, text: str) -> None:
        """Store the administrator's kubeconfig."""
        self._write(self.admin_conf, text.encode())

    def new_log(self, operation: str, now: datetime) -> Path:
        """An empty log file for one operation: logs/20260131T120000Z-create.log."""
        self.ensure()
        path = self.path / "logs" / f"{now:%Y%m%dT%H%M%SZ}-{operation}.log"
        number = 1
        while path.exists():
            number += 1
            path = path.with_name(f"{now:%Y%m%dT%H%M%SZ}-{operation}-{number}.log")
        write_file(path, b"")
        return path

    def logs(self) -> list[Path]:
        """All log files, oldest first."""
        return sorted((self.path / "logs").glob("*.log"))

    def keep_snapshots(self) -> Path | None:
        """Put etcd's snapshots out of the record that is about to go: nobody forgets a cluster to lose its data.

        Where they are then; None when there are none.
        """
        folder = self.path / "snapshots"
        with explained(folder):
            if not folder.is_dir() or not any(folder.iterdir()):
                return None
            target, number = self._root.path / "forgotten" / f"{self.name}-snapshots", 1
            while target.exists():
                number += 1
                target = target.with_name(f"{self.name}-snapshots-{number}")
            make_folder(target.parent)
            folder.rename(target)
            return target

    def remove(self) -> None:
        """Forget the cluster, with its keys; whole or not at all, so that a cut run leaves no half record."""
        with explained(self.path):
            doomed = self.path.with_name(f".removed-{self.name}")
            if doomed.exists():  # an earlier removal was cut
                shutil.rmtree(doomed)
            if self.path.exists():
                self.path.rename(doomed)
                shutil.rmtree(doomed)
        if self._root.chosen == self.name:
            self._root.choose("")

    @property
    def _spec_path(self) -> Path:
        return self.path / "cluster.yaml"

    @property
    def _proposed_path(self) -> Path:
        return self.path / "proposed.yaml"

    @property
    def _renaming_path(self) -> Path:
        return self.path / "renaming"

    def _write(self, path: Path, content: bytes) -> None:
        self.ensure()
        write_file(path, content)

    def _read(self, path: Path) -> ClusterSpec | None:
        content = read_file(path)
        if content is None:
            return None
        hint = "fix it, or move it aside: `kubeon create` with the cluster's whole description writes it anew"
        try:
            spec = build_spec(load_file(content.decode(), str(path)))
        except (SpecError, UnicodeDecodeError) as error:
            why = error.why if isinstance(error, SpecError) else "it is not text"
            raise StateError(f"{path} is damaged", why=why, hint=hint) from error
        if spec.name != self.name:
            raise StateError(f"{path} describes another cluster", why=f"its name is {spec.name}", hint=hint)
        return spec


def _shown(word: bytes) -> str:
    return word.decode(errors="replace").strip("[]").partition("]")[0]
