"""A cluster that plain kubeadm made is adopted, grows by a node, is renamed, forgotten, adopted again, and destroyed.

One control plane, one worker, kubeadm's own certificates of a year; kubectl, ctr and crictl where packages put them.
The tests go in order; what was there before is compared byte by byte.
"""

import json
from dataclasses import dataclass

import pytest

from tests.bench.runs import bare_kubeadm
from tests.cluster.conftest import Up, control_machine
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.cluster.prepared import BEFORE_KUBEADM, prepare
from tests.lab import base, hosts
from tests.lab.hosts import LabHost, Snapshot

pytestmark = pytest.mark.lab

# Hosts that somebody else has prepared: no trace of kubeon, and programs in another folder.
DISGUISE = r"""
rm -rf /etc/kubernetes/kubeon-cluster /var/lib/kubeon
sed -i '/ kubeon builder$/d' /root/.ssh/authorized_keys
sed '/^# BEGIN kubeon/,/^# END kubeon/d' /etc/hosts >/tmp/hosts && cat /tmp/hosts >/etc/hosts && rm /tmp/hosts
mv /usr/local/bin/kubectl /usr/local/bin/ctr /usr/local/bin/crictl /usr/bin/
"""
# Everything that somebody has put there, but for the mark; and the containers that run.
STATE = r"""
find /etc /var/lib/kubelet/pki /var/lib/kubelet/config.yaml -type f ! -path /etc/kubernetes/kubeon-cluster \
    -exec sha256sum {} + | sort
find /usr/local /usr/bin /opt/cni -type f -printf '%p %m %s %T@\n' | sort
crictl ps -q | sort
"""
# The network plug-in of the cluster's owner, as it comes to a new node: here a file, elsewhere a DaemonSet.
NETWORK = r"""
mkdir -p /etc/cni/net.d && cat >/etc/cni/net.d/10-owner.conflist <<'EOT'
{"cniVersion": "0.3.1", "name": "owner", "plugins": [{"type": "bridge", "bridge": "cni0", "isGateway": true,
 "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.200.0/24"}]]}}]}
EOT
"""


@dataclass
class Adopted:
    """The cluster of this module."""

    kubeon: Kubeon
    control_plane: LabHost
    worker: LabHost
    new: LabHost
    before: dict[str, str]  # host: its state when kubeon had not yet seen it

    def state(self) -> dict[str, str]:
        """Of the hosts that kubeon did not make."""
        return {host.name: hosts.ssh(host, STATE).stdout for host in (self.control_plane, self.worker)}

    def mark(self, host: LabHost) -> str:
        """The name in its mark."""
        return hosts.ssh(host, "cut -d' ' -f1 /etc/kubernetes/kubeon-cluster", check=False).stdout.strip()

    def adopt(self, name: str, *words: str) -> list[str]:
        """The command; the worker is found from the API."""
        return ["adopt", name, "-m", self.control_plane.address, *sources(), *words]


@pytest.fixture(scope="module")
def here(up: Up, prepared: Snapshot, module_kubeon: Kubeon, tmp_path_factory: pytest.TempPathFactory) -> Adopted:
    """kubeadm init and join by hand, on hosts that have all it takes."""
    control_plane, worker, new = up("ad-1", "ad-2", "ad-3", like=prepared)
    folder = tmp_path_factory.mktemp("builder")
    builder = Kubeon(folder)
    builder.home.mkdir(parents=True, mode=0o700)
    (builder.home / "store").symlink_to((module_kubeon.home / "store").resolve())
    prepare(builder, BEFORE_KUBEADM, "builder", VERSION, *nodes([control_plane], [worker]), *sources())
    for host in (control_plane, worker):
        hosts.ssh(host, DISGUISE)
    bare_kubeadm([control_plane], [worker], folder)
    made = Adopted(module_kubeon, control_plane, worker, new, {})
    made.before = made.state()
    return made


def test_a_plain_cluster_is_adopted_and_nothing_on_it_changes(here: Adopted) -> None:
    """It says what it found; the next login needs no password."""
    shown = here.kubeon.ok(*here.adopt("ad", "--dry-run")).stdout
    asked = here.mark(here.control_plane)
    adopted = here.kubeon.data(*here.adopt("ad", "--yes"))

    assert f"API at {here.control_plane.address}:6443" in shown
    assert "not named, found from the API: ad-2" in shown
    assert "the first expires on" in shown
    assert asked == ""
    assert {node["name"]: (node["role"], node["ready"]) for node in adopted["nodes"]} == {
        "ad-1": ("control-plane", True),
        "ad-2": ("worker", True),
    }
    assert here.mark(here.control_plane) == here.mark(here.worker) == "ad"
    assert here.state() == here.before
    here.kubeon.password = None
    assert here.kubeon.data(*here.adopt("ad", "--yes"))["changed"] is False
    listed = here.kubeon.data("list")["clusters"]
    assert [(each["name"], each["version"], each["state"]) for each in listed] == [("ad", VERSION, "ready")]


