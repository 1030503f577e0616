"""Certificates of a cluster of three control planes and two workers: shown, renewed, expired and brought back, and CAs
rotated, while clients ask five times a second. The tests go in order; what was measured is in pytest's summary.
"""

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.pki import kubeconfigs
from kubeon.pki.authorities import CLIENT, Authorities, Subject
from kubeon.pki.inspect import describe
from kubeon.pki.leaves import FILES
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK
from tests.cluster import certificates, pods
from tests.cluster.driver import kubectl
from tests.cluster.living import Living
from tests.cluster.probe import probing
from tests.lab import hosts
from tests.measured import measured
from tests.pki.expiry import aged

pytestmark = [pytest.mark.lab, pytest.mark.soak]

# All that may fail: reads that wait in etcd just when its lead is handed over, and connections that an API server had
# not yet accepted when it closed its port, which clients of Kubernetes open again.
HANDED_OVER, UNHEARD = "leader changed", ("Closed(", "ConnectionResetError(")
ROTATED_WITHIN = 1200  # seconds, of one run
FEW = 12  # of thousands, in all of a command
SERVED = {6443: "apiserver", 2379: "etcd-server", 2380: "etcd-peer", 10250: "kubelet-serving"}


@dataclass
class Ce(Living):
    """The cluster, with an eye on its certificates."""

    @property
    def record(self) -> Path:
        """On the control machine."""
        return self.kubeon.home / "clusters" / self.name

    def authorities(self) -> Authorities:
        """The cluster's CAs as the control machine has them."""
        return Authorities.from_files(Home(self.kubeon.home).cluster(self.name).read_pki())

    def shown(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """What `certs show` says, by node, name and file."""
        rows = json.loads(self.kubeon.run("certs", "show", self.name, "--output", "json").stdout)["certificates"]
        return {(row["node"], row["name"], row["file"]): row for row in rows}

    def leaves(self) -> dict[tuple[str, str, str], str]:
        """Fingerprints of all that is no CA, on nodes."""
        return {
            key: row["fingerprint"]
            for key, row in self.shown().items()
            if row["kind"] in ("certificate", "kubeconfig") and row["node"] in {host.name for host in self.hosts}
        }

    @contextmanager
    def asked(self, kubeconfig: Path, what: str) -> Iterator[None]:
        """Requests from both workers meanwhile; there is always an answer."""
        with probing(self.workers, kubeconfig, seconds=900) as end:
            began = time.monotonic()
            yield
            taken = time.monotonic() - began
            reports = end()
        measured(f"{what}: {taken:.0f} s")
        for report in reports:
            measured(f"  {report}")
            for name, stream in (("kept", report.kept), ("new", report.new)):
                seconds = Counter((round(at - began), why[:150]) for at, _, why in stream.failed)
                print("".join(f"    {name} at {at} s, {n} times: {why}\n" for (at, why), n in seconds.items()), end="")
        streams = [stream for report in reports for stream in (report.kept, report.new)]
        assert all(stream.done > 100 for stream in streams)
        failed = [why for stream in streams for _, _, why in stream.failed]
        assert [why for why in failed if HANDED_OVER not in why and not why.startswith(UNHEARD)] == []
        assert len(failed) <= FEW

    def works(self) -> None:
        """Nodes are Ready, pods are scheduled, made and reached, logs and exec go through every API server."""
        first = self.control_planes[0]
        kubectl(first, "wait nodes --all --for=condition=Ready --timeout=60s")
        running = pods.start(first)
        address = kubectl(first, f"get service {pods.NAME} -o jsonpath={{.spec.clusterIP}}")
        for control_plane in self.control_planes:
            for pod in running.values():
                name = pod["metadata"]["name"]
                kubectl(control_plane, f"--server https://{control_plane.address}:6443 logs {name}")
        assert pods.ask(first, running[self.workers[0].name], address, 80) in {host.name for host in self.hosts}
        pods.stop(first)

    def is_sound(self) -> None:
        """Nothing is wrong with any certificate, and what is served is what is there."""
        found = self.kubeon.run("certs", "show", self.name, "--output", "json")
        assert found.exit_code == 0, found.text
        by_node = {(row["node"], row["name"]): row for row in json.loads(found.stdout)["certificates"]}
        for host in self.hosts:
            for port, name in SERVED.items():
                if (host.name, name) in by_node:
                    assert by_node[host.name, name]["served"] is True
                    end = certificates.served(host, port)
                    assert f"{end:%Y-%m-%dT%H:%M:%SZ}" == by_node[host.name, name]["notAfter"]


@pytest.fixture(scope="module")
def ce(ha: Living) -> Ce:
    """Handed on."""
    return Ce(**vars(ha))


def test_everything_is_shown(ce: Ce) -> None:
    """What `find` finds is shown, with the same ends; and a threshold turns the exit code."""
    shown = ce.shown()
    for host in ce.hosts:
        found = {name.split(" ")[0] for name in certificates.expiries(host)}
        stale = {name for name in found if re.search(r"/kubelet-client-(?!current)", name)}
        mine = {file for node, _, file in shown if node == host.name}
        assert found - stale <= mine, sorted(found - stale - mine)
    ce.is_sound()
    late = ce.kubeon.run("certs", "show", ce.name, "--warn-days", "40000")
    print(f"\n{ce.kubeon.ok('certs', 'show', ce.name).stdout}")
    assert late.exit_code == 1
    assert "expires soon" in late.stdout


def test_all_are_renewed_while_the_api_answers(ce: Ce) -> None:
    """Every one of them, with a name more for the API server; two runs, the second has nothing to do."""
    before = ce.leaves()
    user = describe(kubeconfigs.render(_user(ce)))
    with ce.asked(ce.record / "admin.conf", "renew all"):
        ce.kubeon.ok("certs", "renew", ce.name, "all", "--san", "api.example.org", "--yes")

    after = ce.leaves()
    assert after.keys() == before.keys()
    assert [key for key in after if after[key] == before[key]] == []
    assert describe(kubeconfigs.render(_user(ce))).fingerprint != user.fingerprint
    assert "api.example.org" in ce.shown()[ce.control_planes[1].name, "apiserver", FILES["apiserver"]]["names"]
    assert "api.example.org" in kubectl(ce.control_planes[0], "get configmap kubeadm-config -n kube-system -o yaml")
    assert ce.kubeon.data("certs", "renew", ce.name, "--san", "api.example.org", "--yes")["changed"] is False
    ce.is_sound()
    ce.works()


def test_new_cas_while_the_api_answers(ce: Ce, tmp_path: Path) -> None:
    """First both are trusted, then, after kubeon was killed in the middle, only the new ones."""
    old = ce.authorities()
    with ce.asked(ce.record / "admin.conf", "rotate-ca, old and new trusted together"):
        ce.kubeon.ok("certs", "rotate-ca", ce.name, "--pause", "--yes", timeout=ROTATED_WITHIN)
    ce.is_sound()
    refused = ce.kubeon.run("create", ce.name, "--yes")
    assert refused.exit_code == 6
    assert f"resume it: kubeon certs rotate-ca {ce.name}" in refused.text

    with ce.asked(_of_tomorrow(ce, tmp_path), "rotate-ca, from the new CAs, then without the old ones"):
        run = ce.kubeon.watched(ce.name, "certs", "rotate-ca", ce.name, "--yes")
        run.reach(r"\S+: .* \[restart-control-plane\]: changed")
        run.kill()
        ce.kubeon.ok("certs", "rotate-ca", ce.name, "--yes", timeout=ROTATED_WITHIN)

    new = ce.authorities()
    assert {name for name in ("ca", "etcd-ca", "front-proxy-ca") if old.named(name) == new.named(name)} == set()
    for host in ce.hosts:
        left = hosts.ssh(host, "cat /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt 2>/dev/null", check=False)
        assert old.ca.pem.decode() not in left.stdout
        assert old.etcd_ca.pem.decode() not in left.stdout
    text = kubectl(ce.control_planes[0], "get configmaps -A -o json")
    for ca in (old.ca, old.front_proxy_ca):
        assert json.dumps(ca.pem.decode())[1:-1] not in text
        assert base64.b64encode(ca.pem).decode() not in text
    ce.is_sound()
    ce.works()
    assert ce.kubeon.data("create", ce.name, "--yes")["changed"] is False


def test_an_expired_cluster_comes_back(ce: Ce) -> None:
    """Certificates with a day of life that ended an hour ago, everywhere; nothing answers, and one command mends it."""
    authorities = ce.authorities()
    for host in ce.hosts:
        paths = [path for path in FILES.values() if hosts.ssh(host, f"test -e {path}", check=False).returncode == 0]
        for path, text in aged({path: hosts.ssh(host, f"cat {path}").stdout for path in paths}, authorities).items():
            hosts.ssh(host, f"cat >{path}", stdin=text)
    for host in ce.hosts:
        stop = "for p in etcd kube-apiserver kube-controller-manager kube-scheduler; do pkill -x $p; done"
        hosts.ssh(host, f"systemctl restart kubelet; {stop}", check=False)
    time.sleep(20)
    assert "expired" in ce.kubeon.run("certs", "show", ce.name).stdout
    assert kubectl(ce.control_planes[0], "get --raw /version", check=False) == ""

    began = time.monotonic()
    ce.kubeon.ok("certs", "renew", ce.name, "--yes")

    measured(f"an expired cluster was back after {time.monotonic() - began:.0f} s")
    ce.is_sound()
    ce.works()


def _user(ce: Ce) -> kubeconfigs.Kubeconfig:
    """The user's own access to the cluster."""
    content = yaml.safe_load(ce.kubeon.kubeconfig.read_text())
    return kubeconfigs.parse(yaml.safe_dump(content | {"current-context": ce.name}).encode())


def _of_tomorrow(ce: Ce, folder: Path) -> Path:
    """An administrator whose certificate is from the new CA already, and who trusts both: as the pause allows."""
    rotation = Home(ce.kubeon.home).cluster(ce.name).rotation.read()
    assert rotation
    old, new = Authorities.from_files(rotation.old), Authorities.from_files(rotation.new)
    pair = new.ca.issue(
        Subject("prober", ("system:masters",)), [CLIENT], [], validity=timedelta(days=1), now=SYSTEM_CLOCK.now()
    )
    known = kubeconfigs.parse((ce.record / "admin.conf").read_bytes())
    path = folder / "prober.conf"
    path.write_bytes(
        kubeconfigs.render(
            kubeconfigs.Kubeconfig("prober", known.server, old.ca.pem + new.ca.pem, pair.certificate, pair.key)
        )
    )
    return path
