"""What a description may say anew about a cluster that is there: each field of cluster.yaml has its line here.

A field that is written down and not carried out would make the record say what is true of no host.
"""

import json
from collections.abc import Iterator, Mapping

from kubeon.cluster.resolve import check_plugins
from kubeon.errors import SpecError
from kubeon.spec.model import ClusterSpec, NodeSpec

CARRIED_OUT = ""  # by `create`, on nodes that are members too
_NEW = "only a new cluster takes another one"
_LATER = "kubeon cannot change that yet on a cluster that is there; by hand: "
_FLAGS = (
    f"{_LATER}kubectl --namespace kube-system edit configmap kubeadm-config, and the file in /etc/kubernetes/manifests "
    "on each control plane, one after the other"
)
CHANGES = {
    "name": CARRIED_OUT,  # another name is another cluster
    "version": "kubeon upgrade changes it",
    "nodes.address": CARRIED_OUT,  # a new one; one that is missing is told apart
    "nodes.name": "a node keeps its name for life; kubeon del and kubeon add bring it in under another one",
    "nodes.role": "kubeon del and kubeon add bring it in with another one",
    "nodes.labels": CARRIED_OUT,  # one that is left out stays in Kubernetes, and the plan says so
    **dict.fromkeys((f"nodes.ssh.{name}" for name in ("user", "port", "key", "jump")), CARRIED_OUT),
    **dict.fromkeys((f"ssh.{name}" for name in ("user", "port", "key", "jump")), CARRIED_OUT),
    "ssh.strictHostKeys": CARRIED_OUT,
    "ssh.connectTimeout": CARRIED_OUT,
    "networking.plugin": _NEW,
    "networking.podSubnet": _NEW,
    "networking.serviceSubnet": _NEW,
    "networking.dnsDomain": _NEW,
    "networking.nodeMaskSize": _NEW,
    "loadBalancer.mode": "kubeon lb switch changes it",
    "loadBalancer.address": "kubeon lb switch changes it",
    "loadBalancer.name": _NEW,
    "runtime.name": _NEW,
    "runtime.cgroupDriver": _NEW,
    "sources.mirror": CARRIED_OUT,
    "sources.registry": CARRIED_OUT,
    **dict.fromkeys((f"components.{name}" for name in ("containerd", "runc", "cniPlugins", "crictl")), CARRIED_OUT),
    "certificates.validity": "kubeon certs renew NAME all --validity does it",
    "certificates.sans": "kubeon certs renew NAME apiserver --san adds one",
    "hosts.swap": f"{_LATER}swap itself and /etc/fstab on each host, and failSwapOn as for `kubelet`",
    # `keep` leaves hosts as they are, it puts nothing back
    "hosts.firewall": CARRIED_OUT,
    "hosts.selinux": CARRIED_OUT,
    "hosts.timeSync": CARRIED_OUT,
    "extraArgs.apiServer": _FLAGS,
    "extraArgs.controllerManager": _FLAGS,
    "extraArgs.scheduler": _FLAGS,
    "extraArgs.etcd": _FLAGS,
    "kubelet": f"{_LATER}kubectl --namespace kube-system edit configmap kubelet-config; then on each node "
    "`kubeadm upgrade node phase kubelet-config`, `systemctl restart kubelet`",
    "schedulableControlPlanes": f"{_LATER}kubectl taint nodes NODE node-role.kubernetes.io/control-plane- lets pods "
    "in, and with :NoSchedule for the last - keeps them out",
}


def check_again(stored: ClusterSpec | None, spec: ClusterSpec) -> None:
    """What may not be said anew about a cluster that is there. Raises SpecError: field, old, new, and what does it."""
    check_plugins(spec)
    if stored is None:
        return
    problems = list(_differences(_leaves(stored, exclude="nodes"), _leaves(spec, exclude="nodes")))
    wanted = {node.address: node for node in spec.nodes}
    for index, node in enumerate(stored.nodes):
        if node.address not in wanted:
            problems.append(("nodes", f"{node.address} is not among them; kubeon del removes a node"))
            continue
        other = wanted[node.address]
        if other.name is None:  # it keeps the one it has
            other = other.model_copy(update={"name": node.name})
        problems += _differences(_leaves(node), _leaves(other), at=f"nodes.{index}", row="nodes")
    if problems:
        what = (
            f"these stay as they are: kubeon create {spec.name} without a file or flags continues with what is stored"
        )
        raise SpecError([(path, text.replace("NAME", spec.name)) for path, text in problems], hint=what)


def _differences(
    old: Mapping[str, object], new: Mapping[str, object], *, at: str = "", row: str = ""
) -> Iterator[tuple[str, str]]:
    for path in dict.fromkeys((*old, *new)):
        if old.get(path) == new.get(path):
            continue
        what = CHANGES[next(key for key in CHANGES if f"{row}.{path}.".lstrip(".").startswith(f"{key}."))]
        if what != CARRIED_OUT:
            values = " -> ".join(_text(each.get(path)) for each in (old, new))
            yield f"{at}.{path}".lstrip("."), f"{values}: {what}"


def _leaves(model: ClusterSpec | NodeSpec, *, exclude: str = "") -> dict[str, object]:
    """Every value by its path; of mappings that users fill, every key."""

    def walk(value: object, path: str) -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from walk(inner, f"{path}.{key}".lstrip("."))
        else:
            yield path, value

    return dict(walk(model.model_dump(mode="json", by_alias=True, exclude={exclude}), ""))


def _text(value: object) -> str:
    return "not set" if value in (None, [], {}) else json.dumps(value, ensure_ascii=False)
