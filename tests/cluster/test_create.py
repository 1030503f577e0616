"""create, again, destroy: the whole life of a cluster of one control plane and two workers. The tests go in order."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from tests.cluster import certificates, pods, snapshot
from tests.cluster.conftest import Up, control_machine
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.lab import hosts
from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab

LONG = timedelta(days=99 * 365.25)
FOREIGN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "elsewhere",
    "clusters": [{"name": "elsewhere", "cluster": {"server": "https://192.0.2.1:6443"}}],
    "users": [{"name": "somebody", "user": {"token": "a-token-of-theirs"}}],
    "contexts": [{"name": "elsewhere", "context": {"cluster": "elsewhere", "user": "somebody"}}],
}


@dataclass
class Alpha:
    """The cluster of this module, and its hosts before it."""

    kubeon: Kubeon
    hosts: list[LabHost]
    bare: dict[str, snapshot.Snapshot] = field(repr=False)

    @property
    def control_plane(self) -> LabHost:
        """Its only one."""
        return self.hosts[0]

    @property
    def command(self) -> list[str]:
        """The command that made it."""
        return ["create", "alpha", VERSION, *nodes(self.hosts[:1], self.hosts[1:]), *sources(), "--yes"]


@pytest.fixture(scope="module")
def alpha(up: Up, module_kubeon: Kubeon) -> Alpha:
    """Made by one command with root's password from three bare hosts."""
    three = up("a1", "a2", "a3")
    module_kubeon.kubeconfig.write_text(yaml.safe_dump(FOREIGN))
    cluster = Alpha(module_kubeon, three, snapshot.settled(three))
    assert module_kubeon.data(*cluster.command)["changed"]
    return cluster


def test_bare_hosts_become_a_ready_cluster(alpha: Alpha) -> None:
    """One command, root's password, three bare hosts: three Ready nodes, each by its name and with its role."""
    items = json.loads(kubectl(alpha.control_plane, "get nodes -o json"))["items"]

    ready = {
        item["metadata"]["name"]: [c["status"] for c in item["status"]["conditions"] if c["type"] == "Ready"]
        for item in items
    }
    roles = {item["metadata"]["name"]: set(item["metadata"]["labels"]) for item in items}
    assert ready == {"a1": ["True"], "a2": ["True"], "a3": ["True"]}
    assert "node-role.kubernetes.io/control-plane" in roles["a1"]
    assert all("node-role.kubernetes.io/worker" in roles[name] for name in ("a2", "a3"))


def test_the_kubeconfig_is_merged_into_the_users(alpha: Alpha) -> None:
    """What the user had stays, the current context too; the new context leads to the cluster."""
    merged = yaml.safe_load(alpha.kubeon.kubeconfig.read_text())
    text = yaml.safe_dump(merged | {"current-context": "alpha"})
    seen = hosts.ssh(alpha.control_plane, "kubectl --kubeconfig /dev/stdin get nodes -o name", stdin=text).stdout

    for kind in ("clusters", "users", "contexts"):
        assert FOREIGN[kind][0] in merged[kind]
    assert merged["current-context"] == "elsewhere"
    assert alpha.kubeon.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert seen.split() == ["node/a1", "node/a2", "node/a3"]


def test_every_certificate_lasts_99_years(alpha: Alpha) -> None:
    """On disk, in every kubeconfig, the user's included, and as served."""
    limit = datetime.now(UTC) + LONG
    found = {f"{host.name} {name}": end for host in alpha.hosts for name, end in certificates.expiries(host).items()}
    user = yaml.safe_load(alpha.kubeon.kubeconfig.read_text())
    found |= certificates.of_kubeconfig("the user's", yaml.safe_dump(user))
    for port in (6443, 2379, 2380):
        found[f"served on {port}"] = certificates.served(alpha.control_plane, port)
    for host in alpha.hosts:
        found[f"{host.name} served on 10250"] = certificates.served(host, 10250)

    kinds = ("etcd/server.crt", "apiserver.crt", "kubelet-client-", "kubelet.conf", "admin.conf user", "the user's")
    assert all(any(kind in name for name in found) for kind in kinds), sorted(found)
    assert {name: end for name, end in found.items() if end < limit} == {}


def test_kubelet_certificates_are_signed_for_as_long(alpha: Alpha) -> None:
    """What the controller manager signs, as a kubelet asks it when it joins or renews, lasts 99 years too."""
    request = _signing_request("kubelet-of-tomorrow")
    kubectl(alpha.control_plane, "apply -f -", stdin=json.dumps(request))
    kubectl(alpha.control_plane, "certificate approve kubelet-of-tomorrow")
    wait = "for i in $(seq 50); do c=$(kubectl --kubeconfig /etc/kubernetes/admin.conf get csr kubelet-of-tomorrow"
    wait += " -o jsonpath='{.status.certificate}'); [ -n \"$c\" ] && break; sleep 0.2; done; echo $c"
    signed = hosts.ssh(alpha.control_plane, wait).stdout
    kubectl(alpha.control_plane, "delete csr kubelet-of-tomorrow")

    certificate = x509.load_pem_x509_certificate(base64.b64decode(signed))
    assert certificate.not_valid_after_utc > datetime.now(UTC) + LONG


def test_private_keys_are_roots_alone(alpha: Alpha) -> None:
    """On every host, and in the record on the control machine."""
    loose = {host.name: certificates.open_keys(host) for host in alpha.hosts}
    record = alpha.kubeon.home / "clusters" / "alpha"

    assert loose == {"a1": [], "a2": [], "a3": []}
    assert [path for path in record.rglob("*") if path.is_file() and path.stat().st_mode & 0o777 != 0o600] == []


