"""Moving pods off a node that leaves, and taking what is left of it out of the API."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeon.errors import CommandError, OperationError
from kubeon.kube.kubectl import Kubectl

_EVERYWHERE = "--all-namespaces"
_ENDED = ("Succeeded", "Failed")
_FIELDS = (
    *(".metadata.namespace", ".metadata.name", ".spec.nodeName", ".status.phase", ".metadata.ownerReferences[*].kind"),
    *(r".metadata.annotations.kubernetes\.io/config\.mirror", ".metadata.deletionTimestamp", ".metadata.labels"),
)
_LEAN = "jsonpath={range .items[*]}" + '{"\\t"}'.join(f"{{{each}}}" for each in _FIELDS) + '{"\\n"}{end}'


@dataclass(frozen=True)
class MovablePod:
    """A pod that a drain would move, or delete where nobody makes it again (`managed`)."""

    namespace: str
    name: str
    node: str
    managed: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """ "namespace/name"."""
        return f"{self.namespace}/{self.name}"


def movable_pods(api: Kubectl) -> list[MovablePod]:
    """Of the whole cluster, the pods that a drain of their node concerns, but for those that are about to go anyway.

    Only what is asked for crosses the wire.
    """
    found = []
    for line in filter(None, api.run("get", "pods", _EVERYWHERE, "-o", _LEAN, timeout=120).splitlines()):
        namespace, name, node, phase, owners, mirror, leaving, labels = line.split("\t")
        if node and not mirror and not leaving and phase not in _ENDED and "DaemonSet" not in owners.split():
            found.append(MovablePod(namespace, name, node, bool(owners), json.loads(labels or "{}")))
    return found


def pods_on(api: Kubectl, node: str) -> list[Mapping[str, Any]]:
    """The pods of a node that a drain concerns: neither of a DaemonSet, nor static, nor ended."""
    listed = api.get("pods", _EVERYWHERE, "--field-selector", f"spec.nodeName={node}") or {"items": []}
    return [pod for pod in listed["items"] if _leaves(pod)]


def unmanaged(pods: Sequence[Mapping[str, Any]]) -> list[str]:
    """ "namespace/name" of pods that nobody makes again elsewhere."""
    alone = (pod["metadata"] for pod in pods if not pod["metadata"].get("ownerReferences"))
    return sorted(f"{each['namespace']}/{each['name']}" for each in alone)


def drain(api: Kubectl, node: str, *, seconds: float) -> None:
    """Cordon the node and evict its pods, again and again while a PodDisruptionBudget says not yet.

    Pods that belong to nobody are deleted. Raises OperationError with what is left after that many seconds; the node is
    cordoned then.
    """
    flags = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={seconds:.0f}s")
    try:
        api.run("drain", node, *flags, timeout=seconds + 60)
    except CommandError as error:
        left = [f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods_on(api, node)]
        count = f"{len(left)} pod{'' if len(left) == 1 else 's'}"
        raise OperationError(
            f"{count} did not leave within {seconds:.0f} s: {', '.join(left[:10])}",
            why=error.why,
            hint="a longer --drain-timeout, or find out what holds them: kubectl get pdb -A; the node stays cordoned, "
            f"which `kubectl uncordon {node}` takes back",
            host=node,
        ) from error


def forget_node(api: Kubectl, node: str) -> list[str]:
    """Delete the Node object, and pods of it that nobody is left to end. Returns what was there."""
    changes = ["Node object removed"] if api.get("node", node) else []
    if changes:
        api.run("delete", "node", node, "--ignore-not-found", timeout=120)
    # At once, so that others take their place now and not when the garbage collector comes round to it.
    force = ("--force", "--grace-period=0", "--wait=false")
    api.run("delete", "pods", _EVERYWHERE, "--field-selector", f"spec.nodeName={node}", *force, timeout=120)
    return changes


def _leaves(pod: Mapping[str, Any]) -> bool:
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
    static = "kubernetes.io/config.mirror" in pod["metadata"].get("annotations", {})
    ended = pod.get("status", {}).get("phase") in _ENDED
    return not (static or ended or "DaemonSet" in owners)
