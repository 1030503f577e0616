"""A cluster's record under another name."""

from kubeon.spec.model import ClusterSpec
from kubeon.state.cluster import ClusterState
from kubeon.state.files import explained, link_file

_OWN = ("lock", "renaming", "cluster.yaml", "proposed.yaml")  # of the record itself; the descriptions hold its name


def renamed(spec: ClusterSpec, name: str) -> ClusterSpec:
    """The same cluster under this name."""
    return spec.model_copy(update={"name": name})


def copy_record(old: ClusterState, new: ClusterState) -> None:
    """All that the old record holds into the new one, the description last. Safe to run again."""
    new.write_pki(old.read_pki())
    with explained(old.path):
        files = [path for path in sorted(old.path.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    for path in files:
        relative = path.relative_to(old.path)
        if relative.as_posix() not in _OWN and relative.parts[0] != "pki":
            link_file(path, new.path / relative)
    stored, proposed = old.read_spec(), old.read_proposed()
    if stored:
        new.write_spec(renamed(stored, new.name))
    if proposed:
        new.write_proposed(renamed(proposed, new.name))
