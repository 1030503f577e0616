"""The store: every artifact once, under its sha256, shared by all clusters of the control machine.

sha256/<hex>      content, trusted because it was hashed while it was written
index/<hash>      which content a URL (or image) has: JSON
packed/<hex>.gz   the same, packed for sending
partial/<hash>.<pid>.<n>   being written; never trusted
lock/<hash>       one writer at a time, among threads and processes (flock)
"""

import dataclasses
import errno
import fcntl
import gzip
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from kubeon.bundle.archives import Member, members_of
from kubeon.bundle.checksums import checksum_in
from kubeon.bundle.http import Http, expect_file, expect_no_page, unexpected_status
from kubeon.bundle.sources import file_url
from kubeon.errors import BundleError
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import Sources
from kubeon.waiting import SYSTEM_CLOCK, Clock

_CHUNK = 1 << 20
ROOM = 1024  # MiB; programs and images of a release take 600 to 900
_WRITERS = itertools.count()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """Content in the store. `size` in bytes."""

    path: Path
    sha256: str
    size: int


class Store:
    """Fetches what it lacks. One value may be used by several threads. `transport` and `clock` are for tests."""

    def __init__(
        self,
        root: Path,
        sources: Sources | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.root = root
        self.sources = sources or Sources()
        self.http = Http(transport=transport, clock=clock)
        self._no_way_upstream: BundleError | None = None
        with _disk_errors():
            for name in ("sha256", "index", "packed", "partial", "lock"):
                (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            root.chmod(0o700)
            self._clear_partials()

    def fetch(self, artifact: FileArtifact) -> StoredFile:
        """The artifact, fetched at most once. Raises BundleError, which names the URL and what came instead."""
        with self.locked(artifact.url):
            return self.known(artifact) or self._download(artifact)

    def known(self, artifact: FileArtifact) -> StoredFile | None:
        """The artifact if it is here already."""
        if artifact.sha256:
            return self.content(artifact.sha256)
        for url in dict.fromkeys((file_url(artifact.url, self.sources), artifact.url)):
            if stored := self.recall(url):
                return stored
        return None

    def problem_of(self, artifact: FileArtifact) -> BundleError | None:
        """What would keep `fetch` from working, asked cheaply: nothing large is fetched."""
        try:
            if self.known(artifact):
                return None
            if artifact.checksum_url:
                self._wanted_sha256(artifact)
            self._expect(artifact)
        except BundleError as error:
            return error
        return None

    def lacks_room(self) -> BundleError | None:
        """Too little space to fetch the material of a release?"""
        with _disk_errors():
            free = shutil.disk_usage(self.root).free >> 20
        if free >= ROOM:
            return None
        what = f"{self.root} on the control machine has {free} MiB free, {ROOM} are needed to fetch what is missing"
        return BundleError(what, hint="make room there, or set KUBEON_HOME to a folder on another disk")

    def members(self, artifact: FileArtifact) -> dict[str, Member]:
        """Every file that the artifact puts on a host, by path. Computed once, then read from the index."""
        stored = self.fetch(artifact)
        rules = [(each.member, each.path, each.mode) for each in artifact.installs]
        key = f"members {stored.sha256} {json.dumps(rules)}"
        with self.locked(key):
            found = self.read_index(key)
            if found is None:
                members = members_of(artifact, stored.path, Member(stored.sha256, 0, stored.size))
                found = {path: dataclasses.astuple(member) for path, member in members.items()}
                self.write_index(key, found)
        return {path: Member(*values) for path, values in found.items()}

    def packed(self, artifact: FileArtifact) -> Path:
        """What to send: an archive as it is, anything else gzipped (lightly, and always to the same bytes)."""
        stored = self.fetch(artifact)
        if artifact.is_archive:
            return stored.path
        packed = self.root / "packed" / f"{stored.sha256}.gz"
        with self.locked(f"packed {stored.sha256}"), _disk_errors():
            if not packed.exists():
                with stored.path.open("rb") as plain, self.partial(f"packed {stored.sha256}") as partial:
                    with (
                        partial.open("wb") as raw,
                        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as file,
                    ):
                        shutil.copyfileobj(plain, file, _CHUNK)
                    partial.replace(packed)
        return packed

    # for the parts of bundle/

    def content(self, sha256: str) -> StoredFile | None:
        """Content by its hash, if it is here."""
        path = self.root / "sha256" / sha256
        try:
            return StoredFile(path, sha256, path.stat().st_size)
        except FileNotFoundError:
            return None

    def recall(self, key: str) -> StoredFile | None:
        """The content that `remember` was told of."""
        entry = self.read_index(key)
        if entry is None:
            return None
        stored = self.content(str(entry.get("sha256", "")))
        return stored if stored and stored.size == entry.get("size") else None

    def remember(self, key: str, stored: StoredFile) -> None:
        """Note that a URL has this content."""
        self.write_index(key, {"sha256": stored.sha256, "size": stored.size})

    def keep(self, chunks: Iterable[bytes], *, name: str, expected: str = "", origin: str = "") -> StoredFile:
        """Write chunks into the store under their hash. The caller holds the lock of `name`.

        Raises BundleError when the hash is not the `expected` one; then nothing is kept.
        """
        digest, size = hashlib.sha256(), 0
        with _disk_errors(), self.partial(name) as partial:
            with partial.open("wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            found = digest.hexdigest()
            if expected and found != expected:
                raise BundleError(
                    f"{origin or name} is damaged or not the one asked for",
                    why=f"its sha256 is {found}, expected {expected} ({size} bytes came)",
                    hint="try again; if it stays so, the mirror or a proxy serves another file under this name",
                )
            path = self.root / "sha256" / found
            partial.replace(path)
        return StoredFile(path, found, size)

    def read_index(self, key: str) -> dict[str, Any] | None:
        """What was noted under a key."""
        try:
            entry = json.loads((self.root / "index" / _hash(key)).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None  # a damaged entry is as good as none
        return entry["value"] if isinstance(entry, dict) and entry.get("key") == key else None

    def write_index(self, key: str, value: object) -> None:
        """Note a value under a key, for `read_index`."""
        with _disk_errors(), self.partial(f"index {key}") as partial:
            partial.write_text(json.dumps({"key": key, "value": value}), encoding="utf-8")
            partial.replace(self.root / "index" / _hash(key))

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Alone with this key, among all threads and processes; flock belongs to the open file, so it serves both."""
        with _disk_errors(), (self.root / "lock" / _hash(key)).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def partial(self, key: str) -> Iterator[Path]:
        """A file to write to and then to rename; gone afterwards, and each writer has its own."""
        path = self.root / "partial" / f"{_hash(key)}.{os.getpid()}.{next(_WRITERS)}"
        path.touch(mode=0o600)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _clear_partials(self) -> None:
        """What killed processes left behind."""
        for path in (self.root / "partial").iterdir():
            pid = path.name.split(".")[1] if path.name.count(".") == 2 else ""
            if not (pid.isdigit() and _is_alive(int(pid))):
                path.unlink(missing_ok=True)

    def _expect(self, artifact: FileArtifact) -> None:
        url = file_url(artifact.url, self.sources)

        def answers() -> None:
            with self.http.stream(url) as response:
                expect_file(url, response)

        self.http.patiently(answers)

    def _wanted_sha256(self, artifact: FileArtifact) -> str:
        if artifact.sha256 or not artifact.checksum_url:
            return artifact.sha256
        url = file_url(artifact.checksum_url, self.sources)
        response = self.http.text(url)
        if response.status_code in (403, 404) and url != artifact.checksum_url:
            self._expect(artifact)  # where the mirror lacks the file itself, that is the thing to say
            url, response = artifact.checksum_url, self._upstreams_checksum(artifact, url)
        expect_file(url, response)
        expect_no_page(url, response.content)
        return checksum_in(response.text, artifact.file_name, url)

    def _upstreams_checksum(self, artifact: FileArtifact, missing: str) -> httpx.Response:
        """A mirror may lack checksum files (kubekey's does): upstream's own will do, and nothing goes unchecked.

        Where there is no way there it is not tried again for each file.
        """
        error = self._no_way_upstream
        if error is None:
            try:
                response = self.http.text(artifact.checksum_url, patient=False)
                if response.status_code == 200:
                    return response
                error = unexpected_status(artifact.checksum_url, response)
            except BundleError as passing:
                error = self._no_way_upstream = passing
        raise BundleError(
            f"the mirror has no {missing}",
            why=f"{artifact.file_name} cannot be checked without it, nor by upstream's own: {error.what}: {error.why}",
            hint=f"let `sha256sum {artifact.file_name}`, of a copy that you trust, write that file on the mirror; "
            "or let this machine reach upstream",
        )

    def _download(self, artifact: FileArtifact) -> StoredFile:
        expected = self._wanted_sha256(artifact)
        url = file_url(artifact.url, self.sources)
        if expected and (stored := self.content(expected)):  # the same file under another URL
            self.remember(url, stored)
            return stored

        def once() -> StoredFile:
            with self.http.stream(url) as response:
                expect_file(url, response)
                # some servers call the archive itself a gzip encoding of something else
                chunks = response.iter_raw(_CHUNK) if artifact.is_archive else response.iter_bytes(_CHUNK)
                return self.keep(_no_page(url, chunks), name=artifact.url, expected=expected, origin=url)

        stored = self.http.patiently(once)
        self.remember(url, stored)
        return stored


def _no_page(url: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for number, chunk in enumerate(chunks):
        if number == 0:
            expect_no_page(url, chunk[:200])
        yield chunk


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40]


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise BundleError(
                "the control machine's disk is full", why=str(error), hint="free room in ~/.kubeon/store"
            ) from None
        raise BundleError("the store cannot be used", why=str(error), hint="check the rights of ~/.kubeon") from error
