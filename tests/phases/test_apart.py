"""apart.sh in a real shell, with programs that note what they were told."""

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from kubeon.cluster.apart import TOWARD

LIBRARY = resources.files("kubeon.cluster").joinpath("apart.sh").read_text(encoding="utf-8")
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
# The port is open so many times more.
BASH = """\
#!/bin/sh
echo "bash $2" >>"$ROOT/told"
left=$(cat "$ROOT/listens")
[ "$left" -gt 0 ] && echo $((left - 1)) >"$ROOT/listens"
"""
# Who leads, a line for each time that it is asked; the last one stays.
KUBECTL = """\
#!/bin/sh
echo "kubectl $*" >>"$ROOT/told"
[ "$1" = --kubeconfig ] && [ -e "$2" ] || exit 1
head -n 1 "$ROOT/leaders"
[ "$(wc -l <"$ROOT/leaders")" -eq 1 ] || sed -i 1d "$ROOT/leaders"
"""
LEADERS = ",m1_a,m1_b", "", ",m2_c,m1_b", ",m2_c,", ",m2_c,m11_d"
SLEEP = '#!/bin/sh\necho "sleep $*" >>"$ROOT/told"\n[ "$1" = 0.2 ] || exec /bin/sleep 0.05\n'


class Machine:
    """Files of a host in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rules, self.told = folder, folder / "rules", folder / "told"
        self.rules.write_text("INPUT -j ACCEPT\n")
        self.told.write_text("")
        (folder / "listens").write_text("2\n")
        (folder / "leaders").write_text("".join(f"{line}\n" for line in LEADERS))
        programs = {"iptables": IPTABLES, "systemctl": NOTES, "systemd-run": NOTES, "sleep": SLEEP, "bash": BASH}
        programs |= {"kubectl": KUBECTL, "uname": "#!/bin/sh\necho m1\n"}
        (folder / "bin").mkdir()
        for name, text in programs.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        for name, server in (("admin", "api.example:6443"), ("kubelet", "10.0.0.1:6443")):
            path = folder / f"etc/kubernetes/{name}.conf"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(KUBECONFIG.format(server))

    def run(self, script: str, code: int = 0, seconds: float = 30) -> None:
        """As kubeon does, with everything in the folder."""
        text = f"set -e\n{TOWARD}{LIBRARY}{script}"
        for path in ("/etc/kubernetes", "/run/kubeon"):
            text = text.replace(path, f"{self.folder}{path}")
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "ROOT": str(self.folder)}
        done = subprocess.run(["/bin/bash", "-s"], input=text, env=environment, text=True, timeout=seconds, check=False)
        assert done.returncode == code

    def server(self, path: str) -> str:
        """Where a kubeconfig leads to."""
        text = (self.folder / path).read_text()
        server = text.partition("https://")[2].partition("\n")[0]
        assert text == KUBECONFIG.format(server)
        return server


STAND = """\
trap 'end_apart 10.0.0.1:6443' EXIT
stand_apart 10.0.0.2:6443
if hold_back 1500; then
release_after_etcd /run/kubeon/kubeadm.log
(echo told to end >>"$ROOT/told") || :
until_closed 10.0.0.1
until_others_lead
fi
"""
END = "trap - EXIT\nend_apart 10.0.0.1:6443\n"
KEEP = """\
cp "$ROOT/rules" "$ROOT/kept-rules"
cp /etc/kubernetes/kubelet.conf "$ROOT/kept-kubelet"
cp /run/kubeon/apart.conf "$ROOT/kept-apart"
"""
RULES = """\
INPUT -j ACCEPT
chain KUBEON-APART
INPUT -i lo -p tcp -d 127.0.0.1 --dport 2379 --syn -j KUBEON-APART
KUBEON-APART -p tcp -j REJECT --reject-with tcp-reset
"""
GONE = 'while grep -q "reject-with" "$ROOT/rules"; do sleep 0.1; done\n'


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A control plane."""
    return Machine(tmp_path)


