"""kubeadm's own answer to which images a release needs: right for releases that this kubeon does not know yet."""

import os
import platform
import subprocess

from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.spec.material import FileArtifact
from kubeon.spec.releases import is_known
from kubeon.spec.versions import Version

_TIMEOUT = 60  # seconds; kubeadm 1.20 asks the Internet for nothing when it is told the version


def machine_architecture() -> str:
    """amd64 or arm64 when kubeadm can run on this control machine (Linux only), else ""."""
    if platform.system() != "Linux":
        return ""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "")


def images_by_kubeadm(version: Version, kubeadm: FileArtifact | None, store: Store) -> tuple[str, ...]:
    """`kubeadm config images list`, asked once for each release; () when kubeadm cannot run here but the table knows.

    `kubeadm` is the program for this machine, None when there is none. Raises BundleError when nobody knows.
    """
    key = f"images of {version}"
    if found := store.read_index(key):
        return tuple(found["images"])
    if kubeadm is None:
        if is_known(version):
            return ()
        raise BundleError(
            f"the images of {version} are not known",
            why="this kubeon is older than the release, and kubeadm, which knows them, does not run on this machine",
            hint="use a Linux machine (amd64 or arm64), or a newer kubeon",
        )
    try:
        images = _ask(version, kubeadm, store)
    except BundleError:
        if is_known(version):  # this machine's kubeadm is not worth a failure when the table has the answer
            return ()
        raise
    store.write_index(key, {"images": images})
    return tuple(images)


def _ask(version: Version, kubeadm: FileArtifact, store: Store) -> list[str]:
    program = store.fetch(kubeadm)
    with store.partial(f"run {program.sha256} {os.getpid()}") as runnable:
        runnable.write_bytes(program.path.read_bytes())
        runnable.chmod(0o700)
        words = [str(runnable), "config", "images", "list", f"--kubernetes-version={version}"]
        try:
            answer = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(kubeadm, str(error)) from None
    images = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode or not images:
        raise _failed(kubeadm, answer.stderr.strip() or "it printed nothing")
    return images


def _failed(kubeadm: FileArtifact, why: str) -> BundleError:
    return BundleError(
        "kubeadm does not say which images it needs", why=why, hint=f"it came from {kubeadm.url} or its mirror"
    )
