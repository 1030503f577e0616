"""The kubelets' common settings as the cluster has them: kubeadm gives them to each node that joins or is upgraded."""

import json
from typing import Any

from kubeon import quick_yaml
from kubeon.cluster.context import Cluster
from kubeon.kube.kubectl import Kubectl
from kubeon.kubeadm.existing import kubelet_config_names
from kubeon.spec.versions import Version, refuses_cgroup_v1

_NAMESPACE = ("--namespace", "kube-system")


def kubelet_settings(api: Kubectl, version: Version) -> dict[str, Any]:
    """KubeletConfiguration of a cluster of this version; nothing where its ConfigMap is not there."""
    for name in kubelet_config_names(str(version)):
        text = (api.get("configmap", name, *_NAMESPACE) or {}).get("data", {}).get("kubelet", "")
        if isinstance(found := quick_yaml.load(text), dict):
            return found
    return {}


def allow_cgroup_v1(ctx: Cluster) -> list[str]:
    """Tell the kubelets to take cgroup v1, where the new ones would not and a host has it; what changed.

    So `create` does, too. What the description says goes before.
    """
    old = refuses_cgroup_v1(ctx.spec.kubernetes) and any(host.facts.cgroup_version == 1 for host in ctx.hosts)
    if not old or ctx.spec.kubelet.get("failCgroupV1"):
        return []
    settings = kubelet_settings(ctx.api, ctx.spec.kubernetes)
    if not settings or settings.get("failCgroupV1") is False:
        return []
    text = quick_yaml.dump(settings | {"failCgroupV1": False}, sort_keys=False)
    patch = json.dumps({"data": {"kubelet": text}})
    ctx.api.run("patch", "configmap", "kubelet-config", *_NAMESPACE, "--type", "merge", "--patch", patch)
    return ["kube-system/kubelet-config: failCgroupV1: false"]
