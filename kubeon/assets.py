"""Plain files for hosts and images: top-level folders of the repository, inside the wheel below `kubeon/files/`.

And, for images, the Python libraries that kubeon itself runs with.
"""

import re
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

from kubeon.errors import BundleError

_BEYOND_THE_NAME = re.compile(r"[^\w.-]")  # in a requirement
_EXTRA = re.compile(r";.*\bextra\b")


def _folder(kind: str) -> Traversable:
    packed = resources.files("kubeon").joinpath("files", kind)
    if packed.is_dir():
        return packed
    return Path(__file__).parent.parent / kind  # a checkout, or an editable install


def systemd(name: str) -> str:
    """The text of a unit, drop-in or start-up script from `systemd/`."""
    return _folder("systemd").joinpath(name).read_text(encoding="utf-8")


def haproxy(name: str) -> str:
    """The text of a file of the local-haproxy image from `haproxy/`."""
    return _folder("haproxy").joinpath(name).read_text(encoding="utf-8")


def updater() -> dict[str, str]:
    """The modules of apiserver-updater's program from `updater/apiserver_updater/`, by their file names."""
    files = _folder("updater").joinpath("apiserver_updater").iterdir()
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.name.endswith(".py")}


def libraries(name: str) -> dict[str, str]:
    """The modules of an installed Python library and of all that it requires, by their paths below a folder for them.

    Extras are no part of it, nor what is not installed because this Python does without. Raises BundleError.
    """
    found: dict[str, str] = {}
    seen, waiting = set[str](), [name]
    while waiting:
        each = waiting.pop().lower().replace("-", "_")
        if each in seen:
            continue
        seen.add(each)
        try:
            requirements = metadata.requires(each) or []
        except metadata.PackageNotFoundError:
            if each == name:
                raise BundleError(f"{name}, a Python library of kubeon's, is not installed") from None
            continue
        waiting += [_BEYOND_THE_NAME.split(every)[0] for every in requirements if not _EXTRA.search(every)]
        found |= _modules(each)
    return dict(sorted(found.items()))


def _modules(name: str) -> dict[str, str]:
    """The package or module of that name, found as `import` finds it."""
    spec = find_spec(name)
    origin = Path(spec.origin) if spec and spec.origin else Path()
    if not origin.is_file():
        raise BundleError(f"the modules of {name}, a Python library, are not to be found as files")
    if origin.name != "__init__.py":
        return {origin.name: origin.read_bytes().decode()}
    folder = origin.parent
    paths = {file.relative_to(folder.parent): file for file in folder.rglob("*.py")}
    return {path.as_posix(): file.read_bytes().decode() for path, file in paths.items() if "tests" not in path.parts}
