"""What a certificate on a host says, for people and for `kubeon certs`."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kubeon.errors import StateError
from kubeon.pki import keys, kubeconfigs
from kubeon.pki.authorities import NAMES, Authorities

BEGIN = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class CertificateInfo:
    """One certificate. Moments are in UTC."""

    subject: str  # "CN=kubernetes-admin,O=system:masters"
    common_name: str
    organizations: tuple[str, ...]
    names: tuple[str, ...]  # DNS names and addresses it is valid for
    issuer: str
    not_before: datetime
    not_after: datetime
    is_ca: bool
    fingerprint: str  # sha256, hex, of the DER

    @property
    def self_signed(self) -> bool:
        """Is it its own issuer, by name?"""
        return self.subject == self.issuer

    def days_left(self, now: datetime) -> int:
        """Whole days until it expires; negative afterwards."""
        return (self.not_after - now).days


def describe(data: bytes, name: str = "certificate") -> CertificateInfo:
    """Describe the first certificate of a PEM text, or the client certificate embedded in a kubeconfig.

    Raises StateError, naming the file `name`, when there is none (a kubeconfig may point to a file instead).
    """
    certificate = _certificate(data, name)
    names: tuple[str, ...] = ()
    is_ca = False
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = tuple(str(general.value) for general in extension.value)
        elif isinstance(extension.value, x509.BasicConstraints):
            is_ca = extension.value.ca
    return CertificateInfo(
        subject=certificate.subject.rfc4514_string(),
        common_name=", ".join(_attributes(certificate, x509.NameOID.COMMON_NAME)),
        organizations=_attributes(certificate, x509.NameOID.ORGANIZATION_NAME),
        names=names,
        issuer=certificate.issuer.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_ca=is_ca,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def signer(data: bytes, authorities: Authorities, name: str = "certificate") -> str:
    """Which of a cluster's CAs signed it, by kubeadm's name: ca, etcd-ca, front-proxy-ca; "" when none did.

    Raises StateError as `describe` does.
    """
    certificate = _certificate(data, name)
    return next((label for label in NAMES if authorities.named(label).signed(certificate)), "")


def split(data: bytes, name: str = "certificate") -> tuple[bytes, ...]:
    """The certificates of a PEM text one by one; none of a text without any. Raises StateError as `describe` does."""
    return tuple(map(keys.certificate_to_pem, keys.load_certificates(data, name))) if BEGIN in data else ()


def from_der(data: bytes, name: str = "certificate") -> bytes:
    """A certificate as it travels in TLS, in PEM. Raises StateError."""
    try:
        return keys.certificate_to_pem(x509.load_der_x509_certificate(data))
    except ValueError as error:
        raise StateError(f"{name} is not a readable certificate", why=str(error)) from error


def ca_fingerprint(pem: bytes, name: str = "ca.crt") -> str:
    """sha256, in hex, of the DER of a CA's certificate, as `Authorities.fingerprint`. Raises StateError."""
    return keys.load_certificate(pem, name).fingerprint(hashes.SHA256()).hex()


def _certificate(data: bytes, name: str) -> x509.Certificate:
    if BEGIN in data:
        return keys.load_certificate(data, name)
    embedded = kubeconfigs.parse(data, name).certificate
    if not embedded:
        raise StateError(f"{name} holds no certificate")
    return keys.load_certificate(embedded, name)


def _attributes(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid))
