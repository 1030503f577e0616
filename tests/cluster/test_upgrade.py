"""Nodes go to the next minor release while people use them, cut off on the way; etcd goes along.

The tests go in order. What was measured is in pytest's summary.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.cluster.conftest import GOES_UP
from tests.cluster.driver import OLDER, VERSION, image, kubectl, wait_for
from tests.cluster.living import Living
from tests.cluster.pods import IMAGE
from tests.cluster.probe import Report, probing, show
from tests.lab import hosts, mirror
from tests.lab.hosts import LabHost
from tests.measured import measured

pytestmark = [pytest.mark.lab, GOES_UP]

# Of requests to the API. API servers end gently before their etcd does: 0 of 7216 on workers, 0 of 7137 as pods ask, on
# a quiet machine. What is left is for one where kube-proxy and balancers take longer than `shutdown-delay-duration`.
FEW = 0.002
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
apiVersion: policy/v1
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
      containers: [{name: pause, image: "PAUSE"}]
---
apiVersion: policy/v1
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
class Asked:
    """What clients found."""

    service: list[Report]  # of the Deployment behind its Service
    api: list[Report]  # of the API, as workers reach it
    pods: list[Report]  # of the API, as pods do: by the cluster IP of Service `kubernetes`


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
        return ["upgrade", self.name, VERSION, "--yes", *words]

    @contextmanager
    def asked(self, *at: LabHost) -> Iterator[Asked]:
        """Meanwhile the Deployment is, and the API from workers in both ways, all the time.

        Each on new and on kept connections.
        """
        wait_for(lambda: bool(kubectl(self.first, "get --raw /readyz", check=False)))  # kubeadm may be at it still
        web, kubernetes = (
            kubectl(self.first, f"get service {name} -o jsonpath={{.spec.clusterIP}}") for name in ("web", "kubernetes")
        )
        admin = self.kubeon.home / "clusters" / self.name / "admin.conf"
        found = Asked([], [], [])
        with ExitStack() as stack:
            clients = at or (self.first, self.workers[0])
            service = stack.enter_context(probing(clients, None, address=web, port=80, seconds=1800))
            workers = [host for host in clients if host in self.workers]
            api = stack.enter_context(probing(workers, admin, seconds=1800, by_name=True))
            pods = stack.enter_context(probing(workers, admin, seconds=1800, address=kubernetes, port=443))
            began = time.monotonic()
            yield found
            found.service += service()
            found.api += api()
            found.pods += pods()
        for who, reports in vars(found).items():
            for report in reports:
                measured(f"{who}:")
                show(report, began)

    def kubelets(self) -> dict[str, str]:
        """What the nodes report."""
        items = json.loads(kubectl(self.first, "get nodes -o json"))["items"]
        return {item["metadata"]["name"]: item["status"]["nodeInfo"]["kubeletVersion"] for item in items}

    def certificates(self) -> dict[str, str]:
        """Checksums, by host."""
        return {host.name: hosts.ssh(host, f"{_CERTIFICATES} | sort | xargs sha256sum").stdout for host in self.hosts}

    def check(self) -> None:
        """Everything has the new version, is Ready, and takes pods."""
        assert self.kubelets() == dict.fromkeys((host.name for host in self.hosts), VERSION)
        for host in self.control_planes:
            says = kubectl(host, f"get --raw /version --server https://{host.address}:6443")
            assert json.loads(says)["gitVersion"] == VERSION
        items = json.loads(kubectl(self.first, "get nodes -o json"))["items"]
        assert not [item["metadata"]["name"] for item in items if item["spec"].get("unschedulable")]
        pods = json.loads(kubectl(self.first, "get pods --namespace kube-system -o json"))["items"]
        images = {c["image"] for pod in pods for c in pod["spec"]["containers"]}
        assert not {one for one in images if one.endswith(f":{OLDER}")}
        assert image("etcd") in images
        for host in self.hosts:
            assert hosts.ssh(host, "ls /var/lib/kubeon/upgrade", check=False).stdout == ""


@pytest.fixture(scope="module")
def cluster(older: Living) -> Iterator[Upgraded]:
    """Handed on with the newest release, and without what was on it."""
    mirror.prepare((OLDER, VERSION))
    found = Upgraded(**vars(older))
    found.serves()
    kubectl(found.first, "create secret generic precious --from-literal=text=kept")
    yield found
    kubectl(found.first, "delete deployment/web pdb/web service/web secret/precious", check=False)


@pytest.fixture(scope="module")
def haproxies(cluster: Upgraded) -> dict[str, tuple[str, int]]:
    """As they were before."""
    return cluster.local_haproxies()


@pytest.fixture(scope="module")
def certificates(cluster: Upgraded) -> dict[str, str]:
    """As they were before."""
    return cluster.certificates()


def test_a_budget_that_can_never_be_met_is_told_before_anything_is_touched(cluster: Upgraded) -> None:
    """By evictions that the API server only tries."""
    kubectl(cluster.first, "apply -f -", stdin=_ONLY_ONE.replace("PAUSE", image("pause", OLDER)))
    kubectl(cluster.first, "rollout status deployment/only --timeout=120s")
    time.sleep(2)  # the budget's controller counts

    outcome = cluster.kubeon.run(*cluster.upgrade())

    assert outcome.exit_code == 4, outcome.text
    assert "default/only-" in outcome.text
    assert "could not be evicted" in outcome.text
    assert "can never be satisfied: only" in outcome.text
    assert set(cluster.kubelets().values()) == {OLDER}
    for host in cluster.hosts:
        assert hosts.ssh(host, "ls /var/lib/kubeon/upgrade", check=False).stdout == ""
    kubectl(cluster.first, "delete deployment/only pdb/only")


@pytest.mark.usefixtures("certificates", "haproxies")
def test_killed_inside_kubeadm_and_while_a_worker_is_drained(cluster: Upgraded) -> None:
    """SIGKILL, twice; nobody misses the Deployment meanwhile."""
    with cluster.asked() as asked:
        for moment in (
            r"\[upgrade/staticpods\] Preparing for \"kube-controller-manager\"",
            r"\[upgrade-workers\]: started",
        ):
            run = cluster.kubeon.watched(cluster.name, *cluster.upgrade())
            run.reach(moment, patience=1200)
            time.sleep(1)
            run.kill()
        time.sleep(3)

    nobody_missed(asked)


def test_nothing_else_is_begun(cluster: Upgraded) -> None:
    """It says what goes on."""
    refused = cluster.kubeon.run("create", cluster.name, "--yes")

    assert refused.exit_code == 6, refused.text
    assert f"resume it: kubeon upgrade {cluster.name} {VERSION}" in refused.text


def test_the_same_command_ends_it(
    cluster: Upgraded, certificates: dict[str, str], haproxies: dict[str, tuple[str, int]]
) -> None:
    """Everything has the new version, etcd and its data too; certificates, and what workers reach the API by, stay."""
    with cluster.asked() as asked:
        began = time.monotonic()
        outcome = cluster.kubeon.ok(*cluster.upgrade(), timeout=1200)
        measured(f"the upgrade that went on: {time.monotonic() - began:.0f} s")

    nobody_missed(asked)
    assert cluster.local_haproxies() == haproxies
    assert f"has {VERSION}" in outcome.stdout
    cluster.check()
    assert cluster.certificates() == certificates
    assert kubectl(cluster.first, "get secret precious -o jsonpath={.data.text}") == "a2VwdA=="
    assert f"has {VERSION} already; nothing was changed" in cluster.kubeon.ok(*cluster.upgrade()).stdout
    assert cluster.kubeon.data("create", cluster.name, "--yes")["changed"] is False


def test_the_way_back_is_refused(cluster: Upgraded) -> None:
    """Never down."""
    outcome = cluster.kubeon.run("upgrade", cluster.name, OLDER, "--yes")

    assert outcome.exit_code == 4, outcome.text
    assert "would be a downgrade" in outcome.text


def nobody_missed(asked: Asked, few: float = FEW) -> None:
    """The Deployment; nor the API, but for a moment."""
    assert all(report.new.done > 100 for report in (*asked.service, *asked.api, *asked.pods))
    assert [report.new.failed for report in asked.service] == [[] for _ in asked.service]
    assert all(len(report.new.failed) < report.new.sent * few for report in (*asked.api, *asked.pods))
