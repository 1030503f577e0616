"""What kubeadm's static pod says of a member of etcd."""

from dataclasses import dataclass

import yaml

from kubeon import quick_yaml
from kubeon.errors import OperationError


@dataclass(frozen=True)
class EtcdManifest:
    """The image of a member, and how it is known to the others."""

    image: str
    name: str
    peer_url: str
    data: str


def parse_manifest(text: str) -> EtcdManifest:
    """Raises OperationError for a manifest that is not kubeadm's."""
    try:
        container = quick_yaml.load(text)["spec"]["containers"][0]
        flags = dict(word.removeprefix("--").partition("=")[::2] for word in container["command"] if "=" in word)
        return EtcdManifest(
            container["image"], flags["name"], flags["initial-advertise-peer-urls"], flags["data-dir"].rstrip("/")
        )
    except (yaml.YAMLError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise OperationError("the manifest of etcd is not one of kubeadm's", why=repr(error)) from error
