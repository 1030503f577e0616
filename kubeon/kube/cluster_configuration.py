"""kubeadm's ClusterConfiguration in the ConfigMap kubeadm-config: what the next `kubeadm upgrade` goes by."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubeon import quick_yaml
from kubeon.kube.kubectl import Kubectl

_WHERE = ("configmap", "kubeadm-config", "--namespace", "kube-system")


def remember_certificates(
    api: Kubectl,
    *,
    sans: Sequence[str],
    without: Sequence[str] = (),
    periods: Mapping[str, str],
    manager: Mapping[str, str],
) -> bool:
    """Add names of the API server's certificate, set validity periods and flags of the controller manager.

    Names `without` go, unless they are among `sans`: `kubeadm join` refuses a certificate that lacks one of those here.

    `periods` are top-level fields, of releases that have them. Says whether anything was changed. A cluster without
    that ConfigMap, which kubeadm did not make, is left so.
    """
    configmap = api.get(*_WHERE) or {}
    document = quick_yaml.load(configmap.get("data", {}).get("ClusterConfiguration", ""))
    if not isinstance(document, dict):
        return False
    before = json.dumps(document, sort_keys=True)
    found = document.get("apiServer", {}).get("certSANs") or []
    names = [name for name in found if name in sans or name not in without]
    names += [name for name in sans if name not in names]
    if names != found:
        document.setdefault("apiServer", {})["certSANs"] = names
    document |= periods
    section = document.setdefault("controllerManager", {})
    section["extraArgs"] = _with_flags(section.get("extraArgs"), manager)
    if json.dumps(document, sort_keys=True) == before:
        return False
    patch = json.dumps({"data": {"ClusterConfiguration": quick_yaml.dump(document, sort_keys=False)}})
    api.run("patch", *_WHERE, "--type", "merge", "--patch", patch)
    return True


def _with_flags(found: Any, flags: Mapping[str, str]) -> Any:
    """A mapping, or since v1beta4 a list of names and values."""
    if isinstance(found, list):
        return [each for each in found if each.get("name") not in flags] + [
            {"name": name, "value": value} for name, value in flags.items()
        ]
    return {**(found or {}), **flags}
