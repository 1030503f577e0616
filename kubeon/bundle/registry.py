"""A small client of image registries: a reference becomes a manifest for one architecture, and its blobs in the store.

Docker's registry protocol v2 and the OCI distribution specification; schema 1 manifests are refused.
"""

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from kubeon.bundle.http import HINT, expect_no_page, unexpected_status
from kubeon.bundle.images import DOCKER, OCI, StoredImage
from kubeon.bundle.sources import ImageLocation, image_location
from kubeon.bundle.store import Store, StoredFile
from kubeon.errors import BundleError
from kubeon.spec.images import ImageName
from kubeon.spec.material import ImageArtifact

_MANIFESTS = (DOCKER, OCI)
_INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
_ACCEPT = ", ".join((*_MANIFESTS, *_INDEXES))
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class _ChallengedError(Exception):
    """The registry wants a token."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response


class Registry:
    """Fetches images into a store. `credentials` are (user, password) by registry host; without any: anonymous."""

    def __init__(self, store: Store, *, credentials: Mapping[str, tuple[str, str]] | None = None) -> None:
        self._store = store
        self._credentials = dict(credentials or {})
        self._tokens: dict[str, str] = {}  # Authorization headers, by repository
        self._lock = threading.Lock()

    def fetch(self, image: ImageArtifact, architecture: str) -> StoredImage:
        """The image, with every blob fetched at most once. Raises BundleError."""
        name = _name(image)
        location = image_location(name, self._store.sources)
        key = _key(name, location, architecture)
        with self._store.locked(key):
            manifest = self._store.recall(key)
            if manifest is None:
                content = self._platform_manifest(location, name, architecture)
                with self._store.locked(f"manifest {hashlib.sha256(content).hexdigest()}"):
                    manifest = self._store.keep([content], name=f"manifest {hashlib.sha256(content).hexdigest()}")
        document = _document(manifest.path.read_bytes(), str(name))
        descriptors = [document["config"], *document["layers"]]
        blobs = {each["digest"]: self._blob(location, each) for each in descriptors}
        if self._store.recall(key) != manifest:
            self._store.remember(key, manifest)  # only now: an image is there with all its blobs or not at all
        media_type = str(document.get("mediaType") or _MANIFESTS[1])
        return StoredImage(
            str(name), f"sha256:{manifest.sha256}", media_type, architecture, manifest, tuple(blobs.values())
        )

    def problem_of(self, image: ImageArtifact, architecture: str) -> BundleError | None:
        """What would keep `fetch` from working, asked cheaply: only manifests are read, and nothing of what is here."""
        try:
            name = _name(image)
            location = image_location(name, self._store.sources)
            if not self._store.recall(_key(name, location, architecture)):
                self._platform_manifest(location, name, architecture)
        except BundleError as error:
            return error
        return None

    def _platform_manifest(self, location: ImageLocation, name: ImageName, architecture: str) -> bytes:
        content = self._manifest(location, name.digest or name.tag, str(name))
        document = _document(content, str(name), index=True)
        if "manifests" not in document:
            return content
        for entry in document["manifests"]:
            platform = entry.get("platform", {})
            if platform.get("os") == "linux" and platform.get("architecture") == architecture:
                return self._manifest(location, str(entry["digest"]), str(name))
        there = sorted({str(entry.get("platform", {}).get("architecture")) for entry in document["manifests"]})
        raise BundleError(f"image {name} is not there for {architecture}", why=f"only for {', '.join(there)}")

    def _manifest(self, location: ImageLocation, reference: str, name: str) -> bytes:
        url = location.manifest_url(reference)
        response = self._authorised_text(location, url)
        if response.status_code == 404:
            raise BundleError(f"image {name} is not in the registry", why=f"404 Not Found: {url}", hint=HINT)
        if response.status_code != 200:
            raise unexpected_status(url, response)
        expect_no_page(url, response.content)
        if reference.startswith("sha256:"):
            _expect_digest(response.content, reference, url)
        return response.content

    def _blob(self, location: ImageLocation, descriptor: Mapping[str, Any]) -> StoredFile:
        digest = str(descriptor.get("digest", ""))
        if not _DIGEST.fullmatch(digest):
            raise BundleError(f"image {location.repository} has a blob without a sha256", why=f"digest {digest!r}")
        sha256, url = digest.removeprefix("sha256:"), location.blob_url(digest)
        with self._store.locked(f"blob {digest}"):
            if stored := self._store.content(sha256):
                return stored

            def once() -> StoredFile:
                with self._store.http.stream(url, headers=self._headers(location)) as response:
                    if response.status_code == 401:
                        raise _ChallengedError(response)
                    if response.status_code != 200:
                        raise unexpected_status(url, response)
                    chunks = response.iter_raw(1 << 20)
                    return self._store.keep(chunks, name=f"blob {digest}", expected=sha256, origin=url)

            try:
                return self._store.http.patiently(once)
            except _ChallengedError as challenged:  # tokens live minutes only, or there was none yet
                self._answer_challenge(location, url, challenged.response)
            try:
                return self._store.http.patiently(once)
            except _ChallengedError as challenged:
                raise unexpected_status(url, challenged.response) from None

    def _authorised_text(self, location: ImageLocation, url: str) -> httpx.Response:
        headers = {"Accept": _ACCEPT}
        response = self._store.http.text(url, headers={**headers, **self._headers(location)})
        if response.status_code == 401:
            self._answer_challenge(location, url, response)
            response = self._store.http.text(url, headers={**headers, **self._headers(location)})
        return response

    def _answer_challenge(self, location: ImageLocation, url: str, refused: httpx.Response) -> None:
        challenge = refused.headers.get("www-authenticate", "")
        scheme, _, rest = challenge.partition(" ")
        host = location.base.rpartition("://")[2]
        credentials = self._credentials.get(host)
        if scheme.lower() == "basic" and credentials:
            self._keep_token(location, _basic(credentials))
            return
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            raise unexpected_status(url, refused)
        query = {"scope": f"repository:{location.repository}:pull"}
        if service := parameters.get("service"):
            query["service"] = service
        realm = str(httpx.URL(parameters["realm"]).copy_merge_params(query))
        headers = {"Authorization": _basic(credentials)} if credentials else {}
        response = self._store.http.text(realm, headers=headers)
        if response.status_code != 200:
            raise unexpected_status(realm, response)
        answer = _json(response.content, realm)
        token = answer.get("token") or answer.get("access_token")
        if not token:
            raise BundleError(f"{realm} gave no token for {location.repository}", hint=HINT)
        self._keep_token(location, f"Bearer {token}")

    def _keep_token(self, location: ImageLocation, header: str) -> None:
        with self._lock:
            self._tokens[location.repository] = header

    def _headers(self, location: ImageLocation) -> dict[str, str]:
        with self._lock:
            header = self._tokens.get(location.repository)
        return {"Authorization": header} if header else {}


def _key(name: ImageName, location: ImageLocation, architecture: str) -> str:
    return f"image {location.base}/{location.repository} {name.digest or name.tag} {architecture}"


def _name(image: ImageArtifact) -> ImageName:
    try:
        return ImageName.parse(image.reference)
    except ValueError as error:
        raise BundleError(str(error)) from None


def _basic(credentials: tuple[str, str]) -> str:
    request = next(httpx.BasicAuth(*credentials).auth_flow(httpx.Request("GET", "http://registry/")))
    return request.headers["Authorization"]


def _expect_digest(content: bytes, digest: str, url: str) -> None:
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if found != digest:
        raise BundleError(f"{url} is damaged", why=f"its digest is {found}, expected {digest}")


def _json(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise BundleError(f"{what} did not answer with JSON", why=repr(content[:60]), hint=HINT)
    return document


def _document(content: bytes, name: str, *, index: bool = False) -> dict[str, Any]:
    """A manifest, or an index where allowed. Docker's schema 1 has neither layers nor manifests."""
    document = _json(content, f"the registry of {name}")
    if "config" in document and isinstance(document.get("layers"), list):
        return document
    if index and isinstance(document.get("manifests"), list):
        return document
    raise BundleError(f"image {name} has a manifest of an old or unknown kind", why=str(document.get("mediaType", "")))
