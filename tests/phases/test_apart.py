"""apart.sh in a real shell, with programs that note what they were told."""

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from kubeon.phases.join_nodes import TOWARD

LIBRARY = resources.files("kubeon.phases").joinpath("apart.sh").read_text(encoding="utf-8")
KUBECONFIG = "clusters:\n- cluster:\n    certificate-authority-data: AAAA\n    server: https://{}\n  name: kubernetes\n"
# Remembers rules, a line each, and knows as much of iptables as apart.sh needs.
IPTABLES = """\
#!/bin/bash
[ "$1 $2" = "-w 10" ] || exit 9
shift 2
[ ! -e "$ROOT/no-iptables" ] || exit 3
action=$1 chain=$2
shift 2
rule="$chain $*"
case $action in
    -N) ! grep -qx "chain $chain" "$ROOT/rules" && echo "chain $chain" >>"$ROOT/rules" ;;
    -F) grep -qx "chain $chain" "$ROOT/rules" && sed -i "/^$chain /d" "$ROOT/rules" ;;
    -X) ! grep -q "^$chain \\|-j $chain" "$ROOT/rules" && sed -i "/^chain $chain$/d" "$ROOT/rules" ;;
    -C) grep -qxe "$rule" "$ROOT/rules" ;;
    -I | -A) echo "$rule" >>"$ROOT/rules" ;;
    -D) grep -qxe "$rule" "$ROOT/rules" && sed -i "\\#^$rule\\$#d" "$ROOT/rules" ;;
    *) exit 2 ;;
esac
"""
NOTES = '#!/bin/sh\necho "${0##*/} $*" >>"$ROOT/told"\n'
SLEEP = '#!/bin/sh\n[ "$1" = 6 ] || exec /bin/sleep 0.1\ncp "$ROOT/rules" "$ROOT/rules-then"\n'


class Machine:
    """Files of a host in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rules, self.told = folder, folder / "rules", folder / "told"
        self.rules.write_text("INPUT -j ACCEPT\n")
        self.told.write_text("")
        programs = {"iptables": IPTABLES, "systemctl": NOTES, "systemd-run": NOTES, "sleep": SLEEP}
        (folder / "bin").mkdir()
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        for name, server in (("admin", "api.example:6443"), ("kubelet", "10.0.0.1:6443")):
            path = folder / f"etc/kubernetes/{name}.conf"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(KUBECONFIG.format(server))

    def run(self, script: str, code: int = 0) -> None:
        """As kubeon does, with everything in the folder."""
        text = f"set -e\n{TOWARD}{LIBRARY}{script}"
        for path in ("/etc/kubernetes", "/run/kubeon"):
            text = text.replace(path, f"{self.folder}{path}")
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "ROOT": str(self.folder)}
        done = subprocess.run(["bash", "-s"], input=text, env=environment, text=True, timeout=30, check=False)
        assert done.returncode == code

    def server(self, path: str) -> str:
        """Where a kubeconfig leads to."""
        text = (self.folder / path).read_text()
        server = text.partition("https://")[2].partition("\n")[0]
        assert text == KUBECONFIG.format(server)
        return server


STAND = "trap 'end_apart 10.0.0.1:6443' EXIT\nstand_apart 10.0.0.2:6443 6 1500 /run/kubeon/kubeadm.log\n"
END = "trap - EXIT\nend_apart 10.0.0.1:6443\n"
KEEP = """\
cp "$ROOT/rules" "$ROOT/kept-rules"
cp /etc/kubernetes/kubelet.conf "$ROOT/kept-kubelet"
cp /run/kubeon/apart.conf "$ROOT/kept-apart"
"""
DOOR = "INPUT ! -i lo -p tcp --dport 6443 -j KUBEON-APART\n"
RESET = "-j REJECT --reject-with tcp-reset\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A control plane."""
    return Machine(tmp_path)


def test_nobody_gets_in_and_then_nobody_stays(machine: Machine) -> None:
    """New connections first; kubelet and kubeadm go elsewhere; afterwards all is as before."""
    machine.run(STAND + KEEP + END)

    assert f"KUBEON-APART -p tcp --syn {RESET}" in (machine.folder / "rules-then").read_text()
    kept = (machine.folder / "kept-rules").read_text()
    assert DOOR in kept
    assert f"KUBEON-APART -p tcp {RESET}" in kept
    assert machine.server("kept-kubelet") == machine.server("kept-apart") == "10.0.0.2:6443"
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"
    assert machine.server("etc/kubernetes/admin.conf") == "api.example:6443"
    assert not (machine.folder / "run/kubeon/apart.conf").exists()
    told = machine.told.read_text().splitlines()
    assert told.count("systemctl restart kubelet") == 2
    assert "systemd-run --quiet --unit kubeon-apart --on-active 1500 iptables -w 10 -F KUBEON-APART" in told


def test_others_come_in_as_soon_as_the_api_server_is_through(machine: Machine) -> None:
    """While kubeadm goes on with the rest, and the kubelet is still elsewhere."""
    seen = "echo 'Component \"kube-apiserver\" upgraded successfully!' >>/run/kubeon/kubeadm.log\n"
    waits = 'while grep -q "reject-with" "$ROOT/rules"; do sleep 0.1; done\n'
    machine.run(
        "mkdir -p /run/kubeon\n"
        + seen
        + STAND
        + KEEP
        + seen
        + waits
        + 'cp /etc/kubernetes/kubelet.conf "$ROOT/late"\n'
        + END
    )

    assert DOOR in (machine.folder / "kept-rules").read_text()  # what an earlier kubeadm has written does not count
    assert machine.server("late") == "10.0.0.2:6443"
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"


def test_what_fails_meanwhile_lets_everybody_in_again(machine: Machine) -> None:
    """And so does whatever ends the shell."""
    machine.run(STAND + "false\n", code=1)

    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"


def test_after_one_that_was_killed(machine: Machine) -> None:
    """The rules are there once, and go."""
    machine.run(STAND + "kill -KILL $$\n", code=-9)
    assert DOOR in machine.rules.read_text()

    machine.run(STAND + KEEP + END)

    assert (machine.folder / "kept-rules").read_text().count(DOOR) == 1
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"


def test_without_the_kubelet(machine: Machine) -> None:
    """Shut out and let in again, twice."""
    machine.run("shut_out 6 300\nlet_in\nlet_in\nshut_out 6 300\n" + 'cp "$ROOT/rules" "$ROOT/kept-rules"\nlet_in\n')

    assert DOOR in (machine.folder / "kept-rules").read_text()
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"
    assert "restart kubelet" not in machine.told.read_text()


def test_where_no_balancer_asks(machine: Machine) -> None:
    """Nobody is shut out, and the kubelet goes elsewhere all the same."""
    machine.run(STAND.replace(" 6 ", " 0 ") + KEEP + END)

    assert (machine.folder / "kept-rules").read_text() == "INPUT -j ACCEPT\n"
    assert machine.server("kept-kubelet") == "10.0.0.2:6443"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"


def test_without_iptables_the_kubelet_alone_goes_elsewhere(machine: Machine) -> None:
    """Nothing fails."""
    (machine.folder / "no-iptables").touch()

    machine.run(STAND + KEEP + END)

    assert machine.server("kept-kubelet") == "10.0.0.2:6443"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"


def test_shellcheck(tmp_path: Path) -> None:
    """It has no complaint."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not there")
    path = tmp_path / "apart.sh"
    path.write_text(f"#!/bin/bash\n{TOWARD}{LIBRARY}{STAND}{END}")
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
