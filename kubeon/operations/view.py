"""What belongs to a Kubernetes release, and what kubeon supports: out of the registries and tables, nothing else."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kubeon.bundle.catalogue import ARCHITECTURES, host_files
from kubeon.cni import CNIS
from kubeon.cri import CRIS
from kubeon.distros import FAMILIES
from kubeon.errors import UsageError
from kubeon.lb import LBS
from kubeon.spec.images import ImageName
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import components, has_row, is_known, kubeadm_images, table
from kubeon.spec.versions import OLDEST, Version, kubeadm_api

if TYPE_CHECKING:
    from kubeon.spec.tried import Run


@dataclass(frozen=True)
class ReleaseView:
    """What goes with a Kubernetes release. `known`: the images of exactly this patch release are in the table."""

    version: str
    known: bool
    kubeadm_api: str
    components: dict[str, str]  # name: version
    images: tuple[str, ...]  # references
    lb_images: tuple[str, ...]  # of API load balancers, whatever the mode
    files: tuple[FileArtifact, ...]
    newest_patch: str  # of this minor release, that the table knows
    runtime_ends: str  # month of the end of upstream's support of that line of the runtime


class State(StrEnum):
    """How much is known of a thing that kubeon supports."""

    SEEN = "seen"  # on real hosts
    ON_FILES = "tested on files"  # configuration, certificates, tables, and operations on fakes
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Supported:
    """One thing that kubeon supports; `note` says what to know of it."""

    kind: str
    name: str
    state: State
    note: str = ""
    runs: "tuple[Run, ...]" = ()  # in which it was seen


def release_view(text: str, architecture: str) -> ReleaseView:
    """Everything for the release `text` (v1.34.2; "": the newest known). Raises UsageError when it is none."""
    try:
        version = Version.parse(text) if text else table().newest
    except ValueError as error:
        raise UsageError(str(error), hint="kubeon view support lists the releases") from None
    spec = _a_spec(version)
    images = kubeadm_images(version)
    tags = {ImageName.parse(image).path.rpartition("/")[2]: ImageName.parse(image).tag for image in images}
    parts = {"kubernetes": str(version)} | asdict(components(spec))
    parts |= {name: tags[name] for name in ("etcd", "coredns", "pause")}
    of_lbs = tuple(image.reference for mode in LBS.values() for image in mode.images(spec))
    newest = str(table().newest_patch(version.minor)) if has_row(version) else ""
    files, ends = host_files(spec, architecture), table().runtime_of(version).ends
    api = kubeadm_api(version)
    return ReleaseView(str(version), is_known(version), api, parts, images, of_lbs, files, newest, ends)


def supported() -> tuple[Supported, ...]:
    """Kubernetes releases, OS families, plug-ins, modes, runtimes, architectures."""
    minors = range(OLDEST[1], table().newest.minor + 1)
    found = [_release(table().newest_patch(minor)) for minor in minors]
    note = "components of the newest known; kubeadm says which images"
    found.append(Supported("kubernetes", f"v1.{minors.stop} and newer", State.UNKNOWN, note))
    for family in FAMILIES.values():
        found.append(_supported("os", family.name, " ".join(sorted(family.ids)), family.ids))
    found += [_supported("network", name, _limits(name, minors)) for name in CNIS]
    for kind, names in (("load-balancer", LBS), ("runtime", CRIS), ("architecture", ARCHITECTURES)):
        found += [_supported(kind, name) for name in names]
    return tuple(found)


def _supported(kind: str, name: str, note: str = "", names: Collection[str] = ()) -> Supported:
    """`names` are those under which it stands on record, if not under its own."""
    from kubeon.spec.tried import tried  # noqa: PLC0415 - no other command wants it

    runs = tuple(run for run in tried() if run.names(kind) in (names or (name,)))
    return Supported(kind, name, State.SEEN if runs else State.ON_FILES, note, runs)


def _release(newest: Version) -> Supported:
    found = _supported("kubernetes", f"v1.{newest.minor}")
    seen = ", ".join(dict.fromkeys(run.release for run in found.runs))
    note = f"up to {newest}; kubeadm {kubeadm_api(newest)}" + (f"; seen: {seen}" if seen else "")
    return replace(found, note=note)


def _limits(name: str, minors: range) -> str:
    """Releases that a network plug-in does not take, and those that it was not tried with by its makers."""
    plugin, specs = CNIS[name], {minor: _a_spec(table().newest_patch(minor)) for minor in minors}
    taken = [minor for minor, spec in specs.items() if not plugin.problems(spec)]
    unknown = [f"v1.{minor}" for minor in taken if plugin.doubts(specs[minor])]
    notes = [f"Kubernetes v1.{taken[0]} and newer"] if taken[0] != minors.start else []
    return "; ".join([*notes, *([f"unknown with {', '.join(unknown)}"] if unknown else [])])


def _a_spec(version: Version) -> ClusterSpec:
    """A cluster like any other: what a release consists of depends on no more."""
    nodes = [{"address": "10.0.0.1", "role": "control-plane"}, {"address": "10.0.0.2", "role": "worker"}]
    return ClusterSpec.model_validate({"name": "any", "version": str(version), "nodes": nodes})
