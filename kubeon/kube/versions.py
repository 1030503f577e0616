"""Which versions really run: API servers' and kubelets'."""

import json
import re
from collections.abc import Mapping
from typing import Any

from kubeon import quick_yaml
from kubeon.errors import OperationError
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.versions import Version

_RELEASE = re.compile(r"v\d+\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?")  # what follows is a vendor's


def api_version(api: Kubectl) -> Version:
    """The version of this control plane's own API server."""
    return release(json.loads(api.run("get", "--raw", "/version"))["gitVersion"])


def kubelet_version(node: Mapping[str, Any]) -> Version:
    """What a Node's kubelet reports."""
    return release(node["status"]["nodeInfo"]["kubeletVersion"])


def configured_version(api: Kubectl) -> Version | None:
    """What kubeadm takes the cluster's version to be; None where its ConfigMap is not there."""
    found = _configuration(api)
    return release(found["kubernetesVersion"]) if found else None


def configured_etcd_flags(api: Kubectl) -> list[str]:
    """Names of flags that kubeadm is told to start etcd with: a mapping, since v1beta4 a list."""
    args = ((_configuration(api).get("etcd") or {}).get("local") or {}).get("extraArgs") or {}
    return [str(each["name"] if isinstance(each, Mapping) else each) for each in args]


def _configuration(api: Kubectl) -> dict[str, Any]:
    """kubeadm's; nothing where its ConfigMap is not there."""
    found = api.get("configmap", "kubeadm-config", "--namespace", "kube-system")
    text = (found or {}).get("data", {}).get("ClusterConfiguration")
    return quick_yaml.load(text) if text else {}


def release(text: str) -> Version:
    """The release that a version is of, whatever its vendor adds. Raises OperationError."""
    found = _RELEASE.match(text)
    if not found:
        raise OperationError(f"{text!r} is no Kubernetes version")
    return Version.parse(found[0])
