"""CAs: made, written, read, refused."""

import hashlib
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kubeon.errors import StateError
from kubeon.pki.authorities import BACKDATE, Authorities, new_authorities
from tests.pki.factories import CENTURY, NOW


def test_files_have_kubeadms_names(authorities: Authorities) -> None:
    """Relative to /etc/kubernetes/pki."""
    assert set(authorities.to_files()) == {
        *("ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "front-proxy-ca.key"),
        *("sa.key", "sa.pub"),
    }


def test_written_and_read_they_are_the_same(authorities: Authorities) -> None:
    """Reading twice gives the same files."""
    read = Authorities.from_files(authorities.to_files())

    assert read.to_files() == authorities.to_files()
    assert read.fingerprint == authorities.fingerprint


def test_a_ca_is_as_kubeadm_makes_it(authorities: Authorities) -> None:
    """Names, usages and life; the CA outlives leaf certificates by ten years."""
    ca = authorities.ca.certificate
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value

    assert ca.subject.rfc4514_string() == "CN=kubernetes"
    assert authorities.etcd_ca.certificate.subject.rfc4514_string() == "CN=etcd-ca"
    assert authorities.front_proxy_ca.certificate.subject.rfc4514_string() == "CN=front-proxy-ca"
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert usage.key_cert_sign
    assert usage.digital_signature
    assert ca.not_valid_before_utc == NOW - BACKDATE
    assert ca.not_valid_after_utc == NOW + CENTURY + timedelta(days=3650)


def test_the_service_account_key_is_rsa(authorities: Authorities) -> None:
    """kubeadm v1.20 refuses any other when a control plane joins."""
    assert isinstance(authorities.service_account, rsa.RSAPrivateKey)


def test_two_clusters_differ() -> None:
    """The fingerprint tells them apart."""
    assert new_authorities(CENTURY, NOW).fingerprint != new_authorities(CENTURY, NOW).fingerprint


def test_keys_do_not_show_in_repr(authorities: Authorities) -> None:
    """A repr may end up in a log."""
    assert "Key" not in repr(authorities)


@pytest.mark.parametrize("path", ["ca.crt", "ca.key", "etcd/ca.key", "front-proxy-ca.crt", "sa.key", "sa.pub"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_missing_and_damaged_files_are_named(authorities: Authorities, path: str, content: bytes | None) -> None:
    """The error names the file."""
    files = authorities.to_files()
    if content is None:
        del files[path]
    else:
        files[path] = content

    with pytest.raises(StateError, match=path):
        Authorities.from_files(files)


@pytest.mark.parametrize("path", ["ca.key", "etcd/ca.crt", "front-proxy-ca.key", "sa.pub"])
def test_halves_of_two_clusters_are_refused(authorities: Authorities, path: str) -> None:
    """A key beside another cluster's certificate would break everything later."""
    other = new_authorities(CENTURY, NOW).to_files()

    with pytest.raises(StateError, match="do not belong together"):
        Authorities.from_files({**authorities.to_files(), path: other[path]})


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_openssl_agrees_on_the_hash(authorities: Authorities, tmp_path: Path) -> None:
    """The recipe from kubeadm's documentation gives the same discovery hash."""
    (tmp_path / "ca.crt").write_bytes(authorities.ca.pem)
    public = subprocess.run(
        ["openssl", "x509", "-pubkey", "-noout", "-in", tmp_path / "ca.crt"], capture_output=True, check=True
    ).stdout
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "der"], input=public, capture_output=True, check=True
    )

    assert authorities.spki_hash == "sha256:" + hashlib.sha256(der.stdout).hexdigest()
