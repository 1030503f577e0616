"""OS families: values in, commands out. A new family is one module, its shell file and one line here."""

from collections.abc import Iterable

from kubeon.distros.base import Family, Need
from kubeon.distros.debian import DEBIAN
from kubeon.distros.rhel import RHEL

__all__ = ["ALL_COMMANDS", "ALL_PACKAGES", "DEBIAN", "FAMILIES", "RHEL", "Family", "Need", "family_of"]

FAMILIES = {family.name: family for family in (DEBIAN, RHEL)}

ALL_COMMANDS = frozenset(c for f in FAMILIES.values() for c in (*f.managers, *(x for n in f.needs for x in n.commands)))
"""Commands that facts should ask for: what any family needs, and the package managers that tell families apart."""

ALL_PACKAGES = frozenset(p for f in FAMILIES.values() for p in (f.time_service, *(n.package for n in f.needs)))
"""Packages that facts should ask for."""


def family_of(os_id: str, os_like: Iterable[str] = (), commands: Iterable[str] = ()) -> Family | None:
    """The family of an OS, from os-release's ID and ID_LIKE, or None.

    Kylin and UOS exist with dpkg and with rpm under one ID: there the package manager on PATH decides.
    """
    have = set(commands)
    for name in (os_id, *os_like):
        found = [family for family in FAMILIES.values() if name.lower() in family.ids]
        if len(found) > 1:
            found = [family for family in found if have.intersection(family.managers)]
        if found:
            return found[0]
    return None
