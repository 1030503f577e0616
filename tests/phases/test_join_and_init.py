"""kubeadm's command lines and configuration, and what a cut run leaves."""

import json
import shlex

import pytest
import yaml

from kubeon.cluster.kubeadm import CONFIG, HOSTS
from kubeon.errors import HostErrors, KubeonError
from tests.conftest import MakeWorld
from tests.fakes.machine import Machine, Run

KUBELET_CONF = "/etc/kubernetes/kubelet.conf"


class Scripts:
    """Remembers every script that is sent, whole."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, str]] = []
        original = Run.result

        def result(run: Run) -> object:
            self.sent.append((run.machine.name, run.script))
            return original(run)

        monkeypatch.setattr(Run, "result", result)

    def kubeadm(self, host: str) -> list[str]:
        """The words of kubeadm there, once."""
        words = shlex.split(self.kubeadm_line(host))
        return words[words.index("kubeadm") :]

    def kubeadm_line(self, host: str) -> str:
        """The line that runs it, once."""
        lines = [line for name, script in self.sent if name == host for line in script.splitlines()]
        (line,) = [line for line in lines if line.startswith(("kubeadm ", "unshare "))]
        return line

    def join(self, host: str) -> str:
        """The script that runs kubeadm there."""
        (script,) = [script for name, script in self.sent if name == host and "KUBEON_CONFIG" in script]
        return script

    def config(self, host: str) -> list[dict[str, object]]:
        """What its configuration says."""
        script = self.join(host)
        return list(yaml.safe_load_all(script.split("<<'KUBEON_CONFIG'\n")[1].split("KUBEON_CONFIG")[0]))


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """All scripts of this test."""
    return Scripts(monkeypatch)


def has_config(machine: Machine) -> bool:
    """Is the file with the token still there?"""
    return CONFIG in machine.files


def test_the_words_of_kubeadm(world: MakeWorld, scripts: Scripts) -> None:
    """No token, no key and no certificate on a command line; only checks of what kubeon put there are ignored."""
    here = world(control_planes=2, workers=1)
    here.create()

    assert scripts.kubeadm("cp1")[:5] == ["kubeadm", "init", "--config", CONFIG, "--skip-token-print"]
    for host in ("cp2", "w1"):
        words = scripts.kubeadm(host)
        assert words[:4] == ["kubeadm", "join", "--config", CONFIG]
        assert len(words) == 5
        ignored = words[4].removeprefix("--ignore-preflight-errors=").split(",")
        assert {name.partition("--")[0].split("-")[0] for name in ignored} == {"DirAvailable", "FileAvailable", "Port"}


def test_kubeadm_alone_takes_another_way_to_the_api(world: MakeWorld, scripts: Scripts) -> None:
    """In a mount namespace: the host's /etc/hosts, which pods in its network keep from their start, stays as it is."""
    here = world(control_planes=2, workers=1)
    here.create()

    for host in ("cp1", "cp2", "w1"):
        assert scripts.kubeadm_line(host).startswith(f"unshare --mount sh -c 'mount --bind {HOSTS} /etc/hosts && exec")
        assert "echo 10.0.0.1 apiserver.cluster.local; grep -v " in scripts.join(host)
        assert here[host].files.get(HOSTS) is None
        assert " /etc/hosts <<" not in scripts.join(host)


def test_no_private_way_to_a_balancer_with_a_port_of_its_own(world: MakeWorld, scripts: Scripts) -> None:
    """No API server listens there."""
    here = world(control_planes=1, workers=1, load_balancer={"mode": "external", "address": "10.9.9.9:8443"})
    here.create()

    assert scripts.kubeadm_line("w1").startswith("kubeadm join ")


@pytest.mark.parametrize(
    ("version", "server"), [("v1.32.1", "apiserver.cluster.local:6443"), ("v1.34.1", "10.0.0.2:6443")]
)
def test_the_kubelet_of_a_joining_control_plane_goes_to_another_meanwhile(
    world: MakeWorld, scripts: Scripts, version: str, server: str
) -> None:
    """There before kubeadm, back after it; after a failure the next run's certificates end it. Workers need none."""
    here = world(version=version, control_planes=2, workers=1)
    here["cp2"].fails["kubeadm"] = "no"
    with pytest.raises(KubeonError):
        here.create()
    meanwhile = here["cp2"].files[KUBELET_CONF][0]
    scripts.sent.clear()
    here.create()

    join = scripts.join("cp2")
    assert "server: https://10.0.0.1:6443" in meanwhile
    assert f"server: https://{server}" in here["cp2"].files[KUBELET_CONF][0]
    assert "server: https://apiserver.cluster.local:6443" in here["w1"].files[KUBELET_CONF][0]
    kubeadm = join.index("kubeadm join --config")
    assert join.index("\ntoward 10.0.0.1:6443\n") < kubeadm
    back = join.index(f"\ntoward {server}\nsystemctl restart kubelet\n")
    assert kubeadm < back
    assert "toward()" not in "".join(script for name, script in scripts.sent if name == "w1")


NO_SANDBOX = """
@@kubeon static-pods
etcd.yaml
@@kubeon containers
{"containers": []}
@@kubeon runtime-log
| time="x" level=error msg="RunPodSandbox for {Name:etcd-cp1,}" error="rpc error: code = Unknown desc = no \x1b[1mdisk"
"""
TIMED_OUT = """\
\x1b[0;37mCGROUPS_CPU\x1b[0m: enabled
error: error execution phase x: context deadline exceeded
To see the stack trace of this error execute with --v=5 or higher
"""


