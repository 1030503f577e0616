"""Join tokens: signed at once instead of when the controller manager comes round to it, and taken away after use."""

import base64
import hashlib
import hmac
import json

from kubeon.kube.kubectl import Kubectl

_NAMESPACE, _CLUSTER_INFO = "kube-public", "cluster-info"
_TYPE = "bootstrap.kubernetes.io/token"
_OURS = "kubeon"  # the description of tokens that kubeon made; init's configuration gives it too


def sign_cluster_info(api: Kubectl, token: str) -> None:
    """Put this token's signature of cluster-info beside it, as the controller manager's BootstrapSigner does.

    `kubeadm join` asks for it every 5 seconds until it is there, and the controller manager needs 10 to 20 seconds
    after `kubeadm init` before it signs. The signature is deterministic: whoever writes it second changes nothing.
    """
    identifier = token.partition(".")[0]
    data = api.get("configmap", _CLUSTER_INFO, "--namespace", _NAMESPACE)["data"]
    key, signature = f"jws-kubeconfig-{identifier}", detached_signature(data["kubeconfig"], token)
    if data.get(key) != signature:
        patch = json.dumps({"data": {key: signature}})
        api.run("patch", "configmap", _CLUSTER_INFO, "--namespace", _NAMESPACE, "--type", "merge", "--patch", patch)


def detached_signature(content: str, token: str) -> str:
    """A JWS (RFC 7515, HS256) without its payload, byte for byte as k8s.io/cluster-bootstrap/token/jws makes it."""
    identifier, _, secret = token.partition(".")
    header = _base64(json.dumps({"alg": "HS256", "kid": identifier}, separators=(",", ":")).encode())
    signed = f"{header}.{_base64(content.encode())}".encode()
    return f"{header}..{_base64(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def token_secret(token: str, expiration: str) -> str:
    """The Secret that makes a join token valid until `expiration` (RFC 3339), as `kubeadm token create` writes it."""
    identifier, _, secret = token.partition(".")
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": _TYPE,
            "metadata": {"name": f"bootstrap-token-{identifier}", "namespace": "kube-system"},
            "stringData": {
                "description": _OURS,
                "token-id": identifier,
                "token-secret": secret,
                "expiration": expiration,
                "usage-bootstrap-authentication": "true",
                "usage-bootstrap-signing": "true",
                "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
            },
        }
    )


def delete_tokens(api: Kubectl) -> None:
    """Make all join tokens of kubeon invalid, also those of runs that were cut off; tokens of people stay."""
    listed = api.get("secrets", "--namespace", "kube-system", "--field-selector", f"type={_TYPE}") or {"items": []}
    ours = [secret for secret in listed["items"] if secret["data"].get("description") == _base64_text(_OURS)]
    if not ours:
        return
    secrets = [secret["metadata"]["name"] for secret in ours]
    api.run("delete", "secret", *secrets, "--namespace", "kube-system", "--ignore-not-found")
    # The controller manager would take the signatures away too, when it comes round to it.
    signatures = {f"jws-kubeconfig-{name.removeprefix('bootstrap-token-')}": None for name in secrets}
    patch = json.dumps({"data": signatures})
    api.run("patch", "configmap", _CLUSTER_INFO, "--namespace", _NAMESPACE, "--type", "merge", "--patch", patch)


def _base64_text(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
