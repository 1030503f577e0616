"""The image of apiserver-updater: what is in it, and, on Debian's packages, that it runs."""

import gzip
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from kubeon import assets
from kubeon.bundle import debian_base
from kubeon.bundle.image_builder import build_image
from kubeon.bundle.kubeadm import machine_architecture
from kubeon.errors import BundleError
from kubeon.lb.updater_image import FOLDER, UID, image, made
from kubeon.spec.material import EVERYWHERE, ImageArtifact
from tests.bundle.test_store import Server, a_store

pytestmark = pytest.mark.slow

PROGRAM = {"__init__.py": "", "__main__.py": "print('updating')\n"}
LIBRARIES = {"httpx/__init__.py": "__version__ = '1'\n", "h11.py": ""}
HERE = machine_architecture()
# all that a client of an API server needs, and where it comes from
ASKING = """
import asyncio, ctypes, json, os, ssl, sys, threading, zoneinfo
import httpx

async def ask():
    transport = httpx.AsyncHTTPTransport(verify=ssl.create_default_context())
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        try:
            await client.get("https://127.0.0.1:1/")
        except httpx.ConnectError:
            return "refused"

name = "\u00e4".encode("idna").decode()
print(json.dumps([os.getuid(), httpx.__file__, sys.argv[1:], sys.version_info[:2], name, asyncio.run(ask())]))
"""
needs_root_and_apt = pytest.mark.skipif(
    os.geteuid() != 0 or bool(debian_base.lacking(HERE)), reason="chroot and apt-get: root on Debian"
)
needs_program = pytest.mark.skipif(
    not (Path(__file__).parents[2] / "updater/apiserver_updater").is_dir(), reason="no program in this checkout"
)


def test_the_program_and_its_libraries_are_one_folder() -> None:
    """Python is pointed at the folder, and at nothing else; the name is a hash over all that goes in."""
    artifact = made(PROGRAM, LIBRARIES)
    recipe = artifact.recipe
    assert recipe

    assert [file.path.removeprefix(f"{FOLDER}/") for file in recipe.files] == [
        "__main__.py",
        "apiserver_updater/__init__.py",
        "apiserver_updater/__main__.py",
        "h11.py",
        "httpx/__init__.py",
    ]
    assert recipe.entrypoint == ("python3", "-I", "-B", "-u", FOLDER)
    assert recipe.user == f"{UID}:{UID}"
    assert artifact.reference == f"localhost/apiserver-updater:{recipe.key}"
    assert artifact.roles == EVERYWHERE


def test_the_same_modules_are_the_same_image() -> None:
    """In whatever order they were found."""
    again = made(dict(reversed(PROGRAM.items())), dict(reversed(LIBRARIES.items())))

    assert again == made(PROGRAM, LIBRARIES)


@pytest.mark.parametrize(
    ("program", "libraries"),
    [
        (PROGRAM | {"__main__.py": "print('other')\n"}, LIBRARIES),
        (PROGRAM, LIBRARIES | {"httpx/__init__.py": "__version__ = '2'\n"}),
        (PROGRAM, LIBRARIES | {"httpx/new.py": ""}),
    ],
)
def test_another_program_or_httpx_is_another_image(program: dict[str, str], libraries: dict[str, str]) -> None:
    """Nobody runs the old one under the new one's name."""
    assert made(program, libraries).reference != made(PROGRAM, LIBRARIES).reference


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of Debian's packages and the layer of an image with httpx."""
    folder = tmp_path_factory.mktemp("updater")
    return unpacked(made(PROGRAM | {"__main__.py": ASKING}, assets.libraries("httpx")), folder)


def unpacked(artifact: ImageArtifact, folder: Path) -> Path:
    """Both layers, one over the other."""
    store = a_store(folder, Server({}))
    recipe = artifact.recipe
    assert recipe
    try:
        base = debian_base.base_image(recipe, HERE, store, "localhost/base:1")
    except BundleError as error:
        pytest.skip(f"Debian's archive is out of reach: {error}")
    built = build_image(store, artifact, base)
    blobs = {f"sha256:{blob.sha256}": blob.path for blob in built.blobs}
    for descriptor in json.loads(built.manifest.path.read_bytes())["layers"]:
        with (
            gzip.open(blobs[descriptor["digest"]]) as plain,
            tarfile.open(fileobj=plain, mode="r:") as layer,
        ):
            layer.extractall(folder / "root", filter="tar")
    return folder / "root"


def run(root: Path, artifact: ImageArtifact, *words: str) -> subprocess.CompletedProcess[str]:
    """The entry point, as the image's user in the image's files, in an environment that would mislead it."""
    recipe = artifact.recipe
    assert recipe
    return subprocess.run(
        ["chroot", f"--userspec={recipe.user}", root, *recipe.entrypoint, *words],
        env={"PATH": debian_base.PATH, "PYTHONPATH": "/usr/lib/python3", "PYTHONHOME": "/nowhere"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@needs_root_and_apt
def test_debian_packages_make_a_python_with_all_that_httpx_needs(root: Path) -> None:
    """It runs as another user, who may write nowhere and does not; httpx works without a list of CAs."""
    before = sorted(root.rglob("*"))

    done = run(root, made(PROGRAM, {}), "a", "b")

    assert done.returncode == 0, done.stderr
    uid, where, arguments, version, *rest = json.loads(done.stdout)
    assert (uid, where, arguments) == (UID, f"{FOLDER}/httpx/__init__.py", ["a", "b"])
    assert rest == ["xn--4ca", "refused"]
    assert version >= [3, 11]
    assert sorted(root.rglob("*")) == before
    assert not (root / f"usr/lib/python3.{version[1]}/test").exists()
    assert not (root / "usr/share").exists()


@needs_root_and_apt
@needs_program
def test_the_program_itself_starts(root: Path) -> None:
    """It finds all that it imports."""
    image.cache_clear()
    recipe = image().recipe
    assert recipe
    for file in recipe.files:
        if file.path.startswith(f"{FOLDER}/apiserver_updater/"):
            (root / file.path.lstrip("/")).write_text(file.content, encoding="utf-8")

    done = run(root, image(), "--help")

    assert done.returncode == 0, done.stderr
    assert "--health-port" in done.stdout
