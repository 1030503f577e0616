"""The registry client and the archive that it feeds."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from kubeon.bundle.images import image_archive
from kubeon.bundle.registry import Registry
from kubeon.errors import BundleError
from kubeon.spec.images import ImageName
from kubeon.spec.material import ImageArtifact
from tests.bundle.test_store import PAGE, Answer, Server, a_file, a_store

V2 = "https://registry.k8s.io/v2"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
PAUSE = ImageArtifact("registry.k8s.io/pause:3.10")


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def descriptor(content: bytes, **more: Any) -> dict[str, Any]:
    return {"digest": digest(content), "size": len(content), "mediaType": "application/octet-stream", **more}


class Image:
    """An image of one architecture, as a registry holds it."""

    def __init__(self, architecture: str, *layers: bytes, media_type: str = DOCKER) -> None:
        self.config = json.dumps({"architecture": architecture, "os": "linux"}).encode()
        self.layers = layers
        document = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(self.config),
            "layers": [descriptor(layer) for layer in layers],
        }
        self.manifest = json.dumps(document).encode()

    def answers(self, repository: str, tag: str, base: str = V2) -> dict[str, Answer | list[Answer]]:
        url = f"{base}/{repository}"
        blobs = {f"{url}/blobs/{digest(content)}": a_file(content) for content in (self.config, *self.layers)}
        manifests = {f"{url}/manifests/{name}": a_file(self.manifest) for name in (tag, digest(self.manifest))}
        return {**blobs, **manifests}


AMD64, ARM64 = Image("amd64", b"layer", b"more"), Image("arm64", b"other", media_type=OCI)


def an_index(*entries: tuple[str, Image]) -> bytes:
    manifests = [descriptor(image.manifest, platform={"os": "linux", "architecture": name}) for name, image in entries]
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def test_a_list_of_platforms_gives_the_architecture_asked_for(tmp_path: Path) -> None:
    """One manifest, its configuration and its layers; the second time nobody is asked."""
    index = an_index(("amd64", AMD64), ("arm64", ARM64))
    answers = {
        **AMD64.answers("pause", "x"),
        **ARM64.answers("pause", "x"),
        f"{V2}/pause/manifests/3.10": a_file(index),
    }
    server = Server(answers)

    image = Registry(a_store(tmp_path, server)).fetch(PAUSE, "arm64")
    asked = server.asked.total()
    again = Registry(a_store(tmp_path, server)).fetch(PAUSE, "arm64")

    assert image == again
    assert server.asked.total() == asked
    assert (image.reference, image.digest) == ("registry.k8s.io/pause:3.10", digest(ARM64.manifest))
    assert image.media_type == OCI
    assert [blob.path.read_bytes() for blob in image.blobs] == [ARM64.config, b"other"]


def test_an_architecture_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It says which are."""
    server = Server({f"{V2}/pause/manifests/3.10": a_file(an_index(("amd64", AMD64), ("s390x", AMD64)))})

    with pytest.raises(BundleError, match="only for amd64, s390x"):
        Registry(a_store(tmp_path, server)).fetch(PAUSE, "arm64")


def test_a_registry_of_the_users_own_has_upstream_names_as_paths(tmp_path: Path) -> None:
    """Over plain HTTP when it is written so, below its folder, and Docker's short names in full."""
    base = "http://10.0.0.9:5000/v2"
    server = Server(AMD64.answers("all/docker.io/library/busybox", "1.35", base=base))
    store = a_store(tmp_path, server, registry="http://10.0.0.9:5000/all")

    image = Registry(store).fetch(ImageArtifact("busybox:1.35"), "amd64")

    assert image.reference == "docker.io/library/busybox:1.35"


