"""The last word: every node is Ready, and a pod on one node reaches a pod on another."""

import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.membership import with_pressures
from kubeon.errors import KubeonError, OperationError
from kubeon.hosts.fleet import on_all
from kubeon.hosts.host import Host
from kubeon.kube.tokens import delete_tokens
from kubeon.phases.apply_load_balancer import wait_for_workload
from kubeon.phases.load_balancer import UpdateLoadBalancer
from kubeon.phases.register_nodes import RegisterNode
from kubeon.phases.remove_other_load_balancers import RemoveOtherLoadBalancers
from kubeon.phases.restart_api_server import RestartApiServer
from kubeon.waiting import wait_until

READY_WITHIN = 240  # seconds; network plug-ins with images of their own need most of it
PODS_WITHIN = 180  # seconds
NAME = "kubeon-verify"
NAMESPACE = "kube-system"
PORT = 53  # CoreDNS without a configuration answers there, by TCP too
# From inside the pod's own network: its namespace is found by its address, the tools are the host's.
_REACH = """
for namespace in /run/netns/*; do
    nsenter --net="$namespace" ip -4 -o address 2>/dev/null | grep -qF " {source}/" || continue
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        nsenter --net="$namespace" timeout 2 bash -c 'exec 3<>/dev/tcp/{target}/{port}' 2>/dev/null && exit 0
        sleep 1
    done
    echo "no answer from {target} port {port}" >&2
    exit 1
done
echo "no network namespace with the address {source}" >&2
exit 1
"""


class VerifyCluster(Step):
    """Asked of the bootstrap node, about all nodes that came this far."""

    name = "verify-cluster"
    title = "Verify the cluster"
    reaches_members = True
    # over: a node that did not join is not waited for
    needs: ClassVar[tuple[type[Step], ...]] = (
        RegisterNode,
        UpdateLoadBalancer,
        RemoveOtherLoadBalancers,
        RestartApiServer,
    )

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The bootstrap node."""
        return host is ctx.bootstrap

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Look; pods are started only when something was changed, or was never verified."""
        delete_tokens(ctx.api)  # all joins are over
        if host.name in ctx.members:  # new nodes' pods reach pods of old ones
            ctx.registered.add(host.name)
        members = sorted(ctx.registered)
        ctx.api.wait_ready(members, seconds=READY_WITHIN)
        wait_for_workload(ctx)
        if ctx.cni.connects_nodes and len(members) > 1 and not (ctx.verified and not ctx.joined):
            _check_pods(ctx, [each for each in ctx.hosts if each.name in ctx.registered])
        return ()


def _check_pods(ctx: Cluster, hosts: Sequence[Host]) -> None:
    api, image = ctx.api, _coredns(ctx.material(ctx.bootstrap).references)
    # Names of this run's own: pods of a run before may still be about to go, and applying them would not keep them.
    run = secrets.token_hex(4)
    api.apply(json.dumps(_manifest([host.name for host in hosts], image, run)))
    try:
        addresses = _addresses(ctx, hosts, run)
        around = dict(zip(hosts, [*hosts[1:], hosts[0]], strict=True))

        def reach(host: Host) -> str:
            source, target = addresses[host.name], addresses[around[host].name]
            script = _REACH.format(source=shlex.quote(source), target=target, port=PORT)
            return host.ask(script, timeout=60, what=f"reach a pod on {around[host].name}", wait=False)

        failed = {host.name: error for host, error in on_all(hosts, reach).items() if isinstance(error, KubeonError)}
        if failed:
            raise OperationError(
                "pods on different nodes do not reach each other",
                why="\n".join(map(str, failed.values())),
                hint=f"look at the network plug-in {ctx.cni.name} on these nodes, and at firewalls between them",
            )
    finally:
        kinds = ("pods,serviceaccounts", "--selector", f"app={NAME}", "--namespace", NAMESPACE)
        api.run("delete", *kinds, "--wait=false", "--grace-period=1", "--ignore-not-found")


def _coredns(references: Sequence[str]) -> str:
    """An image that every node has and that listens; of another release's name it would be the same program."""
    return next(name for name in references if name.rpartition(":")[0].endswith("/coredns"))


def _addresses(ctx: Cluster, hosts: Sequence[Host], run: str) -> Mapping[str, str]:
    state: dict[str, Mapping[str, Any]] = {}

    def running() -> bool:
        items = ctx.api.get("pods", "--selector", f"app={NAME},run={run}", "--namespace", NAMESPACE)["items"]
        state.update({item["spec"]["nodeName"]: item["status"] for item in items})
        return all(
            host.name in state and _is_ready(state[host.name]) and state[host.name].get("podIP") for host in hosts
        )

    if not wait_until(running, seconds=PODS_WITHIN, pause=0.3, longest=1.0):
        late = [host.name for host in hosts if not _is_ready(state.get(host.name, {}))]
        raise OperationError(
            f"a pod did not start within {PODS_WITHIN} s on: {' '.join(late)}",
            why=with_pressures("", ctx.api),
            hint=f"kubectl describe pods -n {NAMESPACE} -l app={NAME}",
        )
    return {name: str(status["podIP"]) for name, status in state.items()}


def _is_ready(status: Mapping[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", []))


def _manifest(nodes: Sequence[str], image: str, run: str) -> dict[str, object]:
    """Bare pods, one a node, named to the node: neither scheduler nor controllers need to be up for them."""
    metadata = {"namespace": NAMESPACE, "labels": {"app": NAME, "run": run}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": NAME, **metadata},
        "automountServiceAccountToken": False,
    }
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{NAME}-{run}-{node}", **metadata},
            "spec": {
                "nodeName": node,
                "serviceAccountName": NAME,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "restartPolicy": "Always",
                "dnsPolicy": "Default",
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "coredns", "image": image, "imagePullPolicy": "IfNotPresent"}],
            },
        }
        for node in nodes
    ]
    return {"apiVersion": "v1", "kind": "List", "items": [account, *pods]}
