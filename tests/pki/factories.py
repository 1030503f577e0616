"""Small factories of what certificates are made from."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from kubeon.pki.leaves import LeafRequest
from kubeon.spec.versions import Version

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CENTURY = timedelta(days=36500)


def a_request(version: str = "v1.34.1", **fields: Any) -> LeafRequest:
    """The first control plane of a cluster."""
    values: dict[str, Any] = {
        "node_name": "cp1",
        "address": "10.0.0.11",
        "version": Version.parse(version),
        "endpoint": "apiserver.cluster.local:6443",
        "validity": CENTURY,
        "service_subnet": IPv4Network("10.96.0.0/12"),
        "dns_domain": "cluster.local",
        "control_plane": True,
    }
    return LeafRequest(**{**values, **fields})
