"""Bad inputs against real hosts: each is refused with its exit code and words, and no host is any different after it.

What needs no host is in tests/cli/test_bad_inputs.py; what a lab cannot show (clocks, swap, memory) in tests/preflight.
"""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kubeon.state.home import Home
from kubeon.state.lock import hold
from kubeon.waiting import SYSTEM_CLOCK
from tests.cluster.conftest import Up, control_machine
from tests.cluster.driver import VERSION, Kubeon, image, kubectl, nodes, sources
from tests.lab import base, faults, hosts, mirror
from tests.lab.mirror import fileserver, layout

pytestmark = pytest.mark.lab

NAME = "beta"
NEVER = f"{VERSION.rpartition('.')[0]}.99"  # a patch release that does not exist
NOWHERE = "10.77.250.1"  # in the lab's network, but no host of it
# Everything that kubeon may leave on a host, and nothing that changes by itself.
SNAPSHOT = r"""
find /etc /usr/local /opt /var/lib/kubeon /var/lib/kubelet /var/lib/etcd /var/lib/containerd /root /run/kubeon* \
    -xdev -printf '%p %y %m %s %T@ %l\n' 2>/dev/null | sort
systemctl list-units --type=service --all --no-legend --no-pager --plain |
    awk '$1 !~ /^(user@|user-runtime-dir@|systemd-|apt-|dpkg-|logrotate|e2scrub|fstrim|man-db)/ {print $1, $2, $3}'
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
ip -br address; ip route; ip rule; iptables-save -c 2>/dev/null | grep -v '^[#:]'; nft list ruleset
sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.rp_filter
awk '{print $1, $2, $3}' /proc/mounts | grep -v ' /run/user/'
"""


def snapshot(host: hosts.LabHost) -> set[str]:
    """What there is on a host, a line each."""
    return set(hosts.ssh(host, SNAPSHOT, check=False).stdout.splitlines())


def snapshots(of: Sequence[hosts.LabHost]) -> list[set[str]]:
    """Of several hosts at once."""
    with ThreadPoolExecutor(len(of)) as pool:
        return list(pool.map(snapshot, of))


@dataclass
class Ground:
    """Three hosts that stay bare, and a control machine of the test's own."""

    bare: tuple[hosts.LabHost, hosts.LabHost, hosts.LabHost]
    kubeon: Kubeon
    flags: list[str] = field(default_factory=sources)

    @property
    def home(self) -> Home:
        """The control machine's ~/.kubeon."""
        return Home(self.kubeon.home)

    def findings(self, *words: str) -> list[dict[str, Any]]:
        """What `preflight` says, but for this machine's cgroups and kernel, which are what they are."""
        found = self.kubeon.data("preflight", *words)["findings"]
        return [one for one in found if one["check"] != "SystemVerification"]

    def nodes(self) -> list[str]:
        """A control plane and a worker."""
        return nodes(self.bare[:1], self.bare[1:2])

    def refused(self, code: int, *texts: str, flags: Sequence[str] | None = None, version: str = VERSION) -> str:
        """`create --yes` ends with this code and says all this; hosts and record are as before. Gives the screen."""
        words = ["create", NAME, version, *(self.nodes() if flags is None else flags), *self.flags, "--yes"]
        before = snapshots(self.bare)
        outcome = self.kubeon.run(*words)
        after = snapshots(self.bare)

        assert (outcome.exit_code, outcome.stdout) == (code, ""), outcome.text
        assert [text for text in texts if text not in outcome.stderr] == [], outcome.text
        assert "Traceback" not in outcome.stderr
        assert "lab-root" not in outcome.stderr
        assert [new ^ old for new, old in zip(after, before, strict=True)] == [set(), set(), set()]
        assert self.home.clusters() == []
        return outcome.stderr


