"""The right of API servers to talk to kubelets, without which their certificate of current releases opens nothing."""

from kubeon import quick_yaml
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.versions import Version, kubelet_client_group

_NAME = "kubeadm:apiserver-kubelet-client"
_GROUP = "rbac.authorization.k8s.io"
# As kubeadm's own (phases/bootstraptoken/node/tlsbootstrap.go: AllowAPIServerToAccessKubeletAPI).
_BINDING = {
    "apiVersion": f"{_GROUP}/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": _NAME},
    "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
    "subjects": [{"apiGroup": _GROUP, "kind": "User", "name": "kube-apiserver-kubelet-client"}],
}


def ensure_kubelet_access(api: Kubectl, version: Version) -> tuple[str, ...]:
    """Where certificates of this release name no group, have the binding that `kubeadm init` and `upgrade` make.

    Without it logs and exec are forbidden. What was changed, a line each.
    """
    if kubelet_client_group(version) or api.get("clusterrolebinding", _NAME):
        return ()
    return tuple(api.apply(quick_yaml.dump(_BINDING)))