@pytest.mark.parametrize("name", ["cp1", "cp2", "w1"])
def test_why_kubeadm_failed_is_asked_of_the_host(name: str, world: MakeWorld) -> None:
    """The reason comes before kubeadm's own words that count; all else that was found is in the log."""
    here = world(control_planes=2, workers=1)
    here[name].fails["kubeadm"] = TIMED_OUT
    here[name].trouble = NO_SANDBOX

    with pytest.raises(KubeonError) as caught:
        here.create()

    error = caught.value.errors[name] if isinstance(caught.value, HostErrors) else caught.value
    assert error.why == (
        "etcd: no sandbox can be made: no disk\nerror: error execution phase x: context deadline exceeded"
    )
    assert error.hint.startswith("on that host: journalctl -u kubelet -u containerd")
    log = here.state.logs()[-1].read_text()
    assert f" {name}: kubeadm: CGROUPS_CPU: enabled\n" in log
    assert f" {name}: containerd: time=" in log
    assert "\x1b" not in log + json.dumps([repr(event) for event in here.watcher.events])


def test_what_cannot_be_found_out_hides_nothing(world: MakeWorld) -> None:
    """A host that does not even tell why: kubeadm's words stand as they are."""
    here = world(control_planes=1, workers=0)
    here["cp1"].fails["kubeadm"] = TIMED_OUT
    here["cp1"].fails["failure"] = "no shell any more"

    with pytest.raises(KubeonError) as caught:
        here.create()

    assert caught.value.why == "error: error execution phase x: context deadline exceeded"


def test_the_configuration_is_gone_afterwards(world: MakeWorld) -> None:
    """It holds the join token: also when kubeadm fails, and when the connection is lost."""
    here = world(control_planes=1, workers=2)
    here["w1"].fails["kubeadm"] = "no"
    here["w2"].cuts.add("kubeadm")
    with pytest.raises(KubeonError):
        here.create()

    assert not any(has_config(machine) for machine in here.machines.values())


def test_all_join_through_the_bootstrap_node(world: MakeWorld, scripts: Scripts) -> None:
    """With one token and the hash of the CA; only a control plane has an endpoint of its own."""
    here = world(control_planes=2, workers=2)
    here.create()

    (worker,), (other,), (control_plane,) = (scripts.config(host) for host in ("w1", "w2", "cp2"))
    assert worker["discovery"] == other["discovery"] == control_plane["discovery"]
    assert worker["discovery"]["bootstrapToken"]["apiServerEndpoint"] == "10.0.0.1:6443"  # type: ignore[index]
    assert "controlPlane" in control_plane
    assert "controlPlane" not in worker


def test_a_member_whose_kubelet_was_stopped_is_only_started(world: MakeWorld, scripts: Scripts) -> None:
    """It has its configuration and its Node: there is nothing to join."""
    here = world(control_planes=1, workers=1)
    here.create()
    here["w1"].units["kubelet.service"] = "inactive"
    scripts.sent.clear()

    result = here.create()

    assert result.changed
    assert here.changes() == [("w1", "join-workers")]
    assert not [script for _, script in scripts.sent if "KUBEON_CONFIG" in script]


def test_a_node_that_lost_its_node_object_joins_again(world: MakeWorld) -> None:
    """Somebody deleted it; its kubelet.conf and its running kubelet are no obstacle."""
    here = world(control_planes=1, workers=1)
    here.create()
    del here.api.nodes["w1"]

    here.create()

    assert here.api.nodes["w1"]["spec"]["podCIDR"] == "10.244.1.0/24"
    assert here.ended("join-workers") == {"w1": "changed"}


def test_labels_and_pod_ranges_are_put_right(world: MakeWorld) -> None:
    """Only what differs is patched, and labels of others stay."""
    here = world(control_planes=1, workers=1)
    here.create()
    here.api.nodes["w1"]["metadata"]["labels"] = {"theirs": "x"}
    here.api.writes.clear()

    here.create()

    assert here.api.nodes["w1"]["metadata"]["labels"] == {"theirs": "x", "node-role.kubernetes.io/worker": ""}
    assert [words[:3] for words in here.api.writes if words[0] == "patch"] == [("patch", "node", "w1")]


def test_pods_are_started_only_where_something_was_changed(world: MakeWorld) -> None:
    """The second run looks and starts none."""
    here = world(control_planes=1, workers=2)
    here.create()
    reached = [name for name in ("cp1", "w1", "w2") if "reach" in here[name].told]
    for machine in here.machines.values():
        machine.told.clear()

    here.create()

    assert reached == ["cp1", "w1", "w2"]
    assert not [machine.name for machine in here.machines.values() if "reach" in machine.told]


def test_pods_that_do_not_reach_each_other_are_named_and_removed(world: MakeWorld) -> None:
    """With what the host said, and the plug-in to look at."""
    here = world(control_planes=1, workers=2)
    here["w2"].fails["reach"] = "no answer from 10.244.0.1 port 53"

    with pytest.raises(KubeonError, match=r"w2: .*no answer from") as caught:
        here.create()

    assert "bridge" in caught.value.hint
    assert here.api.pods == {}
    assert not here.state.exists
