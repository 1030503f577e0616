"""A release in the mirror: its files put where they are served, its images pushed, its versions written down."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.lab import cache
from tests.lab.mirror import debian, layout, origin, recipes, services
from tests.lab.mirror.images import image
from tests.lab.mirror.parts import Parts, images
from tests.lab.mirror.registry import Registry
from tests.lab.mirror.rows import numbers
from tests.lab.mirror.store import HERE, Log, folder, read_json, write

ROOT = "mirror"
VERSIONS = "lab-versions.json"


def built(release: str, parts: Parts, log: Log = print) -> None:
    """A release that was built here."""
    inputs = [parts.made_from, *(debian.unpacked(packages, log).name for packages in (debian.BUSYBOX, debian.PROXY))]
    sources = [HERE / name for name in ("layout.py", "parts.py", "images.py", "recipes.py")]
    key = cache.key(*inputs, *sources)
    files = folder(f"files-{release}", key, make=lambda new: layout.make(new, release, parts), log=log)
    layout.publish(files, cache.root() / ROOT)

    def push(registry: Registry) -> list[str]:
        wanted = recipes.recipes(release, parts, log)
        for reference, recipe in wanted.items():
            made = image(recipe)
            registry.push(reference, made)
            log(f"  {reference}: {sum(map(len, made.blobs.values())) >> 20} MiB")
        return list(wanted)

    note(
        release, {**parts.versions, "images": pushed(f"{release}-{key}", push, log), "from": files.name, "built": True}
    )


def fetched(
    release: str, base: str, registry: str | None, components: Mapping[str, str] | None, log: Log = print
) -> None:
    """A release from the Internet or from somebody's mirror."""
    versions = origin.versions(release, components)
    files = folder(
        f"fetched-{release}",
        json.dumps(versions, sort_keys=True),
        make=lambda new: origin.make(new, release, versions, base, log),
        log=log,
    )
    layout.publish(files, cache.root() / ROOT)
    programs = (files / layout.files(release, versions)["kubeadm"].path).parent

    def push(target: Registry) -> list[str]:
        wanted = [*images(programs, release), recipes.BUSYBOX]
        origin.copy(wanted, target, registry, log)
        return wanted

    note(
        release,
        {**versions, "images": pushed(f"{release}-{files.name}", push, log), "from": files.name, "built": False},
    )


def pushed(name: str, push: Callable[[Registry], list[str]], log: Log) -> list[str]:
    """Push images, once: the note of it lies with the registry's own storage and goes with it."""
    done = services.registry_root() / "pushed" / f"{name}.json"
    if (names := read_json(done)) is None:
        log(f"pushing the images of {name}")
        with services.registry_for_pushing(log) as base:
            names = push(Registry(base))
        write(done, json.dumps(names))
    found: list[str] = names
    return found


def note(release: str, entry: dict[str, Any]) -> None:
    """Write down what there is now, and the newest releases as upstream does."""
    root = cache.root() / ROOT
    known: dict[str, Any] = (read_json(root / VERSIONS) or {}).get("releases", {})
    known[release] = entry
    names = sorted(known, key=numbers)
    top = {name: value for name, value in known[names[0]].items() if name not in {"images", "from", "built"}}
    new = {
        root / VERSIONS: json.dumps({"kubernetes": names, **top, "releases": known}, indent=1) + "\n",
        root / "dl.k8s.io/release/stable.txt": names[-1],
        **{root / f"dl.k8s.io/release/stable-{name.rpartition('.')[0][1:]}.txt": name for name in names},
    }
    for path, text in new.items():
        if not path.exists() or path.read_text() != text:
            write(path, text)
