"""The exact list of what a cluster needs."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kubeon.bundle import catalogue, kubeadm
from kubeon.bundle.archives import Member
from kubeon.bundle.catalogue import all_files, host_files, material
from kubeon.bundle.install import install_script, lacking_script
from kubeon.errors import BundleError
from kubeon.lb import LBS
from kubeon.spec.material import FileArtifact, Install
from kubeon.spec.model import Role
from kubeon.spec.releases import is_known, kubeadm_images, table
from kubeon.spec.versions import Version
from tests.bundle.test_store import Server, a_file, a_server, a_store, an_artifact
from tests.golden import assert_golden
from tests.specs import a_spec


@pytest.mark.parametrize(
    ("version", "architecture", "fields"),
    [
        ("v1.20.2", "amd64", {"components": {"containerd": "1.6.20", "runc": "v1.1.5", "cniPlugins": "1.1.1"}}),
        ("v1.27.3", "arm64", {"networking": {"plugin": "calico"}}),
        ("v1.37.2", "arm64", {"networking": {"plugin": "flannel"}}),
    ],
)
def test_files_and_images(version: str, architecture: str, fields: dict[str, Any]) -> None:
    """The oldest, one in the middle, the newest."""
    spec = a_spec(version, **fields)
    lines = [
        f"{file.url}\n  {file.checksum_url or file.sha256}\n"
        + "".join(f"  {i.member or '.'} -> {i.path}\n" for i in file.installs)
        for file in all_files(spec, architecture)
    ]

    assert_golden(
        "".join(lines) + "\n".join(kubeadm_images(spec.kubernetes)) + "\n", f"bundle/{version}-{architecture}.txt"
    )


@pytest.mark.parametrize("minor", range(20, table().newest.minor + 1))
def test_every_minor_has_a_row(minor: int) -> None:
    """Seven images each, the first patch release and the newest known; CoreDNS moved in 1.21."""
    for patch in (0, 3):
        images = kubeadm_images(Version(1, minor, patch))
        assert len(images) == len(set(images)) == 7
        assert images[-1].count("coredns") == (1 if minor == 20 else 2)
    assert is_known(Version(1, minor, 0))
    assert not is_known(Version(1, minor, 99))


def a_kubeadm(script: str, tmp_path: Path) -> Server:
    """A server with a kubeadm of ours for v1.99.1, whatever this machine is."""
    del tmp_path
    content = f"#!/bin/sh\n{script}\n".encode()
    base = "https://dl.k8s.io/release/v1.99.1/bin/linux"
    answers = {}
    for architecture in catalogue.ARCHITECTURES:
        answers[f"{base}/{architecture}/kubeadm"] = a_file(content)
        answers[f"{base}/{architecture}/kubeadm.sha256"] = a_file(hashlib.sha256(content).hexdigest().encode())
    return Server({**answers})


needs_linux = pytest.mark.skipif(not kubeadm.machine_architecture(), reason="kubeadm runs on Linux only")


@needs_linux
def test_a_release_newer_than_the_table_is_kubeadms_business(tmp_path: Path) -> None:
    """Its answer is the list, roles included, and it is asked once."""
    server = a_kubeadm('echo "registry.k8s.io/pause:9.9"; echo registry.k8s.io/etcd:9; echo "warning $4" >&2', tmp_path)
    spec = a_spec("v1.99.1", load_balancer={"mode": "direct"})

    found = material(spec, "amd64", a_store(tmp_path, server))
    again = material(spec, "amd64", a_store(tmp_path, Server({})))

    assert found.references == ("registry.k8s.io/pause:9.9", "registry.k8s.io/etcd:9")
    assert again == found
    assert [image.reference for image in found.images_for(Role.WORKER)] == ["registry.k8s.io/pause:9.9"]
    assert found.manifest == ""  # of `bridge`; what it has in the cluster follows the nodes


def test_the_load_balancers_image_is_for_its_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers hold one image more, and a cluster without workers none of it."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    found = material(a_spec("v1.34.1"), "amd64", a_store(tmp_path, Server({})))

    (made,) = LBS["haproxy"].images(a_spec())
    assert made in found.images_for(Role.WORKER)
    assert made not in found.images_for(Role.CONTROL_PLANE)


@needs_linux
@pytest.mark.parametrize("script", ["echo no >&2; exit 1", "exit 0"])
def test_a_kubeadm_that_does_not_say_is_an_error(tmp_path: Path, script: str) -> None:
    """For a release that only it knows."""
    with pytest.raises(BundleError, match="does not say which images"):
        material(a_spec("v1.99.1"), "amd64", a_store(tmp_path, a_kubeadm(script, tmp_path)))


def test_where_kubeadm_does_not_run_the_table_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac, say; and says when it is too old for the release."""
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    store = a_store(tmp_path, Server({}))

    assert material(a_spec("v1.34.1", workers=0), "amd64", store).references == kubeadm_images(Version(1, 34, 1))
    with pytest.raises(BundleError, match=r"images of v1\.99\.0 are not known"):
        material(a_spec("v1.99.0"), "amd64", store)


@pytest.mark.parametrize("before", ["", "command() { false; }\n"], ids=["openssl", "coreutils"])
def test_installing_is_asked_for_done_and_then_not_asked_for(tmp_path: Path, before: str) -> None:
    """The scripts on this machine, run twice; what lay there before is kept aside, and the path is on record."""
    root = tmp_path / "root"
    artifact = an_artifact(installs=(Install("", "/bin/program"),))
    store = a_store(tmp_path, a_server())
    members = store.members(artifact)
    packed = store.packed(artifact).read_bytes()
    (root / "bin").mkdir(parents=True)
    (root / "bin/program").write_text("somebody else's")

    def sh(script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["sh", "-c", before + script], input=stdin, capture_output=True, check=False)

    damaged = {"/bin/program": Member("0" * 64, 0o755, 1)}
    refused = sh(install_script(artifact, damaged, root=str(root)), packed)
    assert (refused.returncode, refused.stderr.decode()) == (1, "/bin/program came damaged\n")
    assert (root / "bin/program").read_text() == "somebody else's"
    for _ in range(2):
        assert sh(install_script(artifact, members, root=str(root)), packed).returncode == 0
    there = {f"{root}{path}": member for path, member in members.items()}
    assert sh(lacking_script(there)).stdout == b""
    with (root / "bin/program").open("a") as file:
        file.write("tampered")
    assert sh(lacking_script(there)).stdout.decode() == f"{root}/bin/program\n"
    assert (root / "var/lib/kubeon/installed").read_text() == "/bin/program\n"
    assert (root / "var/lib/kubeon/found/files/bin/program").read_text() == "somebody else's"


def test_no_artifact_is_trusted_without_a_reason() -> None:
    """A checksum, or words that say why there is none."""
    with pytest.raises(ValueError, match="needs a checksum"):
        FileArtifact("x", "1", "https://example.com/x")
    assert all(file.checksum_url for file in host_files(a_spec(), "amd64"))