@pytest.fixture(scope="module")
def bare(up: Up) -> tuple[hosts.LabHost, hosts.LabHost, hosts.LabHost]:
    """Hosts that no test of this module changes for good, but for the last one."""
    one, two, three = up("b1", "b2", "b3")
    return one, two, three


@pytest.fixture
def ground(bare: tuple[hosts.LabHost, hosts.LabHost, hosts.LabHost], tmp_path: Path, store: Path) -> Ground:
    """A control machine that knows nothing yet, but has the material."""
    return Ground(bare, control_machine(tmp_path, store))


@contextlib.contextmanager
def meanwhile(host: hosts.LabHost, begin: str, end: str) -> Iterator[None]:
    """Something is different on a host."""
    hosts.ssh(host, begin)
    try:
        yield
    finally:
        hosts.ssh(host, end)


# -- logging in --------------------------------------------------------------------------------------------------------


def test_a_wrong_password(ground: Ground) -> None:
    """All hosts at once, what was tried, and how to give another one."""
    ground.kubeon.password = "wrong"

    ground.refused(4, "2 preflight checks failed; nothing was changed", "b1:", "b2:", "the login as root was refused",
                "tried keys and the password", "--password-file")  # fmt: skip


@pytest.mark.soak
def test_neither_password_nor_key(ground: Ground) -> None:
    """The way to give one is the hint."""
    ground.kubeon.password = None

    ground.refused(4, "the login as root was refused: tried keys", "give a key with --key", "--ask-password")


def test_an_address_that_nobody_has(ground: Ground) -> None:
    """The host that answers is not named."""
    flags = [*nodes(ground.bare[:1], []), "-w", f"lost={NOWHERE}", "--set", "ssh.connectTimeout=3"]

    screen = ground.refused(4, "1 preflight check failed", "lost:", "cannot be reached by SSH", NOWHERE, flags=flags)

    assert "b1:" not in screen


def test_a_host_whose_sshd_is_down(ground: Ground) -> None:
    """Refused at once, with the command to try by hand."""
    before = snapshot(ground.bare[1])
    faults.stop_sshd(ground.bare[1])
    try:
        outcome = ground.kubeon.run("create", NAME, VERSION, *ground.nodes(), *ground.flags, "--yes")
    finally:
        faults.start_sshd(ground.bare[1])

    assert outcome.exit_code == 4
    assert "b2:" in outcome.stderr
    assert "Connection refused" in outcome.stderr
    assert f"try: ssh -p 22 root@{ground.bare[1].address}" in outcome.stderr
    assert snapshot(ground.bare[1]) ^ before == set()


@pytest.mark.soak
def test_a_wrong_port(ground: Ground) -> None:
    """The hint shows the port that was tried."""
    flags = [*nodes(ground.bare[:1], []), "-w", f"b2={ground.bare[1].address}:2222"]

    ground.refused(4, "b2:", "cannot be reached by SSH", "ssh -p 2222 root@", flags=flags)


def test_a_changed_host_key(ground: Ground) -> None:
    """Both fingerprints, and which line of which file to remove; the password is not sent there."""
    one, two, _ = ground.bare
    scanned = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", two.address], capture_output=True, text=True, check=True
    ).stdout.split()
    known = ground.home.cluster(NAME).known_hosts
    known.parent.mkdir(parents=True, mode=0o700)
    known.write_text(f"{one.address} {scanned[1]} {scanned[2]}\n")

    ground.refused(4, "b1:", "its host key has changed", "expected ssh-ed25519 SHA256:", "got ssh-ed25519", str(known),
                "somebody may be in between")  # fmt: skip


def test_an_unknown_host_key_in_strict_mode(ground: Ground) -> None:
    """Its fingerprint, to be compared; it is not learnt."""
    ground.refused(4, "its host key is not known", "SHA256:", "--strict-host-keys",
                flags=[*ground.nodes(), "--strict-host-keys"])  # fmt: skip

    assert not ground.home.cluster(NAME).known_hosts.exists()


