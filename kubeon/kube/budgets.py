"""Which pods could not be evicted just now, asked by evictions that are not carried out (dry run on the server)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeon.errors import CommandError
from kubeon.kube.drain import MovablePod
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.versions import Version

_EVERYWHERE = "--all-namespaces"


@dataclass(frozen=True)
class Held:
    """A pod that its PodDisruptionBudget holds on a node."""

    node: str
    pod: str  # "namespace/name"
    why: str  # the API's words
    budgets: tuple[str, ...]  # those of its namespace that allow no disruption
    for_good: bool  # one of them can never allow any, however many pods are healthy


def held_pods(api: Kubectl, version: Version, pods: Sequence[MovablePod]) -> list[Held]:
    """Of these pods, those that the API server would not evict now.

    Only pods in namespaces with a budget that allows no disruption are tried: on 300 nodes they are few.
    """
    tight = [
        each for each in (api.get("poddisruptionbudgets", _EVERYWHERE) or {"items": []})["items"] if _is_tight(each)
    ]
    found = []
    for pod in pods:
        budgets = [each for each in tight if each["metadata"]["namespace"] == pod.namespace]
        if budgets and (why := _refusal(api, version, pod)):
            names = tuple(sorted(each["metadata"]["name"] for each in budgets))
            found.append(Held(pod.node, pod.title, why, names, any(map(_is_hopeless, budgets))))
    return found


def _is_tight(budget: Mapping[str, Any]) -> bool:
    status = budget.get("status", {})
    return not status.get("disruptionsAllowed") and bool(status.get("expectedPods"))


def _is_hopeless(budget: Mapping[str, Any]) -> bool:
    status = budget["status"]
    return int(status.get("desiredHealthy", 0)) >= int(status.get("expectedPods", 0))


def _refusal(api: Kubectl, version: Version, pod: MovablePod) -> str:
    group = "policy/v1" if version.at_least(22) else "policy/v1beta1"
    eviction = {
        "apiVersion": group,
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"dryRun": ["All"]},
    }
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/eviction?dryRun=All"
    try:
        api.run("create", "--raw", path, "-f", "-", manifest=json.dumps(eviction))
    except CommandError as error:
        return error.why if "disruption budget" in error.why else ""
    return ""
