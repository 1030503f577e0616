"""~/.kubeon itself: its layout, where artifacts lie, and which cluster was chosen."""

from pathlib import Path

from kubeon.errors import StateError
from kubeon.state.files import explained, make_folder, read_file, write_file

SCHEMA = 1  # of the folder; a newer kubeon that changes it counts on


class Root:
    """The folder, which need not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = path / "store"  # the artifacts shared by all clusters
        self._chosen = path / "current"

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

    @property
    def chosen(self) -> str:
        """The name that `use` has written down, of a cluster that may be gone; "" for none."""
        return (read_file(self._chosen) or b"").decode(errors="replace").strip()

    def choose(self, name: str) -> None:
        """Write a name down; "": none."""
        if name:
            self.ensure()
            write_file(self._chosen, f"{name}\n".encode())
        else:
            with explained(self.path):
                self._chosen.unlink(missing_ok=True)
