"""Small factories for specs, shared by the tests of plug-ins and of the bundle."""

from typing import Any

from kubeon.spec.model import ClusterSpec


def a_spec(version: str = "v1.34.1", *, control_planes: int = 1, workers: int = 1, **fields: Any) -> ClusterSpec:
    """A cluster: control planes at 10.0.0.1 and on, workers at 10.0.1.1 and on."""
    nodes = [{"address": f"10.0.0.{number}", "role": "control-plane"} for number in range(1, control_planes + 1)]
    nodes += [{"address": f"10.0.1.{number}", "role": "worker"} for number in range(1, workers + 1)]
    return ClusterSpec.model_validate({"name": "demo", "version": version, "nodes": nodes, **fields})
