"""The store against a file server that fails in every way we have seen."""

import errno
import gzip
import hashlib
import io
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.spec.material import FileArtifact, Install
from kubeon.spec.model import Sources
from kubeon.waiting import Clock

URL = "https://example.com/v1/program"
CONTENT = b"\x7fELF" + bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = httpx.Response(200, headers={"content-type": "text/html"}, text="<!DOCTYPE html><html>Log in</html>")

Answer = httpx.Response | Exception | Callable[[], httpx.Response]


class FakeClock(Clock):
    """Remembers how long it was slept; never sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Server(httpx.BaseTransport):
    """Answers by URL, several answers one after the other, the last again and again; anything unknown is 404."""

    def __init__(self, answers: dict[str, Answer | list[Answer]]) -> None:
        self.answers = {url: answer if isinstance(answer, list) else [answer] for url, answer in answers.items()}
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        with self._lock:
            self.asked[url] += 1
            answers = self.answers.get(url, [httpx.Response(404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        made = answer() if callable(answer) else answer
        if isinstance(made.stream, httpx.ByteStream):  # a response can be read once only
            return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))
        return made


class Breaking(httpx.SyncByteStream):
    """A body that ends in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield CONTENT[:100]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


def a_file(content: bytes) -> httpx.Response:
    return httpx.Response(200, content=content)


def an_artifact(url: str = URL, **fields: object) -> FileArtifact:
    known = {"checksum_url": f"{url}.sha256", "installs": (Install("", "/usr/local/bin/program"),), **fields}
    return FileArtifact("program", "v1", url, **known)  # type: ignore[arg-type]


def a_store(tmp_path: Path, server: Server, **sources: str) -> Store:
    return Store(tmp_path / "store", Sources.model_validate(sources), transport=server, clock=FakeClock())


def a_server(**more: Answer | list[Answer]) -> Server:
    return Server({URL: a_file(CONTENT), f"{URL}.sha256": httpx.Response(200, text=SHA256), **more})


def trusted(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "store/sha256").iterdir())


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    """Also by the next process; what lies in the store is private."""
    server = a_server()

    first = a_store(tmp_path, server).fetch(an_artifact())
    second = a_store(tmp_path, server).fetch(an_artifact())

    assert first == second
    assert (first.path.read_bytes(), first.sha256, first.size) == (CONTENT, SHA256, len(CONTENT))
    assert server.asked == {URL: 1, f"{URL}.sha256": 1}
    assert first.path.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in [tmp_path / "store", *(tmp_path / "store").iterdir()]} == {0o700}


def test_many_at_once_fetch_once(tmp_path: Path) -> None:
    """Threads, and stores that know nothing of each other as processes do not."""
    server = a_server()
    stores = [a_store(tmp_path, server) for _ in range(4)]

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda number: stores[number % 4].fetch(an_artifact()).sha256, range(32)))

    assert found == {SHA256}
    assert server.asked[URL] == 1


def test_a_mirror_has_the_original_url_as_its_path(tmp_path: Path) -> None:
    """The checksum file too."""
    base = "http://10.0.0.1:8081/files"
    server = Server(
        {
            f"{base}/example.com/v1/program": a_file(CONTENT),
            f"{base}/example.com/v1/program.sha256": httpx.Response(200, text=f"{SHA256}  program\n"),
        }
    )

    assert a_store(tmp_path, server, mirror=base).fetch(an_artifact()).sha256 == SHA256


def a_mirror(**more: Answer | list[Answer]) -> tuple[str, Server]:
    """One that has files and no checksums, as kubekey's."""
    base = "http://10.0.0.1:8081"
    return base, Server({f"{base}/example.com/v1/program": a_file(CONTENT), **more})


@pytest.mark.parametrize("refusal", [403, 404])
def test_what_a_mirror_has_no_checksum_of_is_checked_by_upstreams(tmp_path: Path, refusal: int) -> None:
    """The content still comes from the mirror."""
    base, server = a_mirror(**{f"{URL}.sha256": a_file(SHA256.encode())})
    server.answers[f"{base}/example.com/v1/program.sha256"] = [httpx.Response(refusal)]

    assert a_store(tmp_path, server, mirror=base).fetch(an_artifact()).sha256 == SHA256
    assert server.asked[URL] == 0


