"""A real kubeadm, when there is one, accepts what is put in place for it and makes nothing of its own."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from kubeon.kube.cluster_configuration import _READ_BACK
from kubeon.kubeadm.config import NodeHandoff, init_config, join_config
from kubeon.pki import kubeconfigs
from kubeon.pki.authorities import Authorities, new_authorities
from kubeon.pki.issuing import control_plane_files, kubelet_client
from kubeon.pki.leaves import KUBELET_CONF, kubelet_client_leaf
from kubeon.spec.model import Role
from kubeon.spec.versions import Version, ca_validity, kubeadm_api, lists_flags
from tests.kube.test_cluster_configuration import configured, remember, stored
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
    """It says so of each, writes none, and warns of none."""
    config = in_place(tmp_path, new_authorities(ca_validity(CENTURY), datetime.now(UTC)), version, a_handoff())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    said = kubeadm("init", "phase", "certs", "all", "--config", config)
    said += kubeadm("init", "phase", "kubeconfig", "all", "--config", config, "--kubeconfig-dir", tmp_path)

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "Generating" not in said
    assert "Writing" not in said
    assert "exists already but" not in said


@pytest.mark.parametrize("role", Role)
def test_kubeadm_reads_a_join_configuration(tmp_path: Path, version: Version, role: Role) -> None:
    """No unknown field, nothing missing."""
    config = tmp_path / "join.yaml"
    config.write_text(join_config(a_spec(str(version)), a_handoff(), role))

    said = kubeadm("config", "migrate", "--old-config", config)

    assert f"kubeadm.k8s.io/{kubeadm_api(version)}" in said
    assert "unknown field" not in said
    assert "strict decoding" not in said


def read_back(document: dict[str, Any], version: Version) -> subprocess.CompletedProcess[str]:
    """Ask kubeadm as kubeon does before it stores something."""
    words = "config validate" if version.at_least(28) else "config images list"
    script = _READ_BACK.format(kubeadm=f"{kubeadm_program()} {words}")
    text = yaml.safe_dump(document)
    return subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, check=False)


def test_kubeadm_reads_what_is_stored_in_its_own_object(version: Version) -> None:
    """Into what `kubeadm init` has put there, and into an object without any flags; and it refuses the wrong form."""
    api = kubeadm_api(version)
    bare = {
        "apiVersion": f"kubeadm.k8s.io/{api}",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": str(version),
    }
    _, given, *_ = yaml.safe_load_all(init_config(a_spec(str(version)), a_handoff()))
    for document in (bare, given):
        fake, kubectl = configured(str(version), api, **document)

        remember(kubectl)

        said = read_back(stored(fake), version)
        assert said.returncode == 0, said.stderr
    spoilt = {"extraArgs": {"v": "4"} if lists_flags(api) else []}
    assert "cannot unmarshal" in read_back({**bare, "controllerManager": spoilt}, version).stderr


def kubeadms_own(folder: Path, version: Version) -> dict[str, bytes]:
    """What kubeadm makes of the same description where nothing is in place, by absolute path on a host."""
    documents = list(yaml.safe_load_all(init_config(a_spec(str(version)), a_handoff())))
    documents[1]["certificatesDir"] = str(folder / "pki")
    config = folder / "init.yaml"
    config.write_text(yaml.safe_dump_all(documents))
    kubeadm("init", "phase", "certs", "all", "--config", config)
    kubeadm("init", "phase", "kubeconfig", "all", "--config", config, "--kubeconfig-dir", folder)
    config.unlink()
    return {f"/etc/kubernetes/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*.c*")}


def essence(text: bytes, path: str) -> dict[str, object]:
    """What a certificate, or a kubeconfig with the certificate in it, is for; not how long it lives.

    Nor what kind of key it has: leaves of kubeon have other ones on purpose (`keys.new_leaf_key`).
    """
    kubeconfig = kubeconfigs.parse(text) if path.endswith(".conf") else None
    certificate = x509.load_pem_x509_certificate(kubeconfig.certificate if kubeconfig else text)
    found: dict[str, object] = {
        "subject": {(each.oid, each.value) for each in certificate.subject},
        "issuer": certificate.issuer,
        "signature": certificate.signature_algorithm_oid,
        "where": (kubeconfig.server, kubeconfig.user) if kubeconfig else (),
    }
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)):
            continue  # that they belong together is what openssl verifies
        several = isinstance(value, (x509.SubjectAlternativeName, x509.ExtendedKeyUsage))
        found[extension.oid._name] = (extension.critical, set(value) if several else value)
    return found


def test_certificates_are_those_that_this_kubeadm_makes(tmp_path: Path, version: Version) -> None:
    """Subjects, names, usages, signers and servers, of CAs and leaves; none too many, none too few."""
    own = kubeadms_own(tmp_path, version)
    now = datetime.now(UTC)
    authorities = new_authorities(ca_validity(CENTURY), now)
    node, spec = a_handoff(), a_spec(str(version))
    request = a_request(str(version), super_admin=True, sans=(*spec.certificates.sans, *node.certificate_sans))
    files = control_plane_files(authorities, request, now, {}).files
    files |= {f"/etc/kubernetes/pki/{path}": content for path, content in authorities.to_files().items()}
    ours = {path: essence(content, path) for path, content in files.items() if path.endswith((".crt", ".conf"))}
    theirs = {path: essence(content, path) for path, content in own.items()}
    kubelet = theirs.pop(KUBELET_CONF)

    assert ours == theirs
    leaf = kubelet_client_leaf(request)
    assert kubelet["where"] == (leaf.server, leaf.subject.common_name)