def test_nothing_of_the_joining_is_left(alpha: Alpha) -> None:
    """No token with which a stranger could join, no file that held one."""
    tokens = kubectl(
        alpha.control_plane, "get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token -o name"
    )
    info = json.loads(kubectl(alpha.control_plane, "get configmap cluster-info -n kube-public -o json"))

    assert tokens == ""
    assert list(info["data"]) == ["kubeconfig"]
    for host in alpha.hosts:
        files = "/run/kubeon/kubeadm.yaml /var/lib/kubeon/stage"
        left = hosts.ssh(host, f"ls -d {files} 2>/dev/null; find /etc /usr/local -name '*.kubeon-new'", check=False)
        assert left.stdout == ""


def test_a_second_create_changes_nothing(alpha: Alpha) -> None:
    """Files, units, processes, containers, rules, routes: all hosts are as before, and kubeon says so."""
    before = snapshot.settled(alpha.hosts)

    answer = alpha.kubeon.data(*alpha.command)

    after = snapshot.take_all(alpha.hosts)
    assert not answer["changed"]
    changes = snapshot.differences(before, after)
    assert not changes, "\n".join(changes)


def test_pods_reach_each_other(alpha: Alpha) -> None:
    """From every node's pod: others' addresses, a Service by address and name; from outside: a port of the nodes."""
    cp = alpha.control_plane
    echo = pods.start(cp)
    address = json.loads(kubectl(cp, "get service echo -o json"))["spec"]["clusterIP"]

    for source, pod in echo.items():
        for target in set(echo) - {source}:
            at = echo[target]["status"]["podIP"]
            assert pods.ask(cp, pod, at) == target
        assert pods.ask(cp, pod, address, 80) in echo
        found = kubectl(cp, f"exec {pod['metadata']['name']} -- nslookup echo.default.svc.cluster.local", check=False)
        assert address in found
    for host in alpha.hosts:
        outside = hosts.ssh(cp, f"curl -sS -m 5 --retry 5 --retry-connrefused http://{host.address}:{pods.NODE_PORT}/")
        assert outside.stdout.strip() in echo

    pods.stop(cp)


def test_a_command_on_all_nodes(alpha: Alpha, tmp_path: Path) -> None:
    """With the cluster's own key; files come back from each node; history knows both."""
    state = alpha.kubeon.ok("exec", "alpha@all", "--fold", "systemctl is-active kubelet | cat")
    alpha.kubeon.ok("cp", "alpha@w*:/etc/kubernetes/kubelet.conf", f"{tmp_path}/")

    assert state.stdout == "==> a[1-3] (3 hosts) <==\nactive\n"
    assert {path.parent.name for path in tmp_path.rglob("kubelet.conf")} == {"a2", "a3"}
    past = alpha.kubeon.data("history", "alpha")["operations"]
    assert [(one["operation"], one["result"]) for one in past[-2:]] == [("exec", "ok"), ("cp", "ok")]


def test_destroy_wants_a_word(alpha: Alpha) -> None:
    """Without --yes and without somebody who types the name, nothing happens."""
    nobody = alpha.kubeon.run("destroy", "alpha")
    wrong = alpha.kubeon.typed("yes", "destroy", "alpha")

    assert nobody.exit_code == 2, nobody.text
    assert "--yes" in nobody.text
    assert wrong.exit_code == 1, wrong.text
    assert "Type alpha to go on" in wrong.text
    assert "nothing was changed" in wrong.text
    assert len(kubectl(alpha.control_plane, "get nodes -o name").split()) == 3


def test_destroy_leaves_others_hosts_alone(alpha: Alpha, up: Up, tmp_path: Path, store: Path) -> None:
    """A record that names a host which kubeon never touched, and one of another cluster: both stay as they are."""
    (strange,) = up("a4")
    other = control_machine(tmp_path, store)
    both = [strange, alpha.hosts[1]]
    named = [{"role": "control-plane", "address": strange.address}, {"role": "worker", "address": both[1].address}]
    Home(other.home).cluster("beta").write_spec(build_spec({"name": "beta", "version": VERSION, "nodes": named}))
    before = snapshot.settled(both)

    outcome = other.run("destroy", "beta", "--yes")

    after = snapshot.take_all(both)
    assert outcome.exit_code == 0, outcome.text
    changes = snapshot.differences(before, after)
    assert not changes, "\n".join(changes)


def test_destroy_leaves_hosts_as_they_were(alpha: Alpha) -> None:
    """Everything that kubeon and Kubernetes made is gone, what they changed is back, packages included."""
    outcome = alpha.kubeon.typed("alpha", "destroy", "alpha", "--remove-packages", "--output", "json")
    assert outcome.exit_code == 0, outcome.text

    after = snapshot.settled(alpha.hosts)
    left = snapshot.differences(alpha.bare, after, look=snapshot.without_times, ignore=snapshot.PACKAGE_RECORDS)
    assert not left, "\n".join(left)
    assert sorted(json.loads(outcome.stdout)["hosts"]) == ["a1", "a2", "a3"]
    assert yaml.safe_load(alpha.kubeon.kubeconfig.read_text()) == FOREIGN
    assert not (alpha.kubeon.home / "clusters" / "alpha").exists()


def test_destroy_again_knows_no_such_cluster(alpha: Alpha) -> None:
    """A cluster that is gone, or never was, is exit code 6."""
    for name in ("alpha", "never-heard-of"):
        outcome = alpha.kubeon.run("destroy", name, "--yes")

        assert outcome.exit_code == 6, outcome.text
        assert f"there is no cluster {name}" in outcome.text


def _signing_request(name: str) -> dict[str, object]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}"),
    ]
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(csr.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "key encipherment", "client auth"],
        },
    }
