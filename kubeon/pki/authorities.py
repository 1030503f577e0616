"""A cluster's three CAs and its service-account key pair, with kubeadm's names, subjects and extensions."""

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from kubeon.errors import StateError
from kubeon.pki import keys

# Clocks of hosts differ; a certificate is valid a little before it is made (kubeadm: CertificateBackdate, 5 minutes).
BACKDATE = timedelta(hours=1)
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

_HINT = "restore the file from a backup or from /etc/kubernetes/pki on a control plane of this cluster"


@dataclass(frozen=True)
class Subject:
    """Who a certificate is for; Kubernetes reads the common name as the user, organizations as groups."""

    common_name: str
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Authority:
    """A CA that can sign."""

    certificate: x509.Certificate
    key: keys.PrivateKey = field(repr=False)
    beside: tuple[x509.Certificate, ...] = ()  # others of its kind that are trusted with it, while CAs are rotated

    @property
    def pem(self) -> bytes:
        """The CA's certificate in PEM."""
        return keys.certificate_to_pem(self.certificate)

    @property
    def bundle(self) -> bytes:
        """All that is to be trusted, in PEM: itself, which is what kubeadm reads, and those beside it."""
        return b"".join(map(keys.certificate_to_pem, (self.certificate, *self.beside)))

    def signed(self, certificate: x509.Certificate) -> bool:
        """Was this certificate signed by this CA?"""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):  # another issuer, another kind of key, a forged signature
            return False
        return True

    def last_day(self, validity: timedelta, now: datetime) -> datetime:
        """When a certificate made now would expire: never later than the CA itself."""
        return min(_seconds(now + validity), self.certificate.not_valid_after_utc)

    def issue(
        self,
        subject: Subject,
        usages: Iterable[ObjectIdentifier],
        names: Iterable[str],
        *,
        validity: timedelta,
        now: datetime,
    ) -> Pair:
        """A new key and its certificate for `names` (DNS names and addresses). Raises StateError if the CA expired."""
        if self.certificate.not_valid_after_utc <= now:
            common_name = self.certificate.subject.rfc4514_string()
            raise StateError(f"the CA {common_name} has expired on {self.certificate.not_valid_after_utc:%Y-%m-%d}")
        key = keys.new_leaf_key()
        builder = (
            _builder(key, subject, now)
            .issuer_name(self.certificate.subject)
            .not_valid_after(self.last_day(validity, now))
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._key_identifier(), critical=False)
        )
        alternatives = [general_name(name) for name in dict.fromkeys(names)]
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Pair(keys.certificate_to_pem(certificate), keys.key_to_pem(key))

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        # A CA that was brought along may hold an identifier made in another way; verifiers compare the two.
        try:
            own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


