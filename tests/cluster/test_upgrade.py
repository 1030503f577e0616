"""3 + 2 nodes go from v1.20.2 to a later patch release while people use them: whole, and cut off at every turn.

The tests go in order. Measured numbers are printed (pytest -s).
"""

import json
import time
from dataclasses import dataclass

import pytest

from tests.cluster.conftest import Up
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.cluster.pods import IMAGE
from tests.cluster.probe import probing
from tests.lab import faults, hosts, mirror
from tests.lab.hosts import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.long]

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
class Cluster:
    """The cluster of this module."""

    kubeon: Kubeon
    control_planes: list[LabHost]
    workers: list[LabHost]
    name: str = "up"

    @property
    def first(self) -> LabHost:
        """The control plane that is asked."""
        return self.control_planes[0]

    @property
    def hosts(self) -> list[LabHost]:
        """All of them."""
        return [*self.control_planes, *self.workers]

    def create(self) -> None:
        """Bare hosts become a cluster of the older version, with something on it."""
        self.kubeon.ok("create", self.name, VERSION, *nodes(self.control_planes, self.workers), *sources(), "--yes")
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
def cluster(up: Up, module_kubeon: Kubeon) -> Cluster:
    """Five hosts, three of them control planes."""
    mirror.prepare((VERSION, NEW))
    members = up("up-m1", "up-m2", "up-m3", "up-w1", "up-w2")
    made = Cluster(module_kubeon, members[:3], members[3:])
    made.create()
    return made


def test_a_budget_that_can_never_be_met_is_told_before_anything_is_touched(cluster: Cluster) -> None:
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


def test_upgrade_under_load(cluster: Cluster) -> None:
    """A Deployment with a budget is asked 20 times a second through its Service; certificates stay."""
    certificates = cluster.certificates()
    address = kubectl(cluster.first, "get service web -o jsonpath={.spec.clusterIP}")
    with probing([cluster.first, cluster.workers[0]], None, address=address, port=80, seconds=900) as end:
        began = time.monotonic()
        outcome = cluster.kubeon.ok(*cluster.upgrade(), timeout=900)
        print(f"upgrade of 3 + 2: {time.monotonic() - began:.0f} s")
        reports = end()

    for report in reports:
        print(report)
        print([(round(e - began, 1), why) for _, e, why in report.new.failed])
    assert "has v1.20.15" in outcome.stdout
    cluster.check()
    assert cluster.certificates() == certificates
    assert all(not report.new.failed for report in reports)
    again = cluster.kubeon.ok(*cluster.upgrade())
    assert "has v1.20.15 already; nothing was changed" in again.stdout
    assert cluster.kubeon.data("create", cluster.name, "--yes")["changed"] is False


def test_the_way_back_is_refused(cluster: Cluster) -> None:
    """Never down."""
    outcome = cluster.kubeon.run("upgrade", cluster.name, VERSION, "--yes")

    assert outcome.exit_code == 4, outcome.text
    assert "would be a downgrade" in outcome.text


def test_cut_off_at_every_turn(cluster: Cluster) -> None:
    """SIGKILL while files are brought, inside kubeadm upgrade apply, while a worker is drained; then a power cut.

    Of a cluster with one control plane: the others are upgraded by the same phases, which take minutes.
    """
    cluster.kubeon.ok("destroy", cluster.name, "--yes")
    cluster = Cluster(cluster.kubeon, cluster.control_planes[:1], cluster.workers, "cut")
    cluster.create()
    for moment in (
        r"up-w2.*bring-images.*: started|\[bring-images\]: started",
        r"\[upgrade/staticpods\] Preparing for \"kube-controller-manager\"",
        r"\[upgrade-workers\]: started",
    ):
        run = cluster.kubeon.watched(cluster.name, *cluster.upgrade())
        run.reach(moment, patience=400)
        time.sleep(1)
        run.kill()
    refused = cluster.kubeon.run("create", cluster.name, "--yes")
    assert refused.exit_code == 6, refused.text
    assert f"kubeon upgrade {cluster.name} {NEW} goes on with it" in refused.text

    run = cluster.kubeon.watched(cluster.name, *cluster.upgrade("--drain-timeout", "30"))  # nobody leaves a dead host
    run.reach(r"\[upgrade-workers\]: started", patience=400)
    busy = next(host for host in cluster.workers if cluster.kubelets()[host.name] == VERSION)
    faults.power_off(busy)
    failed = run.end(patience=400)
    assert failed.exit_code != 0, failed.text
    faults.power_on(busy)

    cluster.kubeon.ok(*cluster.upgrade(), timeout=900)
    cluster.check()
