"""What belongs to a Kubernetes release, and what kubeon supports: out of the registries and tables, nothing else."""

from dataclasses import asdict, dataclass
from typing import Any

from kubeon.bundle.catalogue import ARCHITECTURES, host_files
from kubeon.cni import CNIS
from kubeon.cri import CRIS
from kubeon.distros import FAMILIES
from kubeon.errors import UsageError
from kubeon.lb import LBS
from kubeon.spec.images import ImageName
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import NEWEST, components, is_known, kubeadm_images, row_of
from kubeon.spec.tried import TRIED
from kubeon.spec.versions import OLDEST, Version, kubeadm_api


@dataclass(frozen=True)
class ReleaseView:
    """What goes with a Kubernetes release. `known`: the images of exactly this patch release are in the table."""

    version: str
    known: bool
    kubeadm_api: str
    components: dict[str, str]  # name: version
    images: tuple[str, ...]  # references
    bases: tuple[str, ...]  # images that kubeon builds on for ways to the API
    files: tuple[FileArtifact, ...]
    newest_patch: str  # of this minor release, that the table knows


@dataclass(frozen=True)
class Supported:
    """One thing that kubeon supports; `note` says what to know of it."""

    kind: str
    name: str
    tried: bool  # in a real cluster
    note: str = ""


def release_view(text: str, architecture: str) -> ReleaseView:
    """Everything for the release `text` (v1.34.2). Raises UsageError when it is none."""
    try:
        version = Version.parse(text)
    except ValueError as error:
        raise UsageError(str(error), hint="kubeon view support lists the releases") from None
    spec = _a_spec(version)
    images = kubeadm_images(version)
    tags = {ImageName.parse(image).path.rpartition("/")[2]: ImageName.parse(image).tag for image in images}
    parts = {"kubernetes": str(version)} | asdict(components(spec))
    parts |= {name: tags[name] for name in ("etcd", "coredns", "pause")}
    made = [image for mode in LBS.values() for image in mode.images(spec)]
    bases = tuple(image.recipe.base for image in made if image.recipe)
    newest = f"v1.{version.minor}.{row_of(version).known_patch}" if version.minor <= NEWEST else ""
    files = host_files(spec, architecture)
    return ReleaseView(str(version), is_known(version), kubeadm_api(version), parts, images, bases, files, newest)


def supported() -> tuple[Supported, ...]:
    """Kubernetes releases, OS families, plug-ins, modes, runtimes, architectures."""
    found = [_release(minor) for minor in range(OLDEST[1], NEWEST + 1)]
    for family in FAMILIES.values():
        found.append(Supported("os", family.name, family.name in TRIED["os"], " ".join(sorted(family.ids))))
    for kind, names in (("network", CNIS), ("load-balancer", LBS), ("runtime", CRIS)):
        found += [Supported(kind, name, name in TRIED[kind], _limits(kind, name)) for name in names]
    found += [Supported("architecture", name, name in TRIED["architecture"]) for name in ARCHITECTURES]
    return tuple(found)


def _release(minor: int) -> Supported:
    newest = Version(1, minor, row_of(Version(1, minor, 0)).known_patch)
    tried = ", ".join(str(each) for each in sorted(map(Version.parse, TRIED["kubernetes"])) if each.minor == minor)
    note = f"up to {newest}; kubeadm {kubeadm_api(newest)}" + (f"; tried: {tried}" if tried else "")
    return Supported("kubernetes", f"v1.{minor}", bool(tried), note)


def _limits(kind: str, name: str) -> str:
    """The oldest release that a network plug-in takes, where it does not take all."""
    if kind != "network":
        return ""
    minors = range(OLDEST[1], NEWEST + 1)
    first = next((minor for minor in minors if not CNIS[name].problems(_a_spec(Version(1, minor, 0)))), NEWEST + 1)
    return "" if first == OLDEST[1] else f"Kubernetes v1.{first} and newer"


def _a_spec(version: Version) -> ClusterSpec:
    """A cluster like any other: what a release consists of depends on no more."""
    nodes = [{"address": "10.0.0.1", "role": "control-plane"}, {"address": "10.0.0.2", "role": "worker"}]
    return ClusterSpec.model_validate({"name": "any", "version": str(version), "nodes": nodes})


def as_data(view: ReleaseView) -> dict[str, Any]:
    """A release for programs."""
    return {
        "version": view.version,
        "known": view.known,
        "kubeadmApi": view.kubeadm_api,
        "components": {"cniPlugins" if name == "cni_plugins" else name: text for name, text in view.components.items()},
        "images": list(view.images),
        "imageBases": list(view.bases),
        "files": [
            {"name": file.name, "version": file.version, "url": file.url, "checksumUrl": file.checksum_url}
            for file in view.files
        ],
    }
