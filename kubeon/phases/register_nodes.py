"""What the Node objects should say: labels, and the pod range where kubeon assigns it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kubeon.cluster.context import Cluster, Step
from kubeon.errors import OperationError
from kubeon.hosts.host import Host
from kubeon.waiting import expect

WORKER_LABEL = "node-role.kubernetes.io/worker"
REGISTRATION = 60  # seconds a kubelet may take to register its node


class RegisterNode(Step):
    """Patch the Node as soon as its kubelet has registered it."""

    name = "register-node"
    title = "Register the node"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Labels that it would get, and those that the description had and has no more: nobody takes them away."""
        node = ctx.nodes.get(host.name)
        there = node["metadata"].get("labels", {}) if node else {}
        missing = _missing_labels(ctx, host, there) if node else host.node.labels
        stored = ctx.state.read_spec()
        had = next((each.labels for each in stored.nodes if each.address == host.node.address), {}) if stored else {}
        left = [key for key in had if key not in host.node.labels and key in there]
        return (
            *(("label it " + " ".join(f"{key}={value}" for key, value in missing.items()),) if missing else ()),
            *(f"label {key} stays: kubectl label node {host.name} {key}- removes it" for key in left),
        )

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Only what differs."""
        node: Mapping[str, Any] = {}

        def why_not() -> str:
            nonlocal node
            node = ctx.api.get("node", host.name) or {}
            return "" if node else f"there is no Node {host.name}"

        hint = "look at: journalctl -u kubelet on that host"
        expect(
            why_not, "the kubelet did not register the node", within=REGISTRATION, hint=hint, host=host.name, pause=0.2
        )
        changes = []
        wanted: dict[str, object] = {}
        labels = _missing_labels(ctx, host, node["metadata"].get("labels", {}))
        if labels:
            wanted["metadata"] = {"labels": labels}
            changes.append("labels " + " ".join(f"{key}={value}" for key, value in labels.items()))
        pods = ctx.pod_ranges.get(host.name)
        given = node["spec"].get("podCIDR")
        if pods is not None and given and given != str(pods):  # it cannot be changed any more
            raise OperationError(
                f"the node says that its pods have the range {given}",
                why=f"kubeon has given it {pods}; only its kubelet or an administrator can have written another",
                hint=f"look who did; then kubeon del {ctx.spec.name} @{host.name} and kubeon add bring it in anew",
                host=host.name,
            )
        if pods is not None and not given:
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
