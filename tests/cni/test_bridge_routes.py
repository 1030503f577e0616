"""systemd/kubeon-bridge-routes with the real `ip` and `iptables`, in a network namespace of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd/kubeon-bridge-routes"
NAMESPACE = ["unshare", "--net", "--map-root-user"]
_PROBE = "ip link add t0 type bridge && iptables -w -t nat -n -L && command -v timeout"

needs_namespace = pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run([*NAMESPACE, "sh", "-c", _PROBE], capture_output=True, check=False).returncode != 0,
    reason="needs network namespaces, iproute2 and iptables",
)

ME = "me 10.244.1.0/24 10.0.0.1"
SET_UP = """\
set -u
ip link add d0 type bridge; ip addr add 10.0.0.1/24 dev d0; ip link set d0 up
ip route add 10.50.0.0/16 via 10.0.0.50
nodes() { printf '%s\\n' - "$@" >"$FAKE/nodes"; }
ours() { ip -4 route show proto 77 | cut -d' ' -f1-3; }
"""


def run(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run shell in a namespace where kubectl answers from the file `nodes` and its watch tells of one more node."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{tmp_path}/asked"\ncase "$*" in\n'
        '*--watch*) echo -; echo "late 10.244.9.0/24 10.0.0.9"; sleep 2 ;;\n'
        f'*) cat "{tmp_path}/nodes" ;;\nesac\n'
    )
    kubectl.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "FAKE": str(tmp_path),
        "routes": str(SCRIPT),
        "POD_SUBNET": "10.244.0.0/16",
        "NODE_POD_RANGE": "10.244.1.0/24",
        "NODE_NAME": "me",
    }
    words = [*NAMESPACE, "sh", "-c", SET_UP + script]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment, check=False)


@needs_namespace
def test_routes_follow_the_nodes(tmp_path: Path) -> None:
    """Every other node in the list; a node that moved or went is followed at the next sync."""
    result = run(
        tmp_path,
        f"nodes '{ME}' 'a 10.244.2.0/24 10.0.0.2' 'b 10.244.3.0/24 10.0.0.3'\n"
        "$routes sync && ours && echo -- && $routes sync 2>&1\n"
        f"nodes '{ME}' 'a 10.244.2.0/24 10.0.0.22'\n$routes sync && ours\n",
    )

    assert result.stdout.splitlines() == [
        *("10.244.2.0/24 via 10.0.0.2", "10.244.3.0/24 via 10.0.0.3"),
        *("--", "10.244.2.0/24 via 10.0.0.22"),
    ]


@needs_namespace
@pytest.mark.parametrize("outage", ['rm "$FAKE/nodes"', ': >"$FAKE/nodes"', 'echo - >"$FAKE/nodes"'])
def test_an_api_that_does_not_answer_costs_no_route(tmp_path: Path, outage: str) -> None:
    """Nor one that answers with nothing."""
    result = run(
        tmp_path,
        f"nodes '{ME}' 'a 10.244.2.0/24 10.0.0.2'\n$routes sync\n{outage}\n$routes sync || echo failed\nours\n",
    )

    assert result.stdout.splitlines() == ["failed", "10.244.2.0/24 via 10.0.0.2"]


@needs_namespace
def test_a_node_out_of_reach_does_not_keep_the_others_from_theirs(tmp_path: Path) -> None:
    """And the journal says which."""
    nodes = f"'{ME}' 'far 10.244.5.0/24 192.168.1.1' 'a 10.244.2.0/24 10.0.0.2'"

    result = run(tmp_path, f"nodes {nodes}\n$routes sync\nours\n")

    assert result.stdout.splitlines() == ["10.244.2.0/24 via 10.0.0.2"]
    assert "no route to pods 10.244.5.0/24 of node far" in result.stderr


HOSTILE = (
    # other ranges than a node's share of the pod network
    *("10.0.0.7/32", "0.0.0.0/0", "10.96.0.0/12", "10.244.0.0/16", "10.244.5.0/25", "10.244.4.0/23", "10.243.255.0/24"),
    *("10.244.5.128/24", "10.245.0.0/24", "10.244.5.0", "10.244.05.0/24", "10.244.5/24", "default", "-h", "*", "$(id)"),
    # that of another node, of this one, and of nobody
    *("10.244.2.0/24", "10.244.1.0/24", ""),
)
HOSTILE_ADDRESSES = (
    "10.0.0.5/24",
    "10.0.0.256",
    "010.0.0.5",
    "5",
    "dev",
    "fd00::1",
    "10.0.0.5 10.0.0.6",
    "10.0.0.5 dev d0",
    "",
)


@needs_namespace
def test_no_line_leads_other_traffic_to_a_node(tmp_path: Path) -> None:
    """Whatever the list says, only a node's share of the pod network gets a route, and only one owner."""
    lines = [f"evil{number} {each} 10.0.0.66" for number, each in enumerate(HOSTILE)]
    lines += [f"evil {10 + number}.244.5.0/24 {each}" for number, each in enumerate(HOSTILE_ADDRESSES)]
    lines += [f"evil 10.244.{100 + number}.0/24 {each}" for number, each in enumerate(HOSTILE_ADDRESSES)]
    nodes = " ".join(f"'{each}'" for each in [ME, "a 10.244.2.0/24 10.0.0.2", *lines, "b 10.244.3.0/24 10.0.0.3"])

    result = run(
        tmp_path, f"ip -4 route >$FAKE/before\nnodes {nodes}\n$routes sync\nip -4 route | diff $FAKE/before -\n"
    )

    added = [line.split()[1:4] for line in result.stdout.splitlines() if line.startswith((">", "<"))]
    assert added == [["10.244.2.0/24", "via", "10.0.0.2"], ["10.244.3.0/24", "via", "10.0.0.3"]]
    assert result.stderr.count("are left out") >= len(HOSTILE) + 2 * len(HOSTILE_ADDRESSES) - 2


