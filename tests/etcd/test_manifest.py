"""kubeadm's static pod of etcd."""

import pytest

from kubeon.errors import OperationError
from kubeon.etcd.manifest import EtcdManifest, parse_manifest

# kubeadm v1.20, shortened
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --initial-advertise-peer-urls=https://10.0.0.1:2380
    - --initial-cluster=cp1=https://10.0.0.1:2380
    - --name=cp1
    image: k8s.gcr.io/etcd:3.4.13-0
    name: etcd
"""


def test_who_the_member_is() -> None:
    """Its image, and how the others know it."""
    assert parse_manifest(MANIFEST) == EtcdManifest(
        "k8s.gcr.io/etcd:3.4.13-0", "cp1", "https://10.0.0.1:2380", "/var/lib/etcd"
    )


@pytest.mark.parametrize("text", ["", "x", "{", "spec: {containers: []}", MANIFEST.replace("--name=", "--nom=")])
def test_another_manifest(text: str) -> None:
    """Is no bug of kubeon's."""
    with pytest.raises(OperationError, match="not one of kubeadm's"):
        parse_manifest(text)
