"""A real kubeadm, when there is one, accepts what is put in place for it and makes nothing of its own."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from kubeon.kubeadm.config import NodeHandoff, init_config, join_config
from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.pki.issuing import control_plane_files, kubelet_client
from kubeon.pki.leaves import KUBELET_CONF
from kubeon.spec.model import Role
from kubeon.spec.versions import Version, ca_validity, kubeadm_api
from tests.kubeadm.test_config import a_handoff, a_spec
from tests.lab import mirror
from tests.pki.factories import CENTURY, a_request


def kubeadm_program() -> str:
    """$KUBEON_KUBEADM, the one on PATH, or the newest that the lab has built."""
    found = os.environ.get("KUBEON_KUBEADM") or shutil.which("kubeadm") or mirror.programs().get("kubeadm")
    return str(found or "")


pytestmark = pytest.mark.skipif(not kubeadm_program(), reason="needs a kubeadm; set KUBEON_KUBEADM")


def kubeadm(*words: object) -> str:
    """Run kubeadm and return what it says. A failure shows its output."""
    result = subprocess.run([kubeadm_program(), *map(str, words)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def version() -> Version:
    """The release of that kubeadm."""
    return Version.parse(kubeadm("version", "-o", "short").split()[-1])


def in_place(folder: Path, authorities: Authorities, version: Version, node: NodeHandoff) -> Path:
    """Everything a first control plane has before `kubeadm init`, below `folder`; the configuration's path."""
    now = datetime.now(UTC)
    request = a_request(str(version), super_admin=True)
    files = control_plane_files(authorities, request, now, {}).files
    files[KUBELET_CONF] = kubelet_client(authorities, request, now, {}).files[KUBELET_CONF]
    files |= {f"/etc/kubernetes/pki/{path}": content for path, content in authorities.to_files().items()}
    for path, content in files.items():
        target = folder / path.removeprefix("/etc/kubernetes/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    documents = list(yaml.safe_load_all(init_config(a_spec(str(version)), node)))
    documents[1]["certificatesDir"] = str(folder / "pki")
    config = folder / "init.yaml"
    config.write_text(yaml.safe_dump_all(documents))
    return config


def test_kubeadm_adopts_certificates_and_kubeconfigs(tmp_path: Path, version: Version) -> None:
    """It says so of each, writes none, and warns of none but the kubelet's.

    From 1.33 on kubeadm itself has the kubelet of a control plane go to that node's address (KEP-4471). Ours names the
    endpoint, which on a control plane is that very node, whatever becomes of its address.
    """
    config = in_place(tmp_path, new_authorities(ca_validity(CENTURY), datetime.now(UTC)), version, a_handoff())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    said = kubeadm("init", "phase", "certs", "all", "--config", config)
    said += kubeadm("init", "phase", "kubeconfig", "all", "--config", config, "--kubeconfig-dir", tmp_path)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "Generating" not in said
    assert "Writing" not in said
    warned = re.findall(r'"(\S+)" exists already but has an unexpected API Server URL', said)
    assert [Path(name).name for name in warned] == (["kubelet.conf"] if version.at_least(33) else [])
    assert said.count("exists already but") == len(warned)


@pytest.mark.parametrize("role", Role)
def test_kubeadm_reads_a_join_configuration(tmp_path: Path, version: Version, role: Role) -> None:
    """No unknown field, nothing missing."""
    config = tmp_path / "join.yaml"
    config.write_text(join_config(a_spec(str(version)), a_handoff(), role))

    said = kubeadm("config", "migrate", "--old-config", config)

    assert f"kubeadm.k8s.io/{kubeadm_api(version)}" in said
    assert "unknown field" not in said
    assert "strict decoding" not in said
