"""kubeadm's own list of control planes: ClusterStatus in the ConfigMap kubeadm-config, of releases up to 1.21."""

import json
from typing import Any

from kubeon import quick_yaml
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.endpoints import API_PORT

_WHERE = ("configmap", "kubeadm-config", "--namespace", "kube-system")


def remember_control_plane(api: Kubectl, node: str, address: str) -> None:
    """Put a control plane on the list, as the end of `kubeadm join` does."""
    status = _read(api)
    endpoint = {"advertiseAddress": address, "bindPort": API_PORT}
    if status and status["apiEndpoints"].get(node) != endpoint:
        status["apiEndpoints"][node] = endpoint
        _write(api, status)


def forget_control_plane(api: Kubectl, node: str) -> None:
    """Take a control plane off the list, as `kubeadm reset` does."""
    status = _read(api)
    if status and node in status["apiEndpoints"]:
        del status["apiEndpoints"][node]
        _write(api, status)


def _read(api: Kubectl) -> dict[str, Any]:
    """Empty where there is no such list."""
    configmap = api.get(*_WHERE) or {}
    status = quick_yaml.load(configmap.get("data", {}).get("ClusterStatus", "")) or {}
    return {**status, "apiEndpoints": status.get("apiEndpoints") or {}} if status else {}


def _write(api: Kubectl, status: dict[str, Any]) -> None:
    patch = json.dumps({"data": {"ClusterStatus": quick_yaml.dump(status)}})
    api.run("patch", *_WHERE, "--type", "merge", "--patch", patch)
