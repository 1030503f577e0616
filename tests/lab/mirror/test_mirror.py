"""The mirror's parts that need no build, and, with the lab's marker, the mirror as it is made."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from kubeon import assets
from kubeon.bundle.image_builder import Entry, assemble, layer
from kubeon.bundle.images import StoredImage
from kubeon.bundle.store import Store
from kubeon.lb import updater_image
from kubeon.spec.material import Recipe
from tests.lab import cache, mirror
from tests.lab.mirror import (
    debian,
    fileserver,
    images,
    kubernetes,
    layout,
    official,
    origin,
    registry,
    releases,
    services,
    store,
)

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

    def test_crictl_goes_with_the_release(self) -> None:
        assert origin.versions("v1.34.2", {"runc": "9.9.9"}).items() >= {"crictl": "1.34.0", "runc": "9.9.9"}.items()


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
        assert [kubernetes.buildable(name) for name in ("v1.20.2", "v1.20.15")] == [True, True]
        assert [kubernetes.buildable(name) for name in ("v1.20.1", "v1.21.0", "v1.34.2")] == [False, False, False]


class Pushed:
    """A registry that takes everything."""

    def __init__(self) -> None:
        self.images: dict[str, images.Image] = {}

    def push(self, reference: str, image: images.Image) -> None:
        self.images[reference] = image


class TestOfficial:
    @pytest.fixture
    def pushed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
        """What is noted as pushed, by the names of the notes."""
        noted: dict[str, list[str]] = {}

        def note(name: str, push: Callable[[Pushed], list[str]], log: store.Log) -> list[str]:
            if name not in noted:
                noted[name] = push(self.registry)
            return noted[name]

        self.registry = Pushed()
        monkeypatch.setattr(assets, "updater", lambda: {"__main__.py": ""})
        monkeypatch.setattr(releases, "pushed", note)
        updater_image.image.cache_clear()
        yield noted
        updater_image.image.cache_clear()

    def test_stand_ins_have_the_official_names(
        self, pushed: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[tuple[str, ...]] = []

        def base(
            recipe: Recipe, architecture: str, store: Store, reference: str, labels: dict[str, str]
        ) -> StoredImage:
            made.append(recipe.packages)
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

        assert copied == [([recipe.base], "https://registry.test") for recipe in official.recipes()]
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


def test_where_it_cannot_be_built_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """On machines other than Debian 12 the same release comes from the Internet, with what Debian 12 has beside it."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(debian, "is_bookworm", lambda: False)
    monkeypatch.setattr(releases, "fetched", lambda *given: asked.append(given))
    monkeypatch.setattr(official, "fetched", lambda *given: asked.append(given))

    mirror.prepare(["v1.20.2"], log := lambda _: None)

    assert asked == [("v1.20.2", origin.INTERNET, None, None, log), (None, log)]
    assert origin.versions("v1.20.2") == {
        "containerd": "1.6.20",
        "runc": "1.1.5",
        "cni-plugins": "1.1.1",
        "crictl": "1.20.0",
    }


@pytest.fixture(scope="module")
def prepared() -> Path:
    mirror.prepare()
    return mirror.root()


@pytest.mark.lab
@pytest.mark.alone
class TestPrepared:
    def test_every_file_has_its_checksum(self, prepared: Path) -> None:
        for file in layout.files("v1.20.2", mirror.versions()).values():
            assert origin.expected((prepared / file.checksum).read_text(), file) == layout.sha256(prepared / file.path)

    def test_programs_say_their_release(self, prepared: Path) -> None:
        for name in kubernetes.PROGRAMS:
            path = prepared / layout.files("v1.20.2", mirror.versions())[name].path
            words = (
                ("version", "--client") if name == "kubectl" else ("version",) if name == "kubeadm" else ("--version",)
            )
            assert "v1.20.2" in store.run([path, *words])
        assert "1.20.0" in store.run([kubernetes.standins() / "crictl", "--version"])
        assert "3.4" in store.run([mirror.etcd_programs() / "etcdctl", "version"])

    def test_images_are_in_the_registry(self, prepared: Path) -> None:
        names = mirror.versions()["releases"]["v1.20.2"]["images"]
        assert {"k8s.gcr.io/kube-apiserver:v1.20.2", "docker.io/library/busybox:1.35"} <= set(names)
        with services.registry_for_pushing() as base:
            for name in names:
                assert registry.Registry(base).digest(name)

    def test_the_official_images_are_there_and_say_that_they_are_stand_ins(self, prepared: Path) -> None:
        for recipe in official.recipes():
            with services.registry_for_pushing() as base:
                blobs = registry.Registry(base).pull(recipe.base).blobs
            configuration = next(json.loads(blob) for blob in blobs.values() if blob.startswith(b"{"))
            assert official.LABEL in configuration["config"]["Labels"]

    def test_a_release_from_another_mirror(
        self, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        versions = mirror.versions()
        components = {name: versions[name] for name in ("containerd", "runc", "cni-plugins", "crictl")}
        debian_registry = debian.unpacked(debian.REGISTRY)
        with (
            services.registry_for_pushing() as upstream_registry,
            fileserver.serving(prepared, tmp_path / "none") as upstream,
            monkeypatch.context() as other,
        ):
            other.setenv("KUBEON_LAB_CACHE", str(tmp_path / "other"))
            (tmp_path / "other").mkdir()
            (tmp_path / "other" / debian_registry.name).symlink_to(debian_registry)
            mirror.prepare(["v1.20.2"], upstream=upstream, upstream_registry=upstream_registry, components=components)
            assert mirror.root() != prepared
            for file in layout.files("v1.20.2", components).values():
                assert (mirror.root() / file.path).read_bytes() == (prepared / file.path).read_bytes()
            with services.registry_for_pushing() as base:
                digests = [registry.Registry(url).digest("k8s.gcr.io/pause:3.2") for url in (base, upstream_registry)]
            assert digests[0] == digests[1]
            assert digests[0]