@dataclass(frozen=True)
class Authorities:
    """Everything that all control planes of a cluster share."""

    ca: Authority
    etcd_ca: Authority
    front_proxy_ca: Authority
    service_account: keys.PrivateKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """sha256, in hex, of the DER of ca.crt: tells one cluster from another."""
        return self.ca.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def spki_hash(self) -> str:
        """What kubeadm calls discovery-token-ca-cert-hash: "sha256:" and the hash of the CA's public key."""
        return "sha256:" + hashlib.sha256(keys.spki(self.ca.key.public_key())).hexdigest()

    def to_files(self) -> dict[str, bytes]:
        """Contents by path relative to /etc/kubernetes/pki."""
        files = {}
        for path, authority in self._by_path().items():
            files[f"{path}.crt"] = authority.bundle
            files[f"{path}.key"] = keys.key_to_pem(authority.key)
        files["sa.key"] = keys.key_to_pem(self.service_account)
        files["sa.pub"] = keys.public_key_to_pem(self.service_account.public_key())
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Authorities":
        """Read what `to_files` gave, or what kubeadm made.

        Raises StateError when a file is missing or damaged, when a certificate is not a CA's, and when a certificate
        or public key does not belong to the private key beside it.
        """
        ca, etcd_ca, front_proxy_ca = (_load_authority(files, path) for path in PATHS)
        service_account = keys.load_key(_file(files, "sa.key"), "sa.key")
        public = keys.load_public_key(_file(files, "sa.pub"), "sa.pub")
        if keys.spki(public) != keys.spki(service_account.public_key()):
            raise StateError("sa.pub and sa.key do not belong together", hint=_HINT)
        return cls(ca, etcd_ca, front_proxy_ca, service_account)

    def named(self, name: str) -> Authority:
        """The CA of one of NAMES."""
        return dict(zip(NAMES, self._all(), strict=True))[name]

    def renewed(self, names: Collection[str], validity: timedelta, now: datetime) -> "Authorities":
        """With new CAs, which live for `validity`, in place of those that `names` has (see NAMES)."""
        ca, etcd_ca, front_proxy_ca = (
            _new_authority(common_name, validity, now) if name in names else mine
            for name, common_name, mine in zip(NAMES, _COMMON_NAMES, self._all(), strict=True)
        )
        return Authorities(ca, etcd_ca, front_proxy_ca, self.service_account)

    def trusting(self, other: "Authorities") -> "Authorities":
        """These, with the CAs of `other` trusted beside them where they differ."""
        ca, etcd_ca, front_proxy_ca = (
            replace(mine, beside=(its.certificate,) if its.certificate != mine.certificate else ())
            for mine, its in zip(self._all(), other._all(), strict=True)
        )
        return Authorities(ca, etcd_ca, front_proxy_ca, self.service_account)

    def _all(self) -> tuple[Authority, Authority, Authority]:
        return self.ca, self.etcd_ca, self.front_proxy_ca

    def _by_path(self) -> dict[str, Authority]:
        return dict(zip(PATHS, self._all(), strict=True))


PATHS = ("ca", "etcd/ca", "front-proxy-ca")
NAMES = ("ca", "etcd-ca", "front-proxy-ca")  # kubeadm's, in the order of PATHS
_COMMON_NAMES = ("kubernetes", "etcd-ca", "front-proxy-ca")  # kubeadm's, in the order of PATHS


def new_authorities(validity: timedelta, now: datetime) -> Authorities:
    """CAs that live for `validity` (see `spec.versions.ca_validity`), and a new service-account key."""
    ca, etcd_ca, front_proxy_ca = (_new_authority(name, validity, now) for name in _COMMON_NAMES)
    return Authorities(ca, etcd_ca, front_proxy_ca, keys.new_authority_key())


def general_name(name: str) -> x509.GeneralName:
    """An address or a DNS name, as it stands in a certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new_authority(common_name: str, validity: timedelta, now: datetime) -> Authority:
    key = keys.new_authority_key()
    subject = Subject(common_name)
    certificate = (
        _builder(key, subject, now)
        .issuer_name(_name(subject))
        .not_valid_after(_seconds(now + validity))
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _builder(key: keys.PrivateKey, subject: Subject, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_seconds(now - BACKDATE))
    )


def _name(subject: Subject) -> x509.Name:
    organizations = [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name) for name in subject.organizations]
    return x509.Name([*organizations, x509.NameAttribute(x509.NameOID.COMMON_NAME, subject.common_name)])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=ca,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)  # X.509 knows no fractions


def _load_authority(files: Mapping[str, bytes], path: str) -> Authority:
    certificate = keys.load_certificate(_file(files, f"{path}.crt"), f"{path}.crt")
    key = keys.load_key(_file(files, f"{path}.key"), f"{path}.key")
    if not keys.belong_together(certificate, key):
        raise StateError(f"{path}.crt and {path}.key do not belong together", hint=_HINT)
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        raise StateError(f"{path}.crt is not the certificate of a CA", hint=_HINT)
    return Authority(certificate, key)


def _file(files: Mapping[str, bytes], path: str) -> bytes:
    if not files.get(path):
        raise StateError(f"{path} is missing", hint=_HINT)
    return files[path]
