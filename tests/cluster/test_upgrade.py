"""Nodes go from v1.20.2 to a later patch release while people use them.

The tests go in order. What was measured is in pytest's summary.
"""

import json
import time
from dataclasses import dataclass

import pytest

from tests.cluster.driver import VERSION, kubectl
from tests.cluster.living import MEASURED, Living
from tests.cluster.pods import IMAGE
from tests.cluster.probe import probing, show
from tests.lab import hosts, mirror
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = MEASURED

NEW = "v1.20.15"
# As PID 1 httpd takes no notice of SIGTERM: a pod that leaves answers until its last second.
_WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 8
      topologySpreadConstraints:
      - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway,
         labelSelector: {{matchLabels: {{app: web}}}}}}
      containers:
      - name: web
        image: {IMAGE}
        command: [sh, -c, "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 8080 -h /www"]
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {{name: web}}
spec:
  maxUnavailable: 1
  selector: {{matchLabels: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080}}]
"""
_ONLY_ONE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: only}
spec:
  selector: {matchLabels: {app: only}}
  template:
    metadata: {labels: {app: only}}
    spec:
      containers: [{name: pause, image: "k8s.gcr.io/pause:3.2"}]
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: only}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: only}}
"""
_CERTIFICATES = (
    "find /etc/kubernetes /var/lib/kubelet/pki -name '*.crt' -o -name '*.key' -o -name '*.conf' -o -name '*.pem'"
)


@dataclass
class Upgraded(Living):
    """A cluster of the older version, with something on it."""

    @property
    def first(self) -> LabHost:
        """The control plane that is asked."""
        return self.control_planes[0]

    def serves(self) -> None:
        """Something that people use."""
        kubectl(self.first, "apply -f -", stdin=_WEB)
        kubectl(self.first, "rollout status deployment/web --timeout=180s")

    def upgrade(self, *words: str) -> list[str]:
        """The command."""
        return ["upgrade", self.name, NEW, "--yes", *words]

    def kubelets(self) -> dict[str, str]:
        """What the nodes report."""
        items = json.loads(kubectl(self.first, "get nodes -o json"))["items"]
        return {item["metadata"]["name"]: item["status"]["nodeInfo"]["kubeletVersion"] for item in items}

    def certificates(self) -> dict[str, str]:
        """Checksums, by host."""
        return {host.name: hosts.ssh(host, f"{_CERTIFICATES} | sort | xargs sha256sum").stdout for host in self.hosts}

    def check(self) -> None:
        """Everything has the new version, is Ready, and takes pods."""
        assert self.kubelets() == dict.fromkeys((host.name for host in self.hosts), NEW)
        for host in self.control_planes:
            says = kubectl(host, f"get --raw /version --server https://{host.address}:6443")
            assert json.loads(says)["gitVersion"] == NEW
        items = json.loads(kubectl(self.first, "get nodes -o json"))["items"]
        assert not [item["metadata"]["name"] for item in items if item["spec"].get("unschedulable")]
        pods = json.loads(kubectl(self.first, "get pods --namespace kube-system -o json"))["items"]
        images = {c["image"] for pod in pods for c in pod["spec"]["containers"]}
        old = {image for image in images if image.endswith(f":{VERSION}")}
        assert not old
        for host in self.hosts:
            assert hosts.ssh(host, "ls /var/lib/kubeon/upgrade", check=False).stdout == ""


@pytest.fixture(scope="module")
def cluster(old: Living) -> Upgraded:
    """Its own: what would come after has another version."""
    mirror.prepare((VERSION, NEW))
    found = Upgraded(**vars(old))
    found.serves()
    return found


def test_a_budget_that_can_never_be_met_is_told_before_anything_is_touched(cluster: Upgraded) -> None:
    """By evictions that the API server only tries."""
    kubectl(cluster.first, "apply -f -", stdin=_ONLY_ONE)
    kubectl(cluster.first, "rollout status deployment/only --timeout=120s")
    time.sleep(2)  # the budget's controller counts

    outcome = cluster.kubeon.run(*cluster.upgrade())

    assert outcome.exit_code == 4, outcome.text
    assert "default/only-" in outcome.text
    assert "could not be evicted" in outcome.text
    assert "allows that never: only" in outcome.text
    assert set(cluster.kubelets().values()) == {VERSION}
    for host in cluster.hosts:
        assert hosts.ssh(host, "ls /var/lib/kubeon/upgrade", check=False).stdout == ""
    kubectl(cluster.first, "delete deployment/only pdb/only")


def test_upgrade_under_load(cluster: Upgraded) -> None:
    """A Deployment with a budget is asked 20 times a second through its Service; certificates stay."""
    certificates = cluster.certificates()
    address = kubectl(cluster.first, "get service web -o jsonpath={.spec.clusterIP}")
    with probing([cluster.first, cluster.workers[0]], None, address=address, port=80, seconds=900) as end:
        began = time.monotonic()
        outcome = cluster.kubeon.ok(*cluster.upgrade(), timeout=900)
        measured(f"upgrade of 3 + 2: {time.monotonic() - began:.0f} s")
        reports = end()

    for report in reports:
        show(report, began)
    assert "has v1.20.15" in outcome.stdout
    cluster.check()
    assert cluster.certificates() == certificates
    assert all(not report.new.failed for report in reports)
    again = cluster.kubeon.ok(*cluster.upgrade())
    assert "has v1.20.15 already; nothing was changed" in again.stdout
    assert cluster.kubeon.data("create", cluster.name, "--yes")["changed"] is False


def test_the_way_back_is_refused(cluster: Upgraded) -> None:
    """Never down."""
    outcome = cluster.kubeon.run("upgrade", cluster.name, VERSION, "--yes")

    assert outcome.exit_code == 4, outcome.text
    assert "would be a downgrade" in outcome.text
