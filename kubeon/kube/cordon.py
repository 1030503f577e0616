"""Cordoning a node for a while, so that a later run knows who did it and takes it back."""

import json

from kubeon.errors import OperationError
from kubeon.kube.kubectl import Kubectl

MARK = "kubeon.io/cordoned-for"


def cordon(api: Kubectl, name: str, purpose: str) -> None:
    """Cordon a node and note why; one that somebody else has cordoned stays theirs.

    Raises OperationError when there is no such Node.
    """
    node = api.get("node", name)
    if node is None:
        raise OperationError(f"the cluster has no Node {name}", host=name)
    if node["spec"].get("unschedulable"):
        return
    _patch(api, name, {"metadata": {"annotations": {MARK: purpose}}, "spec": {"unschedulable": True}})


def uncordon(api: Kubectl, name: str) -> bool:
    """Take back what `cordon` did; True when there was something to take back."""
    if not is_cordoned(api, name):
        return False
    _patch(api, name, {"metadata": {"annotations": {MARK: None}}, "spec": {"unschedulable": None}})
    return True


def is_cordoned(api: Kubectl, name: str) -> bool:
    """Has `cordon` been here?"""
    node = api.get("node", name) or {"metadata": {}}
    return MARK in node["metadata"].get("annotations", {})


def _patch(api: Kubectl, name: str, change: object) -> None:
    api.run("patch", "node", name, "--type", "merge", "--patch", json.dumps(change))
