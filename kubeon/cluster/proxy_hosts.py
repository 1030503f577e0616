"""kube-proxy keeps the /etc/hosts of its container's start: a pod in the host's network gets a copy of it, once."""

from collections.abc import Mapping, Sequence
from typing import Any

from kubeon.hosts.host import Host
from kubeon.hosts.hosts_block import Entry, parse_block
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.proxy import SELECTOR, daemonset, start_anew
from kubeon.waiting import expect

STARTS_WITHIN = 240  # seconds for a new pod to be ready


def ensure_proxy_follows(api: Kubectl, host: Host, cluster: str, entries: Sequence[Entry]) -> list[str]:
    """Have the node's kube-proxy start anew where its own /etc/hosts has other entries, and wait until it runs.

    Its rules stay in the kernel meanwhile. Returns what was changed. A cluster may do without kube-proxy.
    """
    wanted = tuple((address, tuple(names)) for address, names in entries)
    changes: list[str] = []

    def why_not() -> str:
        pods = _pods(api, host.name)
        if not pods:
            return "it has no pod" if daemonset(api) else ""
        copies = host.read_files(f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/etc-hosts" for pod in pods)
        stale = [text for text in copies.values() if parse_block(text.decode(errors="replace"), cluster) != wanted]
        if stale:
            start_anew(api, host.name)
            changes[:] = ["kube-proxy restarted"]
            return "it still has the old /etc/hosts"
        return "" if len(copies) == len(pods) and all(map(_is_ready, pods)) else "it is not ready"

    expect(
        why_not,
        "kube-proxy did not follow /etc/hosts",
        within=STARTS_WITHIN,
        hint=f"kubectl get pods -n kube-system -l k8s-app=kube-proxy --field-selector spec.nodeName={host.name}",
        host=host.name,
        pause=0.2,
        longest=2.0,
    )
    return changes


def _pods(api: Kubectl, node: str) -> list[Mapping[str, Any]]:
    found = api.get("pods", *SELECTOR, "--field-selector", f"spec.nodeName={node}") or {"items": []}
    return [pod for pod in found["items"] if not pod["metadata"].get("deletionTimestamp")]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
