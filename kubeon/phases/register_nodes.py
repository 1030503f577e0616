"""What the Node objects should say: labels, and the pod range where kubeon assigns it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubeon.errors import OperationError
from kubeon.hosts.host import Host
from kubeon.phases.context import Cluster, Step
from kubeon.waiting import wait_until

WORKER_LABEL = "node-role.kubernetes.io/worker"
REGISTRATION = 60  # seconds a kubelet may take to register its node


class RegisterNode(Step):
    """Patch the Node as soon as its kubelet has registered it."""

    name = "register-node"
    title = "Register the node"

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Only what differs."""
        found: list[Mapping[str, Any]] = []

        def registered() -> bool:
            node = ctx.api.get("node", host.name)
            found[:] = [node] if node else []
            return bool(found)

        if not wait_until(registered, seconds=REGISTRATION, pause=0.2, longest=1.0):
            raise OperationError(
                f"the kubelet did not register the node within {REGISTRATION} s",
                hint="look at: journalctl -u kubelet on that host",
                host=host.name,
            )
        node, changes = found[0], []
        wanted: dict[str, object] = {}
        labels = _missing_labels(ctx, host, node["metadata"].get("labels", {}))
        if labels:
            wanted["metadata"] = {"labels": labels}
            changes.append("labels " + " ".join(f"{key}={value}" for key, value in labels.items()))
        pods = ctx.pod_ranges.get(host.name)
        if pods is not None and node["spec"].get("podCIDR") != str(pods):
            wanted["spec"] = {"podCIDR": str(pods), "podCIDRs": [str(pods)]}
            changes.append(f"pod range {pods}")
        if wanted:
            ctx.api.run("patch", "node", host.name, "--type", "merge", "--patch", json.dumps(wanted))
        ctx.registered.add(host.name)
        return changes


def _missing_labels(ctx: Cluster, host: Host, labels: Mapping[str, str]) -> dict[str, str]:
    wanted = dict(host.node.labels)
    if not ctx.is_control_plane(host):
        wanted.setdefault(WORKER_LABEL, "")
    return {key: value for key, value in wanted.items() if labels.get(key) != value}
