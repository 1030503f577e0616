"""Images that kubeon makes: on a base from a registry, or on one of Debian packages."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import httpx
import pytest

from kubeon.bundle import debian_base, registry
from kubeon.bundle.image_builder import Entry, assemble, layer
from kubeon.bundle.images import StoredImage
from kubeon.bundle.registry import Registry
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb.haproxy import image
from kubeon.spec.material import ImageArtifact, Recipe, RecipeFile
from tests.bundle.test_registry import DOCKER, OCI, Image, descriptor, digest
from tests.bundle.test_store import Server, a_store

V2 = "https://registry-1.docker.io/v2"
pytestmark = pytest.mark.slow

RECIPE = Recipe(
    base="docker.io/library/base:1-alpine",
    files=(RecipeFile("/usr/local/bin/run", "#!/bin/sh\n", 0o755), RecipeFile("/etc/settings", "a\n")),
    entrypoint=("/usr/local/bin/run",),
    user="99:99",
    packages=("haproxy", "busybox-static"),
)
BUILT = ImageArtifact("localhost/built:1", recipe=RECIPE)


class Base(Image):
    """A base as registries have them: the configuration names its layers."""

    def __init__(self, media_type: str = DOCKER) -> None:
        super().__init__("amd64", gzip.compress(b"tar", mtime=0), media_type=media_type)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-07-03T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["haproxy"], "StopSignal": "SIGUSR1", "User": "haproxy"},
            "rootfs": {"type": "layers", "diff_ids": [digest(b"tar")]},
            "history": [{"created_by": "RUN"}],
        }
        self.config = json.dumps(config).encode()
        document = json.loads(self.manifest) | {"config": descriptor(self.config)}
        self.manifest = json.dumps(document).encode()


def served(base: Image) -> Server:
    return Server(base.answers("library/base", "1-alpine", base=V2))


def config_of(built: StoredImage) -> tuple[dict[str, object], dict[str, object], bytes]:
    """Manifest, configuration, and the last layer, all digests checked."""
    blobs = {f"sha256:{blob.sha256}": blob.path.read_bytes() for blob in built.blobs}
    assert all(digest(content) == name for name, content in blobs.items())
    manifest = json.loads(built.manifest.path.read_bytes())
    config = json.loads(blobs[manifest["config"]["digest"]])
    last = gzip.decompress(blobs[manifest["layers"][-1]["digest"]])
    assert config["rootfs"]["diff_ids"][-1] == digest(last)
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"]) == len(manifest["layers"])
    return manifest, config, last


@pytest.mark.parametrize("media_type", [DOCKER, OCI])
def test_one_layer_on_a_base(media_type: str, tmp_path: Path) -> None:
    """Of the base's kind, with its settings but those about its own program; the same bytes in another store."""
    server = served(Base(media_type))
    client = Registry(a_store(tmp_path / "a", server))

    assert client.problem_of(BUILT, "amd64") is None
    built = client.fetch(BUILT, "amd64")
    asked = server.asked.total()
    manifest, config, last = config_of(built)

    assert built == client.fetch(BUILT, "amd64")
    assert server.asked.total() == asked
    assert built.digest == Registry(a_store(tmp_path / "b", served(Base(media_type)))).fetch(BUILT, "amd64").digest
    assert (built.reference, built.media_type) == ("localhost/built:1", media_type)
    assert manifest["mediaType"] == media_type
    assert config["config"] == {
        "Env": ["PATH=/bin"],
        "Entrypoint": ["/usr/local/bin/run"],
        "User": "99:99",
        "WorkingDir": "/",
    }
    with tarfile.open(fileobj=io.BytesIO(last)) as archive:
        files = {info.name: oct(info.mode) for info in archive if info.isfile()}
    assert files == {"etc/settings": "0o644", "usr/local/bin/run": "0o755"}


def test_a_layer_has_nothing_of_this_machine() -> None:
    """Sorted, of root, without times, folders first."""
    entries = {"/b/c": Entry(b"x", 0o755), "a": Entry(link="b/c")}
    content = layer(entries)

    assert content == layer(dict(reversed(entries.items())))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = [(info.name, info.mode, info.uid, info.mtime, info.linkname) for info in archive]
    assert found == [("a", 0o777, 0, 0, "b/c"), ("b", 0o755, 0, 0, ""), ("b/c", 0o755, 0, 0, "")]


