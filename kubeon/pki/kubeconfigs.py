"""kubeconfigs that hold or point to a client certificate, as kubeadm writes them."""

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import yaml

from kubeon import quick_yaml
from kubeon.errors import StateError

CLUSTER_NAME = "kubernetes"  # kubeadm's default clusterName


@dataclass(frozen=True)
class Kubeconfig:
    """What a kubeconfig's current context says. Embedded data is decoded; what is not there is empty."""

    user: str = ""
    server: str = ""  # https://host:port
    authority: bytes = b""  # PEM
    certificate: bytes = b""  # PEM
    key: bytes = field(default=b"", repr=False)  # PEM
    certificate_path: str = ""  # file on the host, when the certificate is not embedded


def render(kubeconfig: Kubeconfig) -> bytes:
    """The file's content, with kubeadm's names (context USER@kubernetes)."""
    if kubeconfig.certificate_path:
        credentials = {
            "client-certificate": kubeconfig.certificate_path,
            "client-key": kubeconfig.certificate_path,
        }
    else:
        credentials = {
            "client-certificate-data": _encode(kubeconfig.certificate),
            "client-key-data": _encode(kubeconfig.key),
        }
    context = f"{kubeconfig.user}@{CLUSTER_NAME}"
    cluster = {"certificate-authority-data": _encode(kubeconfig.authority), "server": kubeconfig.server}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"cluster": cluster, "name": CLUSTER_NAME}],
        "contexts": [{"context": {"cluster": CLUSTER_NAME, "user": kubeconfig.user}, "name": context}],
        "current-context": context,
        "preferences": {},
        "users": [{"name": kubeconfig.user, "user": credentials}],
    }
    return quick_yaml.dump(document).encode()


def parse(text: bytes, name: str = "kubeconfig") -> Kubeconfig:
    """Read the current context of a kubeconfig. Raises StateError, naming the file `name`, when that cannot be."""
    try:
        document = quick_yaml.load(text)
        context = _named(document, "contexts", document["current-context"])["context"]
        cluster = _named(document, "clusters", context["cluster"])["cluster"]
        user = _named(document, "users", context["user"])["user"]
        return Kubeconfig(
            user=str(context["user"]),
            server=str(cluster.get("server", "")),
            authority=_decode(cluster, "certificate-authority-data"),
            certificate=_decode(user, "client-certificate-data"),
            key=_decode(user, "client-key-data"),
            certificate_path=str(user.get("client-certificate", "")),
        )
    except (yaml.YAMLError, binascii.Error, LookupError, TypeError, AttributeError, ValueError) as error:
        raise StateError(f"{name} is not a readable kubeconfig", why=str(error)) from error


def _named(document: Any, kind: str, name: str) -> Any:
    for entry in document[kind]:
        if entry["name"] == name:
            return entry
    raise LookupError(f"it has no entry {name!r} among its {kind}")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(entry: dict[str, str], name: str) -> bytes:
    return base64.b64decode(entry.get(name, ""), validate=True)
