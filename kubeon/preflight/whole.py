"""The cluster as a whole: hosts that could not be reached, the number of control planes, material, what is unknown."""

from collections.abc import Iterator

from kubeon.cni import CNIS
from kubeon.cri import CRIS
from kubeon.errors import KubeonError
from kubeon.preflight.base import Check, Finding, Severity, Subject
from kubeon.spec.releases import has_row, table


def unreachable(subject: Subject) -> Iterator[Finding]:
    """Hosts that no facts came from."""
    names = {str(node.address): node.name or str(node.address) for node in subject.spec.nodes}
    for address, error in subject.unreachable.items():
        yield Finding("Unreachable", names.get(address, address), Severity.ERROR, _reason(error), error.hint)


def control_planes(subject: Subject) -> Iterator[Finding]:
    """An even number of etcd members bears no more failures than one less."""
    count = len(subject.spec.control_planes)
    if count % 2 == 0:
        bears = count // 2 - 1
        failures = f"{bears or 'no'} failure{'s' if bears != 1 else ''}"
        what = f"{count} control planes bear {failures}, as many as {count - 1}"
        yield Finding("ControlPlaneCount", "", Severity.WARNING, what, f"{count + 1} bear one more")


def material(subject: Subject) -> Iterator[Finding]:
    """Files and images that are missing or damaged."""
    last = {error.hint: index for index, error in enumerate(subject.material)}
    for index, error in enumerate(subject.material):
        hint = error.hint if last[error.hint] == index else ""  # one hint below all that it is for
        yield Finding("Material", "", Severity.ERROR, _reason(error), hint)


def unknown(subject: Subject) -> Iterator[Finding]:
    """What goes together as far as anybody can tell, but has not been tried."""
    spec = subject.spec
    if not has_row(spec.kubernetes):
        newest = table().newest
        what = f"{spec.version} is newer than this kubeon knows: together with the components of {newest} it is unknown"
        yield Finding("KubernetesVersion", "", Severity.WARNING, what)
    for doubt in CRIS[spec.runtime.name].doubts(spec):
        hint = "take a newer one: components.containerd, or leave it to kubeon"
        yield Finding("ContainerRuntimeVersion", "", Severity.WARNING, doubt, hint)
    for doubt in CNIS[spec.networking.plugin].doubts(spec):
        yield Finding("NetworkPlugin", "", Severity.WARNING, doubt)


def _reason(error: KubeonError) -> str:
    """What and why on one line; where is told by the finding."""
    why = "; ".join(line.strip() for line in error.why.splitlines() if line.strip())
    return f"{error.what}: {why}" if why else error.what


CHECKS = (
    Check(unreachable, ("Unreachable",)),
    Check(control_planes, ("ControlPlaneCount",)),
    Check(material, ("Material",)),
    Check(unknown, ("KubernetesVersion", "ContainerRuntimeVersion", "NetworkPlugin")),
)
