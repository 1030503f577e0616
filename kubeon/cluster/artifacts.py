"""Programs on their way to a host."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kubeon.bundle.archives import Member
from kubeon.bundle.install import install_script
from kubeon.bundle.store import Store
from kubeon.engine.events import Reporter
from kubeon.hosts.host import Host
from kubeon.spec.material import FileArtifact

TIMEOUT = 1800  # seconds for one artifact on a slow line
_BLOCK = 1 << 20


def send(
    host: Host,
    store: Store,
    artifact: FileArtifact,
    members: Mapping[str, Member],
    reporter: Reporter,
    *,
    root: str = "",
) -> str:
    """Put these files of an artifact on a host, below `root`; the host checks them before. Its name and version."""
    title = f"{artifact.name} {artifact.version}"
    reporter.note(f"sending {title}", host=host.name)
    stdin = _blocks(store.packed(artifact))
    script = install_script(artifact, members, root=root)
    host.change(script, stdin=stdin, timeout=TIMEOUT, what=f"send {artifact.name}")
    return title


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
