"""Join tokens: signatures byte for byte as Kubernetes makes them, and nothing on a command line that is secret."""

import json

from kubeon.hosts.host import Host
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.tokens import delete_tokens, detached_signature, sign_cluster_info, token_secret
from tests.fakes.api import FakeApi
from tests.fakes.connection import FakeConnection
from tests.fakes.machine import Machine
from tests.specs import a_spec

TOKEN = "abcdef.0123456789abcdef"


def an_api() -> tuple[FakeApi, Kubectl, Machine]:
    """A control plane that answers."""
    api, node = FakeApi(), a_spec().nodes[0]
    machine = Machine("cp1", str(node.address), api)
    machine.files = dict.fromkeys(
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "/var/lib/kubelet/config.yaml"), ("", "")
    )
    machine.units["kubelet.service"] = "active"
    api.cluster_info["kubeconfig"] = "apiVersion: v1\nkind: Config\n"
    return api, Kubectl(Host(node, "cp1", FakeConnection(machine))), machine


def test_the_signature_is_that_of_kubernetes() -> None:
    """Known answers of staging/src/k8s.io/cluster-bootstrap/token/jws/jws_test.go."""
    content = "Hello from the other side. I must have called a thousand times."

    signature = detached_signature(content, "joshua.my voice is my passcode")

    assert signature == "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8"


def test_the_signature_comes_beside_what_it_signs_once() -> None:
    """Signing again changes nothing."""
    api, kubectl, _ = an_api()

    sign_cluster_info(kubectl, TOKEN)
    writes = len(api.writes)
    sign_cluster_info(kubectl, TOKEN)

    assert api.cluster_info["jws-kubeconfig-abcdef"] == detached_signature(api.cluster_info["kubeconfig"], TOKEN)
    assert len(api.writes) == writes == 1


def test_a_token_travels_on_standard_input() -> None:
    """Only its public half is ever on a command line."""
    api, kubectl, _ = an_api()

    kubectl.apply(token_secret(TOKEN, "2026-01-02T03:04:05Z"))
    sign_cluster_info(kubectl, TOKEN)
    accepted = api.accepts(TOKEN)
    delete_tokens(kubectl)

    assert accepted
    assert not api.accepts(TOKEN)
    assert "0123456789abcdef" not in repr(api.writes)


def test_the_secret_is_as_kubeadm_writes_it() -> None:
    """A type, an expiration, both usages and the group of joining nodes."""
    secret = json.loads(token_secret(TOKEN, "2026-01-02T03:04:05Z"))

    assert secret["type"] == "bootstrap.kubernetes.io/token"
    assert secret["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert secret["stringData"]["expiration"] == "2026-01-02T03:04:05Z"
    assert secret["stringData"]["auth-extra-groups"] == "system:bootstrappers:kubeadm:default-node-token"
