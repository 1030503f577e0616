"""Patches for kubeadm's static pods."""

import yaml

from kubeon.kubeadm.patches import FOLDER, patch_files, patch_flags
from kubeon.spec.versions import Version


def test_etcd_asks_for_no_part_of_the_disk_before_1_22() -> None:
    """kubernetes/kubernetes#99305: a null takes the request away, and does nothing where there is none."""
    (file,) = patch_files(Version.parse("v1.21.14"))
    assert file.path == f"{FOLDER}/etcd+strategic.yaml"
    (container,) = yaml.safe_load(file.content)["spec"]["containers"]
    assert container == {"name": "etcd", "resources": {"requests": {"ephemeral-storage": None}}}
    assert patch_flags(Version.parse("v1.20.2")) == (f"--experimental-patches={FOLDER}",)


def test_newer_releases_need_none() -> None:
    """kubeadm asks for none itself, and the flag has another name."""
    for version in map(Version.parse, ("v1.22.0", "v1.34.1")):
        assert patch_files(version) == ()
        assert patch_flags(version) == ()