@pytest.mark.soak
def test_known_hosts_is_damaged(ground: Ground) -> None:
    """Half a line, as a full disk leaves it: which, and what to do."""
    known = ground.home.cluster(NAME).known_hosts
    known.parent.mkdir(parents=True, mode=0o700)
    known.write_text("# keys\n10.77.0.1 ssh-ed25519 AAAAC\n")

    ground.refused(6, "known_hosts is damaged: line 2 is not a host key", "ssh-keyscan 10.77.0.1")


@pytest.mark.soak
def test_a_user_without_sudo(ground: Ground) -> None:
    """In sudo's own words."""
    ground.kubeon.password = base.NOSUDO_PASSWORD

    ground.refused(4, "nosudo cannot become root by sudo", "not in the sudoers file", "the user may use sudo",
                flags=[*ground.nodes(), "--user", "nosudo"])  # fmt: skip


@pytest.mark.soak
def test_a_wrong_sudo_password(ground: Ground) -> None:
    """It is told apart from the login's."""
    ground.kubeon.password = base.OPERATOR_PASSWORD
    ground.kubeon.environment["KUBEON_SUDO_PASSWORD"] = "wrong"

    ground.refused(4, "operator cannot become root by sudo", "incorrect password", "check the sudo password",
                flags=[*ground.nodes(), "--user", "operator"])  # fmt: skip


# -- hosts -------------------------------------------------------------------------------------------------------------


def test_one_host_under_two_addresses(ground: Ground) -> None:
    """One machine cannot be two nodes."""
    one = ground.bare[0]
    with meanwhile(one, "ip address add 10.77.249.1/16 dev eth0", "ip address delete 10.77.249.1/16 dev eth0"):
        ground.refused(4, "[SameHost]", f"{one.address} and 10.77.249.1 are one machine",
                    flags=[*nodes([one], []), "-w", "twin=10.77.249.1"])  # fmt: skip


def test_two_hosts_with_one_machine_id(ground: Ground) -> None:
    """Clones; with the commands that make them two."""
    one, two, _ = ground.bare
    copy = hosts.ssh(one, "cat /etc/machine-id").stdout.strip()
    own = hosts.ssh(two, "cat /etc/machine-id").stdout.strip()
    with meanwhile(two, f"echo {copy} >/etc/machine-id", f"echo {own} >/etc/machine-id"):
        ground.refused(4, "[DuplicateMachineID]", copy, "b1 (", "b2 (", "systemd-machine-id-setup")


@pytest.mark.soak
def test_two_hosts_with_one_hostname(ground: Ground) -> None:
    """Where nodes are named by their hosts."""
    one, two, _ = ground.bare
    with meanwhile(two, "hostname b1", "hostname b2"):
        ground.refused(4, "[Hostname]", "several hosts have the name b1", one.address, two.address, "name=address",
                    flags=["-m", one.address, "-w", two.address])  # fmt: skip


@pytest.mark.soak
def test_a_hostname_that_kubernetes_refuses(ground: Ground) -> None:
    """kubeadm would change capitals silently."""
    one, two, _ = ground.bare
    with meanwhile(two, "sysctl -qw kernel.hostname=Web_1", "hostname b2"):
        ground.refused(4, "[Hostname]", "'Web_1'", f"node-1={two.address}", "nodes[].name",
                    flags=["-m", one.address, "-w", two.address])  # fmt: skip


def test_networks_that_a_host_has_already(ground: Ground) -> None:
    """An interface in the pod network, a route in the Service network."""
    add = "ip address add 10.244.3.1/24 dev lo && ip route add 10.97.0.0/16 dev eth0"
    remove = "ip address delete 10.244.3.1/24 dev lo; ip route delete 10.97.0.0/16"
    with meanwhile(ground.bare[1], add, remove):
        ground.refused(4, "[PodSubnet]", "networking.podSubnet 10.244.0.0/16 overlaps 10.244.3.0/24 on lo",
                    "choose another networking.podSubnet", "[ServiceSubnet]", "10.97.0.0/16 on eth0")  # fmt: skip


