"""Plain files that are copied to hosts: the repository's top-level `systemd/`, inside the wheel `kubeon/files/`."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


def _folder(kind: str) -> Traversable:
    packed = resources.files("kubeon").joinpath("files", kind)
    if packed.is_dir():
        return packed
    return Path(__file__).parent.parent / kind  # a checkout, or an editable install


def systemd(name: str) -> str:
    """The text of a unit, drop-in or start-up script from `systemd/`."""
    return _folder("systemd").joinpath(name).read_text(encoding="utf-8")