def test_a_base_that_cannot_be_built_on_is_an_error(tmp_path: Path) -> None:
    """One whose configuration does not name its layers."""
    client = Registry(a_store(tmp_path, served(Image("amd64", b"layer"))))

    with pytest.raises(BundleError, match="cannot be built on"):
        client.fetch(BUILT, "amd64")


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.ConnectError("no route to host")])
def test_when_both_ways_fail_both_are_named(
    answer: httpx.Response | Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry's answer, and what apt lacks; the cheap check says the same."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    client = Registry(a_store(tmp_path, Server({f"{V2}/library/base/manifests/1-alpine": answer})))

    with pytest.raises(BundleError, match=r"neither image docker\.io/library/base:1-alpine nor Debian") as caught:
        client.fetch(BUILT, "amd64")

    assert "apt-get and dpkg-deb is not on this machine" in caught.value.why
    assert "registry-1.docker.io" in caught.value.why
    assert str(client.problem_of(BUILT, "amd64")) == str(caught.value)


def test_another_architecture_cannot_be_made_here(tmp_path: Path) -> None:
    """apt has packages of this machine's kind."""
    assert debian_base.lacking("s390x").endswith("not s390x")
    assert Registry(a_store(tmp_path, Server({}))).problem_of(BUILT, "s390x") is not None


def test_a_base_of_packages_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And then is the base, without asking the registry or apt again."""
    made: list[str] = []

    def fake(recipe: Recipe, architecture: str, store: Store, reference: str) -> StoredImage:
        made.append(reference)
        config = {"architecture": architecture, "os": "linux", "config": {}}
        return assemble(store, reference, architecture, layer({"bin/sh": Entry(b"sh")}), config)

    monkeypatch.setattr(debian_base, "base_image", fake)
    monkeypatch.setattr(debian_base, "lacking", lambda _: "")
    monkeypatch.setattr(registry, "lacking", lambda _: "")
    server = Server({})
    client = Registry(a_store(tmp_path, server))

    assert client.problem_of(BUILT, "amd64") is None
    built = client.fetch(BUILT, "amd64")
    asked = server.asked.total()

    assert built == client.fetch(BUILT, "amd64")
    assert len(config_of(built)[0]["layers"]) == 2  # type: ignore[arg-type]
    assert client.problem_of(BUILT, "amd64") is None
    assert (server.asked.total(), made) == (asked, ["localhost/debian-base:haproxy-busybox-static"])


needs_apt = pytest.mark.skipif(bool(debian_base.lacking("amd64")), reason="apt-get of an amd64 machine")


@needs_apt
def test_debian_packages_make_the_same_base_each_time(tmp_path: Path) -> None:
    """With haproxy, a shell and the user, without what only scripts of packages need; nothing of it is installed."""
    recipe = image().recipe
    assert recipe
    try:
        one, two = (
            debian_base.base_image(recipe, "amd64", a_store(tmp_path / name, Server({})), "localhost/base:1")
            for name in ("a", "b")
        )
    except BundleError as error:
        pytest.skip(f"Debian's archive is out of reach: {error}")

    assert one.digest == two.digest
    with tarfile.open(fileobj=io.BytesIO(config_of(one)[2])) as archive:
        names = archive.getnames()
        passwd = archive.extractfile("etc/passwd")
        assert passwd
        assert b"haproxy:x:99:99:" in passwd.read()
        assert archive.getmember("usr/bin/sh").linkname == "busybox"
        assert archive.getmember("usr/sbin/haproxy").mode == 0o755
    assert any(name.endswith("/libssl.so.3") for name in names)
    assert not [name for name in names if "perl" in name or name.startswith("usr/share")]


def test_another_recipe_is_another_image() -> None:
    """The name is a hash over all that goes in."""
    recipe = image().recipe
    assert recipe

    assert image().reference == f"localhost/local-haproxy:{recipe.key}"
    assert len(recipe.key) == 12
    assert RECIPE.key != Recipe(RECIPE.base, RECIPE.files[:1], RECIPE.entrypoint, RECIPE.user, RECIPE.packages).key
