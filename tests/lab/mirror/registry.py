"""A small client of the registry API: is an image there, push one, copy one from another registry."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import httpx

from tests.lab.mirror.images import Image, digest

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


def split(reference: str) -> tuple[str, str]:
    """Repository and tag of HOST/PATH:TAG."""
    repository, _, tag = reference.rpartition(":")
    return repository, tag


class Registry:
    """One registry, by its base URL; images of all upstream hosts lie below their host's name."""

    def __init__(self, base: str, prefix: str = "") -> None:
        self.base, self.prefix = base.rstrip("/"), prefix
        self.client = httpx.Client(timeout=600, follow_redirects=True)
        self.tokens: dict[str, str] = {}

    def url(self, repository: str, rest: str) -> str:
        return f"{self.base}/v2/{self.prefix}{repository}/{rest}"

    def digest(self, reference: str) -> str | None:
        """The digest of an image that is there."""
        repository, tag = split(reference)
        answer = self.client.head(self.url(repository, f"manifests/{tag}"), headers={"Accept": ", ".join(MANIFESTS)})
        if answer.status_code == 404:
            return None
        return str(answer.raise_for_status().headers["Docker-Content-Digest"])

    def push(self, reference: str, image: Image) -> bool:
        """Push what is not there yet; whether there was anything to push."""
        if self.digest(reference) == image.digest:
            return False
        repository, tag = split(reference)
        for name, data in image.blobs.items():
            self.push_blob(repository, name, data)
        headers = {"Content-Type": image.media_type}
        url = self.url(repository, f"manifests/{tag}")
        self.client.put(url, content=image.manifest, headers=headers).raise_for_status()
        return True

    def push_blob(self, repository: str, name: str, data: bytes) -> None:
        """Push one blob in one piece."""
        if self.client.head(self.url(repository, f"blobs/{name}")).status_code == 200:
            return
        begun = self.client.post(self.url(repository, "blobs/uploads/")).raise_for_status()
        place = httpx.URL(urljoin(str(begun.request.url), begun.headers["Location"])).copy_merge_params(
            {"digest": name}
        )
        headers = {"Content-Type": "application/octet-stream"}
        self.client.put(place, content=data, headers=headers).raise_for_status()

    def pull(self, reference: str) -> Image:
        """An image, out of a list of them the one for amd64; everything is checked against its digest."""
        repository, tag = split(reference)
        answer = self.get(repository, f"manifests/{tag}")
        manifest = answer.json()
        if "manifests" in manifest:
            answer = self.get(repository, f"manifests/{chosen(manifest)}")
            manifest = answer.json()
        blobs = {name: self.get(repository, f"blobs/{name}").content for name in blob_names(manifest)}
        for name, data in blobs.items():
            if digest(data) != name:
                raise RuntimeError(f"{reference}: blob {name} has digest {digest(data)}")
        return Image(answer.content, blobs, answer.headers["Content-Type"])

    def get(self, repository: str, rest: str) -> httpx.Response:
        """Read; log in as nobody where a registry wants that even for public images."""
        headers = {"Accept": ", ".join(MANIFESTS)}
        if token := self.tokens.get(repository):
            headers["Authorization"] = f"Bearer {token}"
        answer = self.client.get(self.url(repository, rest), headers=headers)
        if answer.status_code == 401 and not token:
            self.tokens[repository] = self.anonymous(answer.headers.get("WWW-Authenticate", ""))
            return self.get(repository, rest)
        return answer.raise_for_status()

    def anonymous(self, challenge: str) -> str:
        """A token for nobody in particular."""
        values = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = values.pop("realm")
        answer = self.client.get(realm, params=values).raise_for_status().json()
        return str(answer.get("token") or answer["access_token"])


def chosen(index: dict[str, Any]) -> str:
    """The manifest for amd64 Linux in a list."""
    for entry in index["manifests"]:
        platform = entry.get("platform", {})
        if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(entry["digest"])
    raise RuntimeError(f"no linux/amd64 in {json.dumps(index)[:300]}")


def blob_names(manifest: dict[str, Any]) -> Iterator[str]:
    """The digests of an image's configuration and layers, each once."""
    yield from dict.fromkeys(entry["digest"] for entry in [manifest["config"], *manifest["layers"]])