def test_a_port_in_use(ground: Ground) -> None:
    """By whom; ignoring the check by its name leads on, to the next question."""
    pid = "/run/b-sshd.pid"
    with meanwhile(ground.bare[0], f"/usr/sbin/sshd -p 6443 -o PidFile={pid}", f"kill $(cat {pid})"):
        ground.refused(4, "b1:", "[Port-6443] port 6443 is in use by sshd", "ss -ltnp sport = :6443",
                    "--ignore-preflight-errors Port-6443")  # fmt: skip
        words = [NAME, VERSION, *ground.nodes(), *ground.flags, "--ignore-preflight-errors", "port-6443"]
        findings = ground.findings(*words)

    assert [(one["check"], one["severity"]) for one in findings] == [("Port-6443", "warning")]


def test_a_full_disk(ground: Ground) -> None:
    """Where, how much there is, how much is needed."""
    with meanwhile(ground.bare[1], "mount -t tmpfs -o size=900m none /var/lib", "umount /var/lib"):
        ground.refused(4, "b2:", "[DiskSpace] 900 MiB free under /var/lib, 2048 are needed")


def test_hosts_of_another_cluster(ground: Ground) -> None:
    """Marked by another kubeon, and a node that kubeon did not make; "all" is not the word that gives them up."""
    one, two, _ = ground.bare
    marker = "mkdir /etc/kubernetes && echo gamma 00ff >/etc/kubernetes/kubeon-cluster"
    foreign = "mkdir /etc/kubernetes && touch /etc/kubernetes/kubelet.conf"
    remove = "rm -r /etc/kubernetes"
    with meanwhile(one, marker, remove), meanwhile(two, foreign, remove):
        screen = ground.refused(
            4, "[AnotherCluster] it belongs to cluster gamma", "kubeon destroy gamma", "that kubeon did not make",
            "/etc/kubernetes/kubelet.conf", "kubeadm reset",
            flags=[*ground.nodes(), "--ignore-preflight-errors", "all"],
        )  # fmt: skip

    assert "AnotherCluster " not in screen  # no hint to ignore it


@pytest.mark.soak
def test_even_numbers_of_control_planes_are_only_a_warning(ground: Ground) -> None:
    """And with three, there is none."""
    findings = ground.findings(NAME, VERSION, *nodes(ground.bare[:2], []), *ground.flags)
    three = ground.findings(NAME, VERSION, *nodes(ground.bare, []), *ground.flags)

    assert [(one["check"], one["severity"]) for one in findings] == [("ControlPlaneCount", "warning")]
    assert "bear no failures" in findings[0]["what"]
    assert three == []


# -- material ----------------------------------------------------------------------------------------------------------


def without_material(ground: Ground) -> Path:
    """The control machine gets a store of its own that is empty."""
    (ground.kubeon.home / "store").unlink()
    return ground.kubeon.home / "store"


@contextlib.contextmanager
def a_mirror(tmp_path: Path, *rules: dict[str, Any]) -> Iterator[str]:
    """The lab's files from a server of this test's own, with faults."""
    control = tmp_path / "faults.json"
    control.write_text(json.dumps(rules))
    with fileserver.serving(mirror.root(), control) as url:
        yield url


def by(url: str) -> list[str]:
    """sources() with another mirror."""
    flags = sources()
    flags[flags.index("--mirror") + 1] = url
    return flags


def test_a_version_that_does_not_exist(ground: Ground) -> None:
    """Each file that is not there, once the hint that fits them all."""
    without_material(ground)

    screen = ground.refused(4, "[Material] cannot fetch", f"/release/{NEVER}/bin/linux/amd64/kubelet",
                         "404 Not Found", "the version asked for", version=NEVER)  # fmt: skip

    assert screen.count("the version asked for") == 1