def test_what_upstreams_checksum_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A mirror that has no checksums is not trusted for that."""
    base, server = a_mirror(**{f"{URL}.sha256": a_file(b"0" * 64)})

    with pytest.raises(BundleError, match="is damaged or not the one asked for"):
        a_store(tmp_path, server, mirror=base).fetch(an_artifact())
    assert trusted(tmp_path) == []


def test_without_any_checksum_the_missing_file_is_named(tmp_path: Path) -> None:
    """With what to do; nothing is trusted unchecked, and where there is no way upstream it is tried once."""
    other = "https://example.com/v1/other"
    base, server = a_mirror(**{f"{URL}.sha256": httpx.ConnectError("no route")})
    server.answers[f"{base}/example.com/v1/other"] = [a_file(CONTENT)]
    store = a_store(tmp_path, server, mirror=base)

    with pytest.raises(
        BundleError, match=r"the mirror has no http://10\.0\.0\.1:8081/example.com/v1/program\.sha256"
    ) as one:
        store.fetch(an_artifact())
    assert "no route" in one.value.why
    assert "sha256sum program" in one.value.hint
    assert str(store.problem_of(an_artifact(other))).count(f"{other.rpartition('/')[2]}.sha256") == 1
    assert (server.asked[f"{URL}.sha256"], server.asked[f"{other}.sha256"]) == (1, 0)
    assert trusted(tmp_path) == []


def test_a_mirror_without_the_file_is_not_asked_for_its_checksum_elsewhere(tmp_path: Path) -> None:
    """The file is what is missing."""
    base, server = a_mirror()
    del server.answers[f"{base}/example.com/v1/program"]

    with pytest.raises(BundleError, match=r"cannot fetch http://10\.0\.0\.1:8081/example.com/v1/program: 404"):
        a_store(tmp_path, server, mirror=base).fetch(an_artifact())
    assert server.asked[f"{URL}.sha256"] == 0


@pytest.mark.parametrize(
    ("answers", "what", "why"),
    [
        ({URL: httpx.Response(404)}, URL, "404 Not Found"),
        ({URL: httpx.Response(403)}, URL, "403 Forbidden: it is forbidden, for instance by a proxy"),
        ({URL: PAGE}, f"{URL} is not the file", "a web page came instead"),
        ({URL: a_file(b"  <html><body>busy</body></html>")}, f"{URL} is not the file", "a web page came instead"),
        ({f"{URL}.sha256": PAGE}, f"{URL}.sha256 is not the file", "a web page came instead"),
        ({f"{URL}.sha256": httpx.Response(404)}, f"{URL}.sha256", "404 Not Found"),
        ({f"{URL}.sha256": a_file(b"not found\n")}, "is not a checksum file", "it begins with 'not found'"),
        ({f"{URL}.sha256": a_file(b"")}, "is not a checksum file", "it is empty"),
        ({URL: a_file(CONTENT[:-1])}, "is damaged or not the one asked for", f"expected {SHA256}"),
        ({URL: httpx.ConnectError("[Errno 111] Connection refused")}, URL, "no connection: [Errno 111]"),
        ({URL: httpx.ReadTimeout("timed out")}, URL, "nothing came for 60 s"),
        ({URL: httpx.ConnectTimeout("timed out")}, URL, "no connection within 15 s"),
        ({URL: httpx.Response(503)}, URL, "503 Service Unavailable"),
        ({URL: lambda: httpx.Response(200, stream=Breaking())}, URL, "the connection broke off"),
    ],
)
def test_a_failure_says_what_came_and_leaves_nothing(
    tmp_path: Path, answers: dict[str, Answer], what: str, why: str
) -> None:
    """The error names the URL and has a hint; the store holds nothing trusted and nothing half-written."""
    store = a_store(tmp_path, a_server(**answers))

    with pytest.raises(BundleError) as caught:
        store.fetch(an_artifact())

    assert what in caught.value.what
    assert why in caught.value.why
    assert caught.value.hint
    assert trusted(tmp_path) == []
    assert list((tmp_path / "store/partial").iterdir()) == []
    assert store.known(an_artifact()) is None


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.Response(502), lambda: httpx.Response(200, stream=Breaking())]
)
def test_what_may_pass_is_tried_again(tmp_path: Path, failure: Answer) -> None:
    """With longer and longer pauses."""
    server, clock = a_server(**{URL: [failure, failure, a_file(CONTENT)]}), FakeClock()
    store = Store(tmp_path / "store", transport=server, clock=clock)

    assert store.fetch(an_artifact()).sha256 == SHA256
    assert clock.slept == [1.0, 3.0]


def test_what_will_not_pass_is_not_tried_again(tmp_path: Path) -> None:
    """A missing file stays missing."""
    server = a_server(**{URL: httpx.Response(404)})

    with pytest.raises(BundleError):
        a_store(tmp_path, server).fetch(an_artifact())

    assert server.asked[URL] == 1


def test_a_run_that_was_killed_leaves_no_trusted_file(tmp_path: Path) -> None:
    """What it had written is written over."""
    store = a_store(tmp_path, a_server())
    with store.partial(URL) as partial:
        partial.write_bytes(CONTENT[:100])
        again = a_store(tmp_path, a_server()).fetch(an_artifact())

    assert again.path.read_bytes() == CONTENT


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the control machine, not of a host."""
    store = a_store(tmp_path, a_server())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(BundleError, match="control machine's disk is full"):
        store.fetch(an_artifact())
    assert trusted(tmp_path) == []


