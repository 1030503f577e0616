"""Which pods could not be evicted just now, asked by evictions that are not carried out (dry run on the server)."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeon.errors import CommandError
from kubeon.kube.drain import MovablePod
from kubeon.kube.kubectl import Kubectl
from kubeon.spec.versions import Version

_BUDGET = re.compile("disruption ?budget", re.IGNORECASE)
_EVERYWHERE = "--all-namespaces"


@dataclass(frozen=True)
class Held:
    """A pod that its PodDisruptionBudget holds on a node."""

    node: str
    pod: str  # "namespace/name"
    why: str  # the API's words
    budgets: tuple[str, ...]  # those that cover it
    for_good: bool  # one of them can never allow any, however many pods are healthy


def held_pods(api: Kubectl, version: Version, pods: Sequence[MovablePod]) -> list[Held]:
    """Of these pods, those that the API server would not evict now.

    Only pods with a budget that allows no disruption, or with two of them, are tried: on 300 nodes they are few.
    """
    every = (api.get("poddisruptionbudgets", _EVERYWHERE) or {"items": []})["items"]
    found = []
    for pod in pods:
        mine = [each for each in every if _selects(each, pod)]
        tight = [each for each in mine if _is_tight(each)]
        if (tight or len(mine) > 1) and (why := _refusal(api, version, pod)):
            names = tuple(sorted(each["metadata"]["name"] for each in mine))
            # the eviction API never evicts a pod that two budgets cover
            found.append(Held(pod.node, pod.title, why, names, len(mine) > 1 or any(map(_is_hopeless, tight))))
    return found


def _selects(budget: Mapping[str, Any], pod: MovablePod) -> bool:
    """Does its selector (a LabelSelector) match the pod? An empty one does since policy/v1; null never does."""
    selector = budget["spec"].get("selector")
    if selector is None or budget["metadata"]["namespace"] != pod.namespace:
        return False
    if not selector and budget.get("apiVersion") == "policy/v1beta1":
        return False
    exact = selector.get("matchLabels", {}).items() <= pod.labels.items()
    return exact and all(_matches(each, pod.labels) for each in selector.get("matchExpressions", ()))


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    has, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return has in values
        case "NotIn":
            return has not in values
        case "Exists":
            return has is not None
    return has is None  # DoesNotExist


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
        return error.why if _BUDGET.search(error.why) else ""
    return ""
