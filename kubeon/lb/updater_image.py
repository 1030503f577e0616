"""The image of apiserver-updater: our program and httpx on a Python."""

from collections.abc import Mapping
from functools import cache

from kubeon import assets
from kubeon.spec.material import ImageArtifact, Recipe, RecipeFile

# The official image, of a branch with fixes until 2029. An exact patch release, and Alpine's, as for haproxy.
# Tags: github.com/docker-library/python, versions.json (3.13.14 came with f79aea5b8f6b).
BASE = "docker.io/library/python:3.13.14-alpine"
UID = 65532
FOLDER = "/opt/apiserver-updater"  # the program and its libraries beside each other, in nobody's way
_MAIN = '''\
"""What `python3 FOLDER` runs: the program beside this file."""

import runpy

runpy.run_module("apiserver_updater", run_name="__main__", alter_sys=True)
'''


@cache
def image() -> ImageArtifact:
    """The image with the program of this kubeon, and httpx as this Python has it."""
    return made(assets.updater(), assets.libraries("httpx"))


def made(program: Mapping[str, str], libraries: Mapping[str, str]) -> ImageArtifact:
    """The image of these modules: the same ones make the same image."""
    files = {
        "__main__.py": _MAIN,
        **libraries,
        **{f"apiserver_updater/{name}": text for name, text in program.items()},
    }
    recipe = Recipe(
        base=BASE,
        files=tuple(RecipeFile(f"{FOLDER}/{path}", text) for path, text in sorted(files.items())),
        # of its folder alone, whatever the environment says; nothing is written; what it says is read at once
        entrypoint=("python3", "-I", "-B", "-u", FOLDER),
        user=f"{UID}:{UID}",
        packages=("python3", "busybox-static"),
    )
    return ImageArtifact(f"localhost/apiserver-updater:{recipe.key}", recipe=recipe)