def test_the_checksum_of_one_file_among_several(tmp_path: Path) -> None:
    """As in runc.sha256sum."""
    lines = f"{'0' * 64}  other\n{SHA256} *program\n{'1' * 64}  program.asc\n"

    store = a_store(tmp_path, a_server(**{f"{URL}.sha256": a_file(lines.encode())}))

    assert store.fetch(an_artifact()).sha256 == SHA256


def test_checksums_of_other_files_only_are_no_checksum(tmp_path: Path) -> None:
    """Another file's hash must not be taken for ours."""
    store = a_store(tmp_path, a_server(**{f"{URL}.sha256": a_file(f"{SHA256}  other\n".encode())}))

    with pytest.raises(BundleError, match="has no checksum for program"):
        store.fetch(an_artifact())


def test_a_pinned_file_needs_no_checksum_file(tmp_path: Path) -> None:
    """And one that is in the store needs no server."""
    server = a_server()
    a_store(tmp_path, server).fetch(an_artifact(checksum_url="", sha256=SHA256))
    a_store(tmp_path, server).fetch(an_artifact("https://elsewhere.example/program", checksum_url="", sha256=SHA256))

    assert server.asked == {URL: 1}


def test_problems_are_found_without_fetching(tmp_path: Path) -> None:
    """Only the checksum file is read; the file's body is left."""
    server = a_server(**{"https://example.com/gone": httpx.Response(404)})
    store = a_store(tmp_path, server)

    gone = store.problem_of(an_artifact("https://example.com/gone", checksum_url="", sha256="0" * 64))

    assert store.problem_of(an_artifact()) is None
    assert gone is not None
    assert "404" in gone.why
    assert trusted(tmp_path) == []


def an_archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, (content, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def test_the_members_of_an_archive(tmp_path: Path) -> None:
    """Programs of the folder that the rule names, under their own names; no text, no deeper folder, nothing outside."""
    content = an_archive(
        {
            "./bridge": (b"bridge", 0o755),
            "./host-local": (b"ipam", 0o755),
            "./README.md": (b"text", 0o644),
            "./deep/x": (b"no", 0o755),
            "../../etc/passwd": (b"no", 0o755),
        }
    )
    url = "https://example.com/plugins.tgz"
    artifact = an_artifact(url, installs=(Install("", "/opt/cni/bin/"),), unpinned="a test", checksum_url="")
    store = a_store(tmp_path, a_server(**{url: a_file(content)}))

    members = store.members(artifact)

    assert {path: (member.source, member.mode) for path, member in members.items()} == {
        "/opt/cni/bin/bridge": ("bridge", 0o755),
        "/opt/cni/bin/host-local": ("host-local", 0o755),
    }
    assert members["/opt/cni/bin/bridge"].sha256 == hashlib.sha256(b"bridge").hexdigest()
    assert store.members(artifact) == members
    assert store.packed(artifact) == store.fetch(artifact).path


@pytest.mark.parametrize(
    ("content", "error"),
    [(an_archive({"other": (b"", 0o755)}), "is not the archive expected"), (CONTENT, "is not a gzipped tar")],
    ids=["without the program", "no archive"],
)
def test_an_archive_without_its_program_is_an_error(tmp_path: Path, content: bytes, error: str) -> None:
    """Found on the control machine, not on the hosts."""
    url = "https://example.com/crictl.tar.gz"
    artifact = an_artifact(
        url, installs=(Install("crictl", "/usr/local/bin/crictl"),), unpinned="a test", checksum_url=""
    )

    with pytest.raises(BundleError, match=error):
        a_store(tmp_path, a_server(**{url: a_file(content)})).members(artifact)


def test_a_program_is_packed_once_and_always_alike(tmp_path: Path) -> None:
    """So that two control machines send the same bytes."""
    store = a_store(tmp_path / "a", a_server())
    packed = store.packed(an_artifact())
    other = a_store(tmp_path / "b", a_server()).packed(an_artifact())
    made = packed.stat().st_mtime_ns

    assert gzip.decompress(packed.read_bytes()) == CONTENT
    assert packed.read_bytes() == other.read_bytes()
    assert store.packed(an_artifact()).stat().st_mtime_ns == made
