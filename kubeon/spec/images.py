"""Names of images: what a reference means, and the host that really serves a registry."""

import re
from dataclasses import dataclass

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:\d+)?")


@dataclass(frozen=True)
class ImageName:
    """registry.k8s.io/coredns/coredns:v1.12.1, taken apart. A digest outranks a tag."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "ImageName":
        """Read a reference as Docker and containerd do: `nginx` is docker.io/library/nginx:latest.

        Raises ValueError when it is not a reference.
        """
        rest, _, digest = text.partition("@")
        first, slash, path = rest.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry = "docker.io" if first in {"index.docker.io", "registry-1.docker.io"} else first
        else:
            registry, path = "docker.io", rest
        path, _, tag = path.partition(":")
        if registry == "docker.io" and "/" not in path:
            path = f"library/{path}"
        name = cls(registry, path, tag or ("" if digest else "latest"), digest)
        valid = _REGISTRY.fullmatch(registry) and _PATH.fullmatch(path) and (not tag or _TAG.fullmatch(tag))
        if not valid or (digest and not _DIGEST.fullmatch(digest)):
            msg = f"{text!r} is not the name of an image"
            raise ValueError(msg)
        return name

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.path}{tag}{digest}"


def registry_url(registry: str) -> str:
    """The base URL of an upstream registry; Docker Hub answers under another name than its images carry."""
    return "https://" + ("registry-1.docker.io" if registry == "docker.io" else registry)
