"""~/.kubeon: the clusters this control machine looks after, and the artifacts they share."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kubeon.errors import StateError
from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.files import explained
from kubeon.state.root import Root

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Home(Root):
    """The folder. Looking at one that is not there yet finds no clusters and creates nothing."""

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """KUBEON_HOME, or ~/.kubeon."""
        wanted = environment.get("KUBEON_HOME")
        try:
            return cls(Path(wanted).expanduser().absolute() if wanted else Path.home() / ".kubeon")
        except RuntimeError as error:
            raise StateError("there is no home folder", why=str(error), hint="set KUBEON_HOME to a folder") from error

    def clusters(self) -> list[str]:
        """Names of all clusters with a record, also of those whose create has not ended well yet."""
        folder = self.path / "clusters"
        if not folder.exists():
            return []
        with explained(folder):
            found = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
        return [path.name for path in found if (path / "cluster.yaml").exists() or (path / "proposed.yaml").exists()]

    def cluster(self, name: str) -> ClusterState:
        """The record of a cluster, there or not. Raises StateError for a name that no cluster can have."""
        if not _NAME.fullmatch(name):
            hint = "lower-case letters, digits and '-', at most 63"
            raise StateError(f"{name!r} cannot be the name of a cluster", hint=hint)
        return ClusterState(self, name)

    def known(self, name: str) -> ClusterSpec:
        """What is known of a cluster's nodes (see `ClusterState.read_known`). Raises StateError for an unknown one."""
        spec = self.cluster(name).read_known()
        if spec is None:
            known = ", ".join(self.clusters()) or "none"
            raise StateError(f"there is no cluster {name}", hint=f"clusters known here: {known}")
        return spec

    @property
    def current(self) -> str | None:
        """The cluster that commands mean when they name none."""
        name = self.chosen
        return name if name in self.clusters() else None

    def use(self, name: str | None) -> None:
        """Make a cluster the current one, or none. Raises StateError for one without a record."""
        if name is not None and name not in self.clusters():
            known = ", ".join(self.clusters()) or "none"
            raise StateError(f"there is no cluster {name}", hint=f"clusters known here: {known}")
        self.choose(name or "")
