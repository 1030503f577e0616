"""~/.kubeon: the clusters this control machine looks after, and the artifacts they share."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kubeon.errors import StateError
from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.files import explained, make_folder, read_file, write_file

SCHEMA = 1  # of the folder; a newer kubeon that changes it counts on
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Home:
    """The folder. Looking at one that is not there yet finds no clusters and creates nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"

    @classmethod
    def find(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """KUBEON_HOME, or ~/.kubeon."""
        wanted = environment.get("KUBEON_HOME")
        try:
            return cls(Path(wanted).expanduser().absolute() if wanted else Path.home() / ".kubeon")
        except RuntimeError as error:
            raise StateError("there is no home folder", why=str(error), hint="set KUBEON_HOME to a folder") from error

    def ensure(self) -> None:
        """Create the folder (0700) and mark its layout. Raises StateError when it is not ours or of another layout."""
        make_folder(self.path)
        marker = self.path / "version"
        found = (read_file(marker) or b"").decode(errors="replace").strip()
        if not found:
            write_file(marker, f"{SCHEMA}\n".encode())
        elif found != str(SCHEMA):
            why = f"its layout is number {found[:20]}, this kubeon knows {SCHEMA}"
            raise StateError(f"{self.path} is from another kubeon", why=why, hint="use the kubeon that wrote it")

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
        name = (read_file(self.path / "current") or b"").decode(errors="replace").strip()
        return name if name in self.clusters() else None

    def use(self, name: str | None) -> None:
        """Make a cluster the current one, or none. Raises StateError for one without a record."""
        if name is None:
            with explained(self.path):
                (self.path / "current").unlink(missing_ok=True)
            return
        if name not in self.clusters():
            known = ", ".join(self.clusters()) or "none"
            raise StateError(f"there is no cluster {name}", hint=f"clusters known here: {known}")
        self.ensure()
        write_file(self.path / "current", f"{name}\n".encode())