@pytest.mark.parametrize(
    ("fault", "texts"),
    [
        ("missing", ("404 Not Found", "check sources.mirror")),
        ("login", ("is not the file", "a web page came instead", "open the URL in a browser")),
        ("cut", ("the connection broke off", "check sources.mirror")),
        ("corrupt", ("is not a checksum file",)),
    ],
)
def test_a_mirror_that_answers_wrongly(ground: Ground, tmp_path: Path, fault: str, texts: tuple[str, ...]) -> None:
    """What came instead, from which URL; nothing of it is kept."""
    store = without_material(ground)
    with a_mirror(tmp_path, {"prefix": "/", "fault": fault}) as url:
        ground.flags = by(url)
        ground.refused(4, "[Material]", f"{url}/dl.k8s.io/release/{VERSION}", *texts)

    assert list((store / "sha256").iterdir()) == []


def test_no_mirror_listens(ground: Ground) -> None:
    """A wrong address is not a missing file."""
    without_material(ground)
    ground.flags = by("http://127.0.0.1:9")

    ground.refused(4, "[Material]", "http://127.0.0.1:9/dl.k8s.io", "Connection refused", "--mirror")


def test_a_registry_without_the_images(ground: Ground) -> None:
    """Which, by the name that they have upstream."""
    _, registry = mirror.urls()
    ground.flags[ground.flags.index("--registry") + 1] = f"http://{registry}/nowhere"

    ground.refused(4, f"[Material] image {image('kube-apiserver')} is not in the registry", "404", "--registry")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """20 MiB for a control machine."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_on_the_control_machine(ground: Ground, small_disk: Path) -> None:
    """Found before anything is fetched, with the folder and what is needed."""
    ground.kubeon.environment["KUBEON_HOME"] = str(small_disk / "k")

    ground.refused(
        4, "[Material]", f"{small_disk}/k/store on the control machine has", "1024 are needed", "KUBEON_HOME"
    )


# -- this machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        pytest.param("apiVersion: v1\nclusters: {oops", ("is not valid YAML", "repair it"), marks=pytest.mark.soak),
        pytest.param("just words\n", ("is not a kubeconfig",), marks=pytest.mark.soak),
        ("clusters:\n- {name: beta, cluster: {server: 'https://x'}}\n", ("another cluster 'beta'", "rename it")),
    ],
)
def test_a_kubeconfig_that_cannot_be_merged_into(ground: Ground, content: str, texts: tuple[str, ...]) -> None:
    """Refused before anything is changed, not after the cluster is made; the file stays as it is."""
    ground.kubeon.kubeconfig.write_text(content)

    ground.refused(6, f"the kubeconfig {ground.kubeon.kubeconfig}", *texts)

    assert ground.kubeon.kubeconfig.read_text() == content


def test_nobody_to_answer(ground: Ground) -> None:
    """No terminal and no --yes: the plan, then 2; as JSON one object."""
    words = ["create", NAME, VERSION, *ground.nodes(), *ground.flags]
    before = snapshots(ground.bare)

    plain, as_json = ground.kubeon.run(*words), ground.kubeon.run(*words, "--output", "json")

    assert (plain.exit_code, as_json.exit_code) == (2, 2)
    assert "kubeadm init: first control plane" in plain.stderr
    assert "there is no terminal to answer on" in plain.stderr
    assert "add --yes" in plain.stderr
    assert json.loads(as_json.stdout)["error"]["exitCode"] == 2
    assert snapshots(ground.bare) == before
    assert ground.home.clusters() == []


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [pytest.param("\x03", 130, "interrupted", marks=pytest.mark.soak), ("n\r", 1, "not confirmed")],
)
def test_no_at_the_question(ground: Ground, answer: str, code: int, text: str) -> None:
    """Ctrl-C, or anything but yes."""
    before = snapshots(ground.bare)

    ended, screen = on_a_terminal(
        ground.kubeon, ["create", NAME, VERSION, *ground.nodes(), *ground.flags], "[y/N]", answer
    )

    assert ended == code, screen
    assert text in screen
    assert "Traceback" not in screen
    assert snapshots(ground.bare) == before
    assert ground.home.clusters() == []


def on_a_terminal(kubeon: Kubeon, words: Sequence[str], question: str, answer: str) -> tuple[int, str]:
    """Run kubeon on a terminal and answer its question: the exit code, and all that was shown."""
    environment = {
        "PATH": os.environ["PATH"], "TERM": "xterm", "HOME": str(kubeon.folder), "KUBEON_HOME": str(kubeon.home),
        "KUBECONFIG": str(kubeon.kubeconfig), "KUBEON_SSH_PASSWORD": kubeon.password or "",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }  # fmt: skip
    pid, terminal = pty.fork()
    if not pid:
        os.execve(sys.executable, [sys.executable, "-m", "kubeon", *words], environment)
    shown, answered, deadline = "", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side is closed
                break
        if not answered and question in shown:
            os.write(terminal, answer.encode())
            answered = True
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_preflight_and_dry_run_touch_nothing(ground: Ground) -> None:
    """Neither hosts nor the record: not even their host keys are learnt."""
    words = [NAME, VERSION, *ground.nodes(), *ground.flags]
    before = snapshots(ground.bare)

    found = ground.findings(*words)
    plan = ground.kubeon.data("create", *words, "--dry-run")["plan"]

    assert found == []
    assert list(plan["hosts"]) == ["b1", "b2"]
    assert snapshots(ground.bare) == before
    assert [path.name for path in ground.kubeon.home.iterdir()] == ["store"]
    assert not ground.kubeon.kubeconfig.exists()


def test_json_says_the_same(ground: Ground) -> None:
    """One object on standard output for each class of error."""
    words = [NAME, VERSION, *ground.nodes(), *ground.flags, "--yes", "--output", "json"]

    codes = {}
    ground.kubeon.password = "wrong"
    codes[4] = ground.kubeon.run("create", *words)
    codes[2] = ground.kubeon.run("create", *words, "--nonsense")
    codes[3] = ground.kubeon.run("create", *words, "--pod-subnet", "10.96.0.0/16")
    with hold(ground.home.cluster(NAME).path / "lock", "create", SYSTEM_CLOCK.now()):
        codes[6] = ground.kubeon.run("create", *words)
    answers = {code: json.loads(outcome.stdout)["error"] for code, outcome in codes.items()}

    assert {code: (outcome.exit_code, answers[code]["exitCode"]) for code, outcome in codes.items()} == {
        code: (code, code) for code in codes
    }
    assert "the login as root was refused" in answers[4]["why"]
    assert answers[3]["problems"][0]["path"] == "networking.podSubnet"
    assert "is locked" in answers[6]["what"]


# -- in the middle -----------------------------------------------------------------------------------------------------


def failing(kubeon: Kubeon, words: Sequence[str], code: int, *texts: str) -> str:
    """`create` fails with this code and these words, and says that the same command goes on."""
    outcome = kubeon.run("create", NAME, VERSION, *words, "--yes")
    assert outcome.exit_code == code, outcome.text
    assert [text for text in texts if text not in outcome.stderr] == [], outcome.text
    assert "Traceback" not in outcome.stderr
    assert f"Next: kubeon create {NAME} {VERSION}" in outcome.stderr
    return outcome.stderr


def half_done(host: hosts.LabHost) -> list[str]:
    """Files that are not whole."""
    found = hosts.ssh(host, "find /usr/local /opt /var/lib/kubeon -name '*.kubeon-new' -o -path '*/stage/*'")
    return found.stdout.split()


@pytest.mark.soak
def test_after_a_series_of_failures_the_same_command_works(ground: Ground, tmp_path: Path) -> None:
    """A damaged archive, then a full disk on a host; then the command makes the cluster, and guards it afterwards."""
    one, two, _ = ground.bare
    store = without_material(ground)
    archive = f"/{layout.files(VERSION, mirror.versions()['releases'][VERSION])['containerd'].path}"
    rule = {"prefix": archive, "fault": "corrupt"}
    nodes_and_mirror = [*ground.nodes(), *by("URL")]
    with a_mirror(tmp_path, {**rule, "times": 0}) as url:
        words = [url if word == "URL" else word for word in nodes_and_mirror]
        control = tmp_path / "faults.json"

        # the checksum file is right, the archive is not
        control.write_text(json.dumps([{"prefix": f"{archive}.sha256sum", "fault": ""}, rule]))
        screen = failing(ground.kubeon, words, 7, "2 of 2 hosts failed", archive, "is damaged or not the one asked for",
                         "its sha256 is", "expected", "the mirror or a proxy serves another file")  # fmt: skip
        assert "b1, b2:" in screen
        assert [half_done(host) for host in (one, two)] == [[], []]
        assert "containerd" not in hosts.ssh(one, "ls /usr/local/bin", check=False).stdout
        assert list((store / "partial").iterdir()) == []

        # a worker's disk is too small for Kubernetes' programs
        control.unlink()
        hosts.ssh(two, "mount -t tmpfs -o size=60m none /usr/local")
        failing(ground.kubeon, words, 5, "b2", "send kube", "No space left on device")
        assert half_done(two) == []

        # room is made
        hosts.ssh(two, "mount -o remount,size=1g /usr/local")
        ground.kubeon.ok("create", NAME, VERSION, *words, "--yes")
        again = ground.kubeon.data("create", NAME, VERSION, *words, "--yes")
    ready = json.loads(kubectl(one, "get", "nodes", "-o", "json"))["items"]
    conditions = [each["status"] for node in ready for each in node["status"]["conditions"] if each["type"] == "Ready"]

    assert conditions == ["True", "True"]
    assert not again["changed"]
    guarded(ground, words)
    ground.kubeon.ok("destroy", NAME, "--yes")


def guarded(ground: Ground, words: list[str]) -> None:
    """A living cluster is not changed by a bad `create`, nor taken by another cluster or another control machine."""
    before = described(ground)
    record = ground.home.cluster(NAME).read_spec()
    other = control_machine(ground.kubeon.folder / "other", ground.kubeon.home / "store")
    tries = {
        "another version": (ground.kubeon, [NAME, NEVER, *words], 3, "kubeon upgrade"),
        "a node less": (ground.kubeon, [NAME, VERSION, *words[:2], *words[4:]], 3, "kubeon del"),
        "other networks": (ground.kubeon, [NAME, VERSION, *words, "--pod-subnet", "10.9.0.0/16"], 3, "a new cluster"),
        "another name": (ground.kubeon, ["gamma", VERSION, *words], 4, f"it belongs to cluster {NAME}"),
        "another machine": (other, ["gamma", VERSION, *words], 4, f"it belongs to cluster {NAME}"),
    }

    outcomes = {title: kubeon.run("create", *given, "--yes") for title, (kubeon, given, _, _) in tries.items()}

    assert {title: outcome.exit_code for title, outcome in outcomes.items()} == {
        t: c for t, (_, _, c, _) in tries.items()
    }
    assert [title for title, (_, _, _, text) in tries.items() if text not in outcomes[title].stderr] == []
    assert described(ground) == before
    assert ground.home.cluster(NAME).read_spec() == record


def described(ground: Ground) -> list[set[str]]:
    """Of a host that works, what only people and kubeon change."""
    kept = ("/etc/", "/usr/local/", "/opt/", "/var/lib/kubeon/")
    return [{line for line in lines if line.startswith(kept)} for lines in snapshots(ground.bare)]