def test_a_token_is_asked_for_and_sent(tmp_path: Path) -> None:
    """With the login of that host; one token serves the manifest and the blobs."""
    challenge = httpx.Response(
        401, headers={"www-authenticate": 'Bearer realm="https://auth.example/token",service="registry"'}
    )
    realm = "https://auth.example/token?scope=repository%3Apause%3Apull&service=registry"
    seen: list[tuple[str, str | None]] = []

    class Guarded(Server):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            header = request.headers.get("authorization")
            seen.append((str(request.url), header))
            if request.url.host == "registry.k8s.io" and header != "Bearer good":
                return httpx.Response(401, headers=challenge.headers)
            return super().handle_request(request)

    tokens: list[Answer] = [httpx.Response(200, json={"token": token}) for token in ("good", "good")]
    server = Guarded({**AMD64.answers("pause", "3.10"), realm: tokens})
    store = a_store(tmp_path, server)

    Registry(store, credentials={"registry.k8s.io": ("me", "secret")}).fetch(PAUSE, "amd64")

    asked = [header for url, header in seen if url == realm]
    assert asked == ["Basic bWU6c2VjcmV0"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(404), "is not in the registry"),
        (PAGE, "a web page came instead"),
        (a_file(b'{"schemaVersion": 1, "fsLayers": []}'), "old or unknown kind"),
        (a_file(b"[]"), "did not answer with JSON"),
        (httpx.Response(401), "401 Unauthorized"),
        (httpx.ConnectError("Connection refused"), "no connection: Connection refused"),
    ],
)
def test_failures_say_what_came(tmp_path: Path, answer: Answer, expected: str) -> None:
    """The cheap check finds the same."""
    registry = Registry(a_store(tmp_path, Server({f"{V2}/pause/manifests/3.10": answer})))

    with pytest.raises(BundleError, match=expected) as caught:
        registry.fetch(PAUSE, "amd64")

    assert str(registry.problem_of(PAUSE, "amd64")) == str(caught.value)


def test_a_damaged_layer_is_not_kept(tmp_path: Path) -> None:
    """And the image counts as not fetched."""
    answers = AMD64.answers("pause", "3.10")
    answers[f"{V2}/pause/blobs/{digest(b'more')}"] = [a_file(b"mole"), a_file(b"more")]
    registry = Registry(a_store(tmp_path, Server(answers)))

    with pytest.raises(BundleError, match="damaged"):
        registry.fetch(PAUSE, "amd64")

    assert registry.fetch(PAUSE, "amd64").blobs[2].path.read_bytes() == b"more"


def test_the_archive_holds_each_blob_once_and_is_always_alike(tmp_path: Path) -> None:
    """An OCI layout with the upstream reference as containerd's name of the image."""
    other = Image("amd64", b"layer", b"third")
    server = Server({**AMD64.answers("pause", "3.10"), **other.answers("etcd", "3.6.4-0")})
    registry = Registry(a_store(tmp_path, server))
    images = [
        registry.fetch(ImageArtifact(f"registry.k8s.io/{name}"), "amd64") for name in ("pause:3.10", "etcd:3.6.4-0")
    ]

    packed = b"".join(image_archive(images))

    assert packed == b"".join(image_archive(images[::-1]))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        content = {info.name: file.read() for info in archive if (file := archive.extractfile(info))}
    assert len(content) == 2 + 2 + 1 + 3  # layout and index, manifests, one configuration for both, layers
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(content["index.json"])
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == [
        "registry.k8s.io/etcd:3.6.4-0",
        "registry.k8s.io/pause:3.10",
    ]
    for name, blob in content.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}"


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("calico/node:v3.31.7", "docker.io/calico/node:v3.31.7"),
        ("localhost/x:1", "localhost/x:1"),
        ("10.0.0.1:5000/a/b:c", "10.0.0.1:5000/a/b:c"),
        (f"quay.io/a/b@sha256:{'0' * 64}", f"quay.io/a/b@sha256:{'0' * 64}"),
    ],
)
def test_names_are_read_as_docker_reads_them(text: str, full: str) -> None:
    """Short names belong to Docker Hub."""
    assert str(ImageName.parse(text)) == full


@pytest.mark.parametrize("text", ["", "a b", "registry.k8s.io/", "x@sha256:12", "UPPER", "a:b:c"])
def test_other_texts_are_no_names(text: str) -> None:
    """And say so."""
    with pytest.raises(ValueError, match="is not the name of an image"):
        ImageName.parse(text)
