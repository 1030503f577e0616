"""The cluster as a whole: hosts that could not be reached, the number of control planes, material."""

from collections.abc import Iterator

from kubeon.preflight.base import Check, Finding, Severity, Subject


def unreachable(subject: Subject) -> Iterator[Finding]:
    """Hosts that no facts came from."""
    names = {str(node.address): node.name or str(node.address) for node in subject.spec.nodes}
    for address, why in subject.unreachable.items():
        yield Finding("Unreachable", names.get(address, address), Severity.ERROR, why)


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
    for problem in subject.material:
        yield Finding("Material", "", Severity.ERROR, problem)


CHECKS = (
    Check(unreachable, ("Unreachable",)),
    Check(control_planes, ("ControlPlaneCount",)),
    Check(material, ("Material",)),
)
