"""A file server and registry with exactly the material of a cluster, small enough for hundreds of fakes."""

import hashlib
import io
import tarfile

import httpx

from kubeon.bundle.catalogue import host_files
from kubeon.lb import haproxy, updater
from kubeon.spec.images import ImageName, registry_url
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import kubeadm_images
from tests.bundle.test_registry import Image
from tests.bundle.test_store import Answer, Server, a_file


def a_server_for(spec: ClusterSpec) -> Server:
    """Everything that `spec` needs for amd64, under upstream's URLs."""
    answers: dict[str, Answer | list[Answer]] = {}
    for artifact in host_files(spec, "amd64"):
        answers |= answers_for(artifact)
    for reference in (*kubeadm_images(spec.kubernetes), haproxy.IMAGE, updater.IMAGE):
        name = ImageName.parse(reference)
        image = Image("amd64", reference.encode())
        answers |= image.answers(name.path, name.tag, base=f"{registry_url(name.registry)}/v2")
    return Server(answers)


def answers_for(artifact: FileArtifact) -> dict[str, Answer | list[Answer]]:
    """A file and its checksum."""
    content = _archive(artifact) if artifact.is_archive else f"\x7fELF {artifact.name} {artifact.version}".encode()
    checksum = f"{hashlib.sha256(content).hexdigest()}  {artifact.file_name}\n"
    return {artifact.url: a_file(content), artifact.checksum_url: httpx.Response(200, text=checksum)}


def _archive(artifact: FileArtifact) -> bytes:
    folder = io.BytesIO()
    with tarfile.open(fileobj=folder, mode="w:gz") as archive:
        for rule in artifact.installs:
            names = (
                [rule.member]
                if not rule.path.endswith("/")
                else [f"{rule.member or '.'}/{artifact.name}-{n}" for n in "ab"]
            )
            for name in names:
                info, content = tarfile.TarInfo(name), f"{name} {artifact.version}".encode()
                info.size, info.mode = len(content), 0o755
                archive.addfile(info, io.BytesIO(content))
    return folder.getvalue()
