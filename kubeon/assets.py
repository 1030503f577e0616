"""Plain files for hosts and pods: top-level folders of the repository, inside the wheel below `kubeon/files/`."""

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


def haproxy(name: str) -> str:
    """The text of a file of local-haproxy from `haproxy/`."""
    return _folder("haproxy").joinpath(name).read_text(encoding="utf-8")


def updater() -> dict[str, str]:
    """The modules of apiserver-updater's program from `updater/apiserver_updater/`, by their file names."""
    files = _folder("updater").joinpath("apiserver_updater").iterdir()
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.name.endswith(".py")}
