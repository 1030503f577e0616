"""The program as its pods run it: out of a ConfigMap's files, by the Python of the image, as a user without rights."""

import gzip
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb.updater import IMAGE, PROGRAM, UID, program
from tests.lab.mirror import debian_base
from tests.lab.mirror.official import STAND_INS

pytestmark = pytest.mark.slow
HERE = machine_architecture()
needs_root_and_apt = pytest.mark.skipif(
    os.geteuid() != 0 or bool(debian_base.lacking(HERE)), reason="chroot and apt-get: root on Debian"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of the lab's stand-in for the official image, with the program where it is mounted."""
    folder = tmp_path_factory.mktemp("updater")
    try:
        made = debian_base.base_image(STAND_INS[IMAGE], HERE, Store(folder / "store"), "localhost/base:1")
    except BundleError as error:
        pytest.skip(f"Debian's archive is out of reach: {error}")
    with gzip.open(made.blobs[-1].path) as plain, tarfile.open(fileobj=plain, mode="r:") as layer:
        layer.extractall(folder / "root", filter="tar")
    for path, text in program().values():
        file = folder / "root" / PROGRAM.lstrip("/") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder / "root"


@needs_root_and_apt
def test_it_starts(root: Path) -> None:
    """It finds all that it imports, writes nothing, and does not mind an environment that would mislead it."""
    before = sorted(root.rglob("*"))

    done = subprocess.run(
        ["chroot", f"--userspec={UID}:{UID}", root, "python3", "-I", "-B", "-u", PROGRAM, "--help"],
        env={"PATH": debian_base.PATH, "PYTHONPATH": "/usr/lib/python3", "PYTHONHOME": "/nowhere"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "--health-port" in done.stdout
    assert sorted(root.rglob("*")) == before
    assert not list(root.glob("usr/lib/python3.*/test"))
    assert not (root / "usr/share").exists()
