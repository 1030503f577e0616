"""Private keys and certificates to and from PEM."""

from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kubeon.errors import StateError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def new_authority_key() -> PrivateKey:
    """A key for a CA or for service accounts: RSA 2048, as kubeadm makes them.

    For service accounts it has to be RSA: kubeadm up to v1.24.4 refuses to join a control plane with any other
    (kubernetes/kubernetes#112508). CAs could be ECDSA, but there are three per cluster, so nothing is gained by
    leaving kubeadm's default.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_leaf_key() -> PrivateKey:
    """A key for a leaf certificate: ECDSA P-256, as the kubelet makes for itself.

    kubeadm accepts both kinds in every release. Making one takes microseconds instead of the tens of milliseconds
    of an RSA key, which counts with hundreds of nodes.
    """
    return ec.generate_private_key(ec.SECP256R1())


def key_to_pem(key: PrivateKey) -> bytes:
    """PKCS#1 or SEC 1, the formats kubeadm writes ("RSA PRIVATE KEY", "EC PRIVATE KEY")."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def public_key_to_pem(key: PublicKey) -> bytes:
    """SubjectPublicKeyInfo, the format of sa.pub."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_to_pem(certificate: x509.Certificate) -> bytes:
    """One CERTIFICATE block."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def spki(key: PublicKey) -> bytes:
    """The DER of a public key: what kubeadm hashes, and what tells whether two keys belong together."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=64)  # an RSA key is checked for 40 ms, and an operation reads the same few again and again
def load_key(pem: bytes, name: str) -> PrivateKey:
    """Read an RSA or ECDSA key. Raises StateError, naming the file `name`."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise StateError(f"{name} is not a readable private key", why=str(error)) from error
    if not isinstance(key, PrivateKey):
        raise StateError(f"{name} is neither an RSA nor an ECDSA key; kubeadm accepts no other")
    return key


def load_public_key(pem: bytes, name: str) -> PublicKey:
    """Read an RSA or ECDSA public key. Raises StateError, naming the file `name`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise StateError(f"{name} is not a readable public key", why=str(error)) from error
    if not isinstance(key, PublicKey):
        raise StateError(f"{name} is neither an RSA nor an ECDSA key; kubeadm accepts no other")
    return key


def load_certificate(pem: bytes, name: str) -> x509.Certificate:
    """Read the first certificate of a PEM text. Raises StateError, naming the file `name`."""
    return load_certificates(pem, name)[0]


def load_certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    """Read all certificates of a PEM text, at least one. Raises StateError, naming the file `name`."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for each in certificates:
            len(each.extensions)  # they are parsed when first asked for; better here, where the file is known
    except ValueError as error:
        raise StateError(f"{name} is not a readable certificate", why=str(error)) from error
    return certificates


def belong_together(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Is this the certificate of this key?"""
    public = certificate.public_key()
    return isinstance(public, PublicKey) and spki(public) == spki(key.public_key())
