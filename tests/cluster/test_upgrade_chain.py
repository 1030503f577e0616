"""One cluster through every minor release that the lab can build, with its data and its workload.

kubeadm's configuration API, etcd, containerd and the kubelet's settings change on the way. One step, one test.
"""

import json
import time
from dataclasses import dataclass

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, components, kubectl, kubelet_sets, nodes, sources
from tests.cluster.pods import IMAGE
from tests.lab import mirror
from tests.lab.hosts import LabHost
from tests.lab.mirror import rows
from tests.measured import measured

pytestmark = [pytest.mark.lab, pytest.mark.soak]

FIRST, *STEPS = rows.rows()
_WORKLOAD = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: kept}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: kept}}}}
  template:
    metadata: {{labels: {{app: kept}}}}
    spec:
      containers: [{{name: sleep, image: {IMAGE}, command: [sleep, infinity]}}]
"""


@dataclass
class Chi:
    """The cluster of this module."""

    kubeon: Kubeon
    hosts: list[LabHost]
    name: str = "chi"

    @property
    def first(self) -> LabHost:
        """The control plane that is asked."""
        return self.hosts[0]

    def check(self, release: str) -> None:
        """All nodes have it, etcd is well, and data and workload are there."""
        items = json.loads(kubectl(self.first, "get nodes -o json"))["items"]
        assert {item["status"]["nodeInfo"]["kubeletVersion"] for item in items} == {release}
        runtimes = {item["status"]["nodeInfo"]["containerRuntimeVersion"] for item in items}
        etcd = {member["status"]["version"] for member in self.kubeon.data("etcd", "status", self.name)["members"]}
        measured(f"{release}: {', '.join(sorted(runtimes))}; etcd {', '.join(sorted(etcd))}")
        assert kubectl(self.first, "get secret precious -o jsonpath={.data.text}") == "a2VwdA=="
        kubectl(self.first, "rollout status deployment/kept --timeout=180s")
        assert self.kubeon.data("create", self.name, "--yes")["changed"] is False


@pytest.fixture(scope="module")
def chi(up: Up, module_kubeon: Kubeon) -> Chi:
    """Three control planes and a worker of the oldest."""
    mirror.prepare((FIRST,))
    four = up("ch-1", "ch-2", "ch-3", "ch-4")
    # what the newest kubelet needs here older ones take no notice of
    sets = [word for each in kubelet_sets(VERSION) for word in ("--set", each)]
    # kubeadm before v1.31 looks for proxies at https://[10.96.0.1]:1234, which no Go since 1.25.2 takes for a URL
    ignored = ("--ignore-preflight-errors", "HTTPProxyCIDR")
    module_kubeon.ok("create", "chi", FIRST, *nodes(four[:3], four[3:]), *sources(FIRST), *sets, *ignored, "--yes")
    found = Chi(module_kubeon, four)
    kubectl(found.first, "create secret generic precious --from-literal=text=kept")
    kubectl(found.first, "apply -f -", stdin=_WORKLOAD)
    found.check(FIRST)
    return found


@pytest.mark.parametrize("release", STEPS)
def test_step(chi: Chi, release: str) -> None:
    """To the next minor release, with the runtime that goes with it."""
    mirror.prepare((release,))
    began = time.monotonic()
    chi.kubeon.ok("upgrade", chi.name, release, *components(release), "--yes", timeout=1800)
    measured(f"to {release}: {time.monotonic() - began:.0f} s")
    chi.check(release)