def test_its_api_server_ends_and_does_not_come_back_before_etcd(machine: Machine) -> None:
    """In this order: kubelet and kubeadm go elsewhere, the rule, the end; afterwards all is as before."""
    machine.run(STAND + KEEP + END)

    assert (machine.folder / "kept-rules").read_text() == RULES
    assert machine.server("kept-kubelet") == machine.server("kept-apart") == "10.0.0.2:6443"
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"
    assert machine.server("etc/kubernetes/admin.conf") == "api.example:6443"
    assert not (machine.folder / "run/kubeon/apart.conf").exists()
    told = [line for line in machine.told.read_text().splitlines() if line != "sleep 1"]
    asked = [line for line in told if line.startswith("kubectl ")]
    assert len(asked) == len(LEADERS)
    told = [line for line in told if line not in asked]
    knock = "bash exec 3<>/dev/tcp/10.0.0.1/6443"
    assert told == [
        "systemctl restart kubelet",
        "systemctl stop kubeon-apart.timer",
        "systemd-run --quiet --unit kubeon-apart --on-active 1500 iptables -w 10 -F KUBEON-APART",
        "told to end",
        *(knock, "sleep 0.2") * 2,
        knock,
        "systemctl stop kubeon-apart.timer",
        "systemctl restart kubelet",
    ]


def test_it_finds_etcd_again_as_soon_as_that_is_through(machine: Machine) -> None:
    """While kubeadm goes on with the rest, and the kubelet is still elsewhere."""
    begun = "echo 'Preparing for \"etcd\" upgrade' >>/run/kubeon/kubeadm.log\n"
    through = "echo 'Preparing for \"kube-apiserver\" upgrade' >>/run/kubeon/kubeadm.log\n"
    late = 'cp /etc/kubernetes/kubelet.conf "$ROOT/late"\n'
    machine.run(f"mkdir -p /run/kubeon\n{through}{STAND}{begun}/bin/sleep 0.2\n{KEEP}{through}{GONE}{late}{END}")

    assert (machine.folder / "kept-rules").read_text() == RULES  # what an earlier kubeadm has written does not count
    assert machine.server("late") == "10.0.0.2:6443"
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"


def test_what_fails_meanwhile_leaves_nothing(machine: Machine) -> None:
    """And so does whatever ends the shell."""
    machine.run(STAND + "false\n", code=1)

    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"


def test_after_one_that_was_killed(machine: Machine) -> None:
    """The rule goes, and the next one is there once."""
    machine.run(STAND + "kill -KILL $$\n", code=-9)
    machine.run(GONE)

    machine.run(STAND + KEEP + END)

    assert (machine.folder / "kept-rules").read_text() == RULES
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"


def test_where_a_rule_was_left(machine: Machine) -> None:
    """It is the one."""
    machine.rules.write_text(RULES)

    machine.run(STAND + KEEP + END)

    assert (machine.folder / "kept-rules").read_text() == RULES
    assert machine.rules.read_text() == "INPUT -j ACCEPT\n"


def test_without_iptables_the_kubelet_alone_goes_elsewhere(machine: Machine) -> None:
    """Nothing fails, and nothing ends."""
    (machine.folder / "no-iptables").touch()

    machine.run(STAND + KEEP + END)

    assert machine.server("kept-kubelet") == "10.0.0.2:6443"
    assert machine.server("etc/kubernetes/kubelet.conf") == "10.0.0.1:6443"
    assert "told to end" not in machine.told.read_text()


def test_a_port_that_stays_open(machine: Machine) -> None:
    """A minute, and not for ever: shutdown-delay-duration may be what the user likes."""
    (machine.folder / "listens").write_text("999\n")

    machine.run("until_closed 10.0.0.1\n", seconds=60)

    assert machine.told.read_text().count("bash ") == 300


def test_leaders_that_nobody_knows(machine: Machine) -> None:
    """A minute, and not for ever: a lease may have another name."""
    (machine.folder / "leaders").write_text("\n")
    clock = '#!/bin/sh\necho tick >>"$ROOT/ticks"\nwc -l <"$ROOT/ticks"\n'  # a second each time that it is looked at
    (machine.folder / "bin/date").write_text(clock)
    (machine.folder / "bin/date").chmod(0o755)

    machine.run("until_others_lead\n")

    assert machine.told.read_text().count("sleep 1\n") == 59


def test_shellcheck(tmp_path: Path) -> None:
    """It has no complaint."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not there")
    path = tmp_path / "apart.sh"
    path.write_text(f"#!/bin/bash\n{TOWARD}{LIBRARY}{STAND}{END}")
    done = subprocess.run(["shellcheck", str(path)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
