"""Where material is fetched from: a mirror or registry of the user's, or the Internet.

A mirror has the original URL, without its scheme, as path: <mirror>/dl.k8s.io/release/v1.34.2/bin/linux/amd64/kubeadm.
A registry has images by their upstream names: <registry>/registry.k8s.io/pause:3.10.
"""

from dataclasses import dataclass

from kubeon.spec.images import ImageName, registry_url
from kubeon.spec.model import Sources


@dataclass(frozen=True)
class ImageLocation:
    """Where one image is served: `base` is the registry's URL without /v2."""

    base: str
    repository: str

    def manifest_url(self, reference: str) -> str:
        """The URL of a manifest by tag or digest."""
        return f"{self.base}/v2/{self.repository}/manifests/{reference}"

    def blob_url(self, digest: str) -> str:
        """The URL of a blob."""
        return f"{self.base}/v2/{self.repository}/blobs/{digest}"


def file_url(upstream: str, sources: Sources) -> str:
    """The URL to fetch a file from that has this URL upstream."""
    if not sources.mirror:
        return upstream
    return f"{sources.mirror.rstrip('/')}/{upstream.partition('://')[2]}"


def image_location(name: ImageName, sources: Sources) -> ImageLocation:
    """Where an image is fetched from."""
    if not sources.registry:
        return ImageLocation(registry_url(name.registry), name.path)
    scheme, _, rest = sources.registry.rpartition("://")
    host, _, folder = rest.strip("/").partition("/")
    path = f"{name.registry}/{name.path}"
    return ImageLocation(f"{scheme or 'https'}://{host}", f"{folder}/{path}" if folder else path)