@needs_namespace
def test_routes_that_were_forged_before_go(tmp_path: Path) -> None:
    """An earlier kubeon believed Node objects."""
    forged = "for range in 10.0.0.7/32 10.96.0.0/12 0.0.0.0/0; do ip route add $range via 10.0.0.66 proto 77; done\n"

    result = run(tmp_path, f"{forged}nodes '{ME}' 'a 10.244.2.0/24 10.0.0.2'\n$routes sync\nours\n")

    assert result.stdout.splitlines() == ["10.244.2.0/24 via 10.0.0.2"]


@needs_namespace
def test_rules_are_made_once(tmp_path: Path) -> None:
    """However often it runs."""
    result = run(tmp_path, f"nodes '{ME}'\n$routes sync; $routes sync\niptables -t nat -S; iptables -S\n")

    rules = [line for line in result.stdout.splitlines() if "KUBEON" in line]
    assert len(rules) == len(set(rules)) == 9
    assert any("-s 10.244.1.0/24" in rule and "POSTROUTING" in rule for rule in rules)


@needs_namespace
def test_run_hears_of_new_nodes(tmp_path: Path) -> None:
    """Through the watch, without a new sync; from kubeon's list, not from Node objects, which kubelets write."""
    result = run(tmp_path, f"nodes '{ME}'\n$routes run &\nuntil [ \"$(ours)\" ]; do sleep 0.1; done\nkill $!\nours\n")

    assert result.stdout.splitlines() == ["10.244.9.0/24 via 10.0.0.9"]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert all("get configmap kubeon-pod-ranges --namespace kube-system" in line for line in asked)


@needs_namespace
def test_clean_removes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    """Twice: the second time there is nothing."""
    result = run(
        tmp_path,
        f"nodes '{ME}' 'a 10.244.2.0/24 10.0.0.2'\n$routes sync\nip link add cni0 type bridge\n"
        "$routes clean && $routes clean && ours && ip -o link show cni0\niptables -t nat -S; iptables -S\n"
        "ip -4 route show 10.50.0.0/16\n",
    )

    assert "KUBEON" not in result.stdout
    assert "cni0" not in result.stdout
    assert result.stdout.splitlines()[-1].startswith("10.50.0.0/16 via 10.0.0.50")


def test_the_script_is_clean() -> None:
    """shellcheck has no complaint, where it is installed; `sh -n` everywhere."""
    if checker := shutil.which("shellcheck"):
        assert subprocess.run([checker, SCRIPT], check=False).returncode == 0
    assert subprocess.run(["sh", "-n", SCRIPT], check=False).returncode == 0
