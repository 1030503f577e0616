"""The lab's worked example, run beside kubeon: its own cluster.sh and node.sh on hosts of our lab.

It is not part of this repository: the folder is found by KUBEON_LAB_EXAMPLE, else ../shared/lab-example. What is put in
its place here, and nothing else:

- `lab.sh` makes hosts and a network of its own, which would collide with our lab's: `up` and `down` do nothing (hosts
  are up before; time counts from the end of that step), `ssh` logs in by our lab's key.
- Addresses 10.77.0.x are 10.77.200.x. The package server is on port 8082 instead of 8081, which is our mirror's; hosts
  get .deb packages from our mirror, as kubeon's do.
- bin/ and images/ are made from the same programs as our mirror's, not built again.
"""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab import cache, hosts, network
from tests.lab.mirror import bookworm, recipes
from tests.lab.mirror.images import Image, Recipe, digest, image

REPOSITORY = Path(__file__).parents[2]
RELEASE = "v1.20.2"
PORT = 8082
NAMES = {bookworm.NETWORK: ("cni", "registry.lab/cni:1"), recipes.BUSYBOX: ("busybox", "registry.lab/busybox:1.35")}
BALANCER = "10.77.200.10"
LAB = """#!/bin/sh
# in place of the example's own lab.sh: hosts are those of kubeon's lab
case $1 in
    ssh) shift; address=$1; shift; exec {ssh} "root@$address" "$@" ;;
esac
"""


def folder() -> Path:
    """Where the example is, or would be."""
    return Path(os.environ.get("KUBEON_LAB_EXAMPLE") or REPOSITORY.parent / "shared/lab-example")


def addresses(control_planes: int, workers: int) -> tuple[list[str], list[str]]:
    """Where cluster.sh looks for its hosts, after the change of addresses."""
    return (
        [f"10.77.200.{10 + number}" for number in range(1, control_planes + 1)],
        [f"10.77.200.{30 + number}" for number in range(1, workers + 1)],
    )


def install(target: Path) -> Path:
    """A copy of the example that runs on our lab; material in `target`/repo is kept from one run to the next."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "out").mkdir(exist_ok=True)
    for name in ("cluster.sh", "node.sh", "cni.yml", "kubeadm-1.20.2.yaml"):
        text = (folder() / name).read_text()
        text = text.replace("http://10.77.0.1:8081", f"http://{network.GATEWAY}:{PORT}")
        (target / name).write_text(text.replace("10.77.0.", "10.77.200.").replace(f"200.1:{PORT}", f"0.1:{PORT}"))
    words = hosts.ssh_words(hosts.LabHost("", "ADDRESS", ""))[:-1]
    (target / "lab.sh").write_text(LAB.format(ssh=" ".join(words)))
    for name in ("cluster.sh", "node.sh", "lab.sh"):
        (target / name).chmod(0o755)
    if not (target / "repo/done").exists():
        _material(target / "repo")
        (target / "repo/done").touch()
    return target


@contextlib.contextmanager
def package_server(target: Path) -> Iterator[None]:
    """The example's own way to serve bin/ and images/: python's http.server."""
    words = [sys.executable, "-m", "http.server", "--bind", str(network.GATEWAY)]
    words += ["--directory", str(target / "repo"), str(PORT)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection((str(network.GATEWAY), PORT), 1):
                    break
                time.sleep(0.05)
            yield
        finally:
            server.terminate()


def _material(repo: Path) -> None:
    shutil.rmtree(repo, ignore_errors=True)
    parts, version = bookworm.parts(RELEASE), RELEASE.removeprefix("v")
    shutil.copytree(parts.kubernetes, repo / "bin" / version)
    (repo / "bin/own").mkdir()
    shutil.copy(parts.crictl, repo / "bin/own")
    (repo / "images" / version).mkdir(parents=True)
    for reference, recipe in recipes.recipes(RELEASE, parts).items():
        name, called = NAMES.get(reference, (reference.rpartition("/")[2].partition(":")[0], reference))
        if name == "cni":
            recipe = Recipe({"/cni": recipe.files["/network"]}, ["/cni"])  # noqa: PLW2901
        _archive(repo / "images" / version / f"{name}.tar", called, image(recipe))


def _archive(path: Path, reference: str, made: Image) -> None:
    """An image as `docker save` writes it, as mkimages.py does."""
    manifest = json.loads(made.manifest)
    config, layer = made.blobs[manifest["config"]["digest"]], made.blobs[manifest["layers"][0]["digest"]]
    name = digest(config).partition(":")[2] + ".json"
    contents = json.dumps([{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(path, "w") as tar:
        for member, data in (("manifest.json", contents), (name, config), ("layer.tar", layer)):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def repository() -> Path:
    """Where the copy lies: in the lab's cache, because its images take half a minute to pack."""
    return cache.root() / "bench-example"
