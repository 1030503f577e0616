"""What is read and what is written: pure rules for EndpointSlices and Endpoints."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from apiserver_updater.cluster import Json

SERVICE = "apiserver"
SLICE = "apiserver-kubeon"
PORT = "https"
WRITER = "apiserver-updater.kubeon/writer"  # annotation: which leadership wrote last
SLICE_LABELS = {
    "kubernetes.io/service-name": SERVICE,
    "endpointslice.kubernetes.io/managed-by": "apiserver-updater.kubeon",
}
ENDPOINTS_LABELS = {"endpointslice.kubernetes.io/skip-mirror": "true"}


@dataclass(frozen=True)
class Servers:
    """The API servers: sorted addresses, of one family, and their port."""

    addresses: tuple[str, ...]
    port: int

    def __str__(self) -> str:
        return f"{', '.join(self.addresses)} port {self.port}"


def servers_in(slices: Iterable[Json]) -> Servers | None:
    """Those that are ready; None when there is none, which never is a reason to write anything."""
    for each in slices:
        addresses = {
            address
            for endpoint in each.get("endpoints") or []
            if _ready(endpoint)
            for address in endpoint.get("addresses") or []
            if _version(address)
        }
        ports = [port.get("port") for port in each.get("ports") or [] if port.get("name") == PORT]
        if addresses and ports and ports[0]:
            return Servers(tuple(sorted(addresses, key=ipaddress.ip_address)), int(ports[0]))
    return None


def wanted_slice(found: Json, servers: Servers, mark: str) -> Json | None:
    """What to write in place of the slice that was found; None when it is right, or nothing of it could be right."""
    family = 6 if found.get("addressType") == "IPv6" else 4  # it cannot be changed
    addresses = [address for address in servers.addresses if _version(address) == family]
    if not addresses:
        return None
    endpoints = found.get("endpoints") or []
    right = (
        sorted(address for endpoint in endpoints for address in endpoint.get("addresses") or []) == sorted(addresses)
        and all(_ready(endpoint) for endpoint in endpoints)
        and _same_port(found.get("ports"), servers.port)
    )
    return _changed(
        found,
        mark,
        SLICE_LABELS,
        None
        if right
        else {
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
            "ports": [_port(servers.port)],
        },
    )


def wanted_endpoints(found: Json, servers: Servers, mark: str) -> Json | None:
    """Likewise of the Endpoints object, which may have both families."""
    subsets = found.get("subsets") or []
    right = (
        len(subsets) == 1
        and not subsets[0].get("notReadyAddresses")
        and sorted(address.get("ip") for address in subsets[0].get("addresses") or []) == sorted(servers.addresses)
        and _same_port(subsets[0].get("ports"), servers.port)
    )
    return _changed(
        found,
        mark,
        ENDPOINTS_LABELS,
        None
        if right
        else {
            "subsets": [
                {"addresses": [{"ip": address} for address in servers.addresses], "ports": [_port(servers.port)]}
            ],
        },
    )


def _changed(found: Json, mark: str, labels: dict[str, str], content: Json | None) -> Json | None:
    """With that content, those labels and our mark; None when all of it is there.

    The mark makes one write of every change of leader. That is on purpose: it changes the resourceVersion, so that a
    write of the leader before, which may still be under way somewhere, can only fail.
    """
    metadata = found.get("metadata") or {}
    had_labels, had_notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if content is None and labels.items() <= had_labels.items() and had_notes.get(WRITER) == mark:
        return None
    metadata = {**metadata, "labels": {**had_labels, **labels}, "annotations": {**had_notes, WRITER: mark}}
    return {**found, **(content or {}), "metadata": metadata}


def _ready(endpoint: Json) -> bool:
    """Not known is ready, says the API."""
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False and not conditions.get("terminating")


def _port(number: int) -> Json:
    return {"name": PORT, "port": number, "protocol": "TCP"}


def _same_port(found: list[Json] | None, number: int) -> bool:
    ports = [(port.get("name"), port.get("port"), port.get("protocol") or "TCP") for port in found or []]
    return ports == [(PORT, number, "TCP")]


def _version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0
