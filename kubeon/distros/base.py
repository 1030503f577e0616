"""What an OS family is: the packages a node needs there, and shell that installs and removes exactly them."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Need:
    """A package, not asked for where its commands are there already, whoever brought them."""

    package: str
    commands: tuple[str, ...]
    optional: bool = False  # kubeadm merely warns without it, and some releases of the family do not have it


@dataclass(frozen=True)
class Family:
    """An OS family: values in, commands out. `ids` are those of os-release's ID and ID_LIKE (lower case).

    No policy-rc.d is set up to keep daemons from starting at installation: of all needs only the time service has a
    daemon, and that one is asked for only where it is wanted to run.
    """

    name: str
    ids: frozenset[str]
    managers: tuple[str, ...]  # commands of the package manager, the preferred one first
    needs: tuple[Need, ...]
    time_service: str  # package of a time service
    time_unit: str  # and its unit
    script: str  # the shell file with list_installed, install_packages, remove_packages

    def missing(
        self, commands: Iterable[str], packages: Iterable[str] = (), *, time_service: bool = False
    ) -> list[str]:
        """Packages to install on a host that has these commands on PATH and these packages; sorted.

        `time_service`: it also wants a time service, having none.
        """
        have, installed = set(commands), set(packages)
        missing = {n.package for n in self.needs if n.package not in installed and not have.issuperset(n.commands)}
        if time_service and self.time_service not in installed:
            missing.add(self.time_service)
        return sorted(missing)

    def install_script(self, packages: Iterable[str], *, root: str = "") -> str:
        """Install these packages, print a line for each package that was added, record what was added for removal.

        Safe to interrupt and to run again. With no packages it only completes the record of an interrupted run.
        `root` is a folder that stands for / (tests).
        """
        names = list(packages)
        optional = {need.package for need in self.needs if need.optional}
        # Debian starts daemons when they are installed, RHEL does not; this one is installed because it is to run
        start = [f"systemctl enable --now {self.time_unit} >&2"] if self.time_service in names else []
        return self._library(root) + "\n".join(
            (
                f"required={shlex.quote(' '.join(name for name in names if name not in optional))}",
                f"optional={shlex.quote(' '.join(name for name in names if name in optional))}",
                "add_packages",
                *start,
                "",
            )
        )

    def remove_script(self, *, root: str = "") -> str:
        """Remove the packages that kubeon added, those that nothing else needs, and print a line for each."""
        return self._library(root) + "drop_packages\n"

    def _library(self, root: str) -> str:
        folder = resources.files("kubeon.distros")
        parts = (folder.joinpath(name).read_text(encoding="utf-8") for name in (self.script, "packages.sh"))
        return f"root={shlex.quote(root)}\n" + "".join(parts)
