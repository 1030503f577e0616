"""kube-proxy, whose DaemonSet is kubeadm's. A cluster may do without it: then there is nothing to do."""

from typing import Any

from kubeon.kube.kubectl import Kubectl

_NAMESPACE = ("--namespace", "kube-system")
SELECTOR = ("--selector", "k8s-app=kube-proxy", *_NAMESPACE)
# kube-proxy sends clients to an API server without power until it hears that it is gone, which it does not while its
# own connection leads there: given up after 5 + 5 seconds, not client-go's 30 + 15 (kubernetes/kubernetes#95981).
PINGS = {"HTTP2_READ_IDLE_TIMEOUT_SECONDS": "5", "HTTP2_PING_TIMEOUT_SECONDS": "5"}


def daemonset(api: Kubectl) -> Any:
    """The object; None without kube-proxy."""
    return api.get("daemonset", "kube-proxy", *_NAMESPACE)


def start_anew(api: Kubectl, node: str) -> None:
    """Delete the node's pod; nobody waits for the next one."""
    api.run("delete", "pods", *SELECTOR, "--field-selector", f"spec.nodeName={node}", "--wait=false")


def wait_for_rollout(api: Kubectl, *, seconds: float) -> None:
    """Until every pod is the one that the DaemonSet wants. Raises CommandError when they are not in time."""
    wait = (*_NAMESPACE, "--timeout", f"{seconds:.0f}s")
    api.run("rollout", "status", "daemonset/kube-proxy", *wait, timeout=seconds + 10)


def ensure_pings(api: Kubectl) -> list[str]:
    """Set PINGS, which kubeadm takes out again at each upgrade; return what changed. Pods start anew, one by one."""
    found = daemonset(api)
    if not found:
        return []
    [container, *_] = found["spec"]["template"]["spec"]["containers"]
    if PINGS.items() <= {each["name"]: each.get("value") for each in container.get("env", ())}.items():
        return []
    return api.run("set", "env", "daemonset/kube-proxy", *_NAMESPACE, *map("=".join, PINGS.items())).splitlines()
