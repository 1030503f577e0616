"""The objects that kubeon makes for the program, and the slice that it reads."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

SYSTEM = "kube-system"
DISCOVERY = "discovery.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
SOURCES = f"/apis/{DISCOVERY}/namespaces/default/endpointslices"
SOURCE = f"{SOURCES}/kubernetes"
TARGETS = f"/apis/{DISCOVERY}/namespaces/{SYSTEM}/endpointslices"
TARGET = f"{TARGETS}/apiserver-kubeon"
ENDPOINTS = f"/api/v1/namespaces/{SYSTEM}/endpoints/apiserver"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases"
LEASE = f"{LEASES}/apiserver-updater"
ACCOUNTS = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts"
ACCOUNT = f"{ACCOUNTS}/apiserver-updater"


def _slice(namespace: str, name: str, addresses: Sequence[str], port: int, ready: bool = True) -> Json:
    return {
        "apiVersion": DISCOVERY,
        "kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": name},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def a_source(*addresses: str, port: int = 6443, ready: bool = True) -> Json:
    """What the API servers write of themselves."""
    return _slice("default", "kubernetes", addresses, port, ready)


def a_target(*addresses: str) -> Json:
    """The slice as kubeon creates it, or as somebody has left it."""
    return _slice(SYSTEM, "apiserver-kubeon", addresses or ("10.0.0.11",), 6443)


def an_endpoints(*addresses: str) -> Json:
    """The Endpoints object likewise."""
    ports = [{"name": "https", "port": 6443, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"namespace": SYSTEM, "name": "apiserver"},
        "subsets": [{"addresses": [{"ip": address} for address in addresses or ("10.0.0.11",)], "ports": ports}],
    }


def a_lease(**spec: Any) -> Json:
    """The Lease, which nobody holds at first."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"namespace": SYSTEM, "name": "apiserver-updater"},
        "spec": spec,
    }


def addresses_in(found: Json) -> list[str]:
    """Of a slice or of Endpoints."""
    subsets = found.get("subsets")
    if subsets is not None:
        return [address["ip"] for subset in subsets for address in subset["addresses"]]
    return [address for endpoint in found["endpoints"] for address in endpoint["addresses"]]


def rights() -> dict[str, Json]:
    """Roles and bindings by the path to create them at: exactly what the design grants, no `create`."""
    core, discovery, leases = "", "discovery.k8s.io", "coordination.k8s.io"
    read, write = ["get", "list", "watch"], ["get", "update"]
    rules = {
        "default": [_rule(discovery, "endpointslices", "kubernetes", read)],
        SYSTEM: [
            _rule(discovery, "endpointslices", "apiserver-kubeon", write),
            _rule(core, "endpoints", "apiserver", write),
            _rule(leases, "leases", "apiserver-updater", write),
        ],
    }
    made: dict[str, Json] = {}
    for namespace, granted in rules.items():
        made[f"{RBAC}/{namespace}/roles"] = {"metadata": {"name": "apiserver-updater"}, "rules": granted}
        made[f"{RBAC}/{namespace}/rolebindings"] = {
            "metadata": {"name": "apiserver-updater"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "apiserver-updater"},
            "subjects": [{"kind": "ServiceAccount", "namespace": SYSTEM, "name": "apiserver-updater"}],
        }
    return made


def _rule(group: str, resource: str, name: str, verbs: list[str]) -> Json:
    return {"apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs}
