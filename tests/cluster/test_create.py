"""create, again, destroy: the whole life of a cluster of one control plane and two workers."""

import json

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources

pytestmark = pytest.mark.lab


def test_bare_hosts_become_a_ready_cluster(up: Up, module_kubeon: Kubeon) -> None:
    """One command, root's password, three bare hosts: three Ready nodes."""
    cp, *workers = up("a1", "a2", "a3")

    answer = module_kubeon.data("create", "alpha", VERSION, *nodes([cp], workers), *sources(), "--yes")

    ready = json.loads(kubectl(cp, "get", "nodes", "-o", "json"))
    conditions = [c for node in ready["items"] for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert [c["status"] for c in conditions] == ["True"] * 3
    assert answer["changed"]