def test_create_checks_it_and_changes_nothing(here: Adopted) -> None:
    """No program, no setting, no certificate, no container."""
    assert here.kubeon.data("create", "ad", "--yes")["changed"] is False
    assert here.state() == here.before


def test_a_worker_is_added(here: Adopted) -> None:
    """It is kubeon's own, and finds the API as the others do."""
    hosts.ssh(here.new, NETWORK)
    here.kubeon.password = base.ROOT_PASSWORD
    added = here.kubeon.data("add", "ad", "-w", f"ad-3={here.new.address}", "--yes")
    here.kubeon.password = None

    assert [(node["name"], node["ready"]) for node in added["nodes"]] == [("ad-3", True)]
    server = hosts.ssh(here.new, "grep server: /etc/kubernetes/kubelet.conf").stdout.split()[-1]
    assert server == f"https://{here.control_plane.address}:6443"
    assert here.state() == here.before
    assert here.kubeon.data("create", "ad", "--yes")["changed"] is False


def test_the_endpoint_cannot_be_removed(here: Adopted) -> None:
    """Nor is it tried."""
    refused = here.kubeon.run("del", "ad", "@ad-1", "--yes")

    assert refused.exit_code != 0
    assert len(json.loads(kubectl(here.control_plane, "get nodes -o json"))["items"]) == 3


def test_it_is_renamed(here: Adopted) -> None:
    """On all hosts, in the record and in the kubeconfig; nothing else changes."""
    here.kubeon.ok("use", "ad")
    here.kubeon.ok("rename", "ad", "ad-live", "--yes")

    assert [here.mark(host) for host in (here.control_plane, here.worker, here.new)] == ["ad-live"] * 3
    assert here.state() == here.before
    blocks = hosts.ssh(here.new, "grep ' kubeon ' /etc/hosts").stdout.splitlines()
    assert blocks == ["# BEGIN kubeon ad-live", "# END kubeon ad-live"]
    assert here.kubeon.data("use")["current"] == "ad-live"
    assert "name: ad-live" in here.kubeon.kubeconfig.read_text()
    assert here.kubeon.data("create", "ad-live", "--yes")["changed"] is False
    done = [(one["operation"], one["result"]) for one in here.kubeon.data("history", "ad-live")["operations"]]
    assert done == [
        *(("adopt", "ok"), ("adopt", "ok"), ("create", "ok"), ("add", "ok"), ("create", "ok")),
        *(("del", "failed"), ("rename", "ok"), ("create", "ok")),
    ]
    one = here.kubeon.data("history", "ad-live", "4")
    assert one["command"][:3] == ["kubeon", "add", "ad"]
    assert ("ad-3", "join-workers") in {(phase["host"], phase["phase"]) for phase in one["phases"]}


def test_it_is_forgotten_and_adopted_again_elsewhere(here: Adopted, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By another control machine; the node that kubeon made is known as such."""
    here.kubeon.ok("forget", "ad-live", "--yes")
    assert here.kubeon.data("list")["clusters"] == []
    assert here.state() == here.before
    store = (here.kubeon.home / "store").resolve()
    here.kubeon = control_machine(tmp_path_factory.mktemp("second"), store)

    wrong = here.kubeon.run(*here.adopt("ad", "--yes"))
    here.kubeon.ok(*here.adopt("ad-live", "--yes"))

    assert wrong.exit_code == 4
    assert "adopted as ad-live already" in wrong.text
    assert here.state() == here.before
    assert here.kubeon.data("create", "ad-live", "--yes")["changed"] is False


def test_it_is_destroyed(here: Adopted) -> None:
    """Kubernetes is gone from hosts that kubeon did not make, too."""
    here.kubeon.ok("destroy", "ad-live", "--yes")

    for host in (here.control_plane, here.worker, here.new):
        left = hosts.ssh(host, "ls -d /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/lib/kubeon", check=False)
        assert left.stdout == ""
        assert hosts.ssh(host, "pgrep -x kubelet", check=False).stdout == ""
