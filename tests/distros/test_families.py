"""OS families: which is which, what is asked for, and the shell that adds and removes packages."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kubeon.distros import ALL_COMMANDS, ALL_PACKAGES, DEBIAN, FAMILIES, RHEL, Family, family_of

SCRIPTS = Path(__file__).parent.parent.parent / "kubeon" / "distros"
RPM = """\
case $1 in
-qa) ls "$STATE"; echo gpg-pubkey ;;
-q) [ -e "$STATE/$2" ] ;;
-e)
    shift
    for name in "$@"; do
        [ -e "$STATE/$name" ] || exit 1
        # needed by a package that is not going too
        for other in $(grep -lxr "$name" "$STATE" || true); do
            case " $* " in *" $(basename "$other") "*) ;; *) exit 1 ;; esac
        done
    done
    for name in "$@"; do rm "$STATE/$name"; done ;;
*) exit 99 ;;
esac
"""
DNF = """\
[ ! -e "$STATE/../broken" ] || { echo "no mirror" >&2; exit 1; }
while [ "$1" != install ]; do shift; done
shift
for name in "$@"; do
    case $name in none*) echo "no package $name" >&2; exit 1 ;; esac
    [ ! -e "$STATE/../die" ] || { touch "$STATE/half-$name"; kill -9 0; }
    if [ "$name" = conntrack-tools ]; then touch "$STATE/libnetfilter_conntrack"; fi
    case $name in conntrack-tools) echo libnetfilter_conntrack ;; esac >"$STATE/$name"
done
"""


class Machine:
    """A folder with a package manager on PATH; STATE has a file per package that lists what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "state", "root"):
            (folder / name).mkdir()
        for name, text in (("rpm", RPM), ("dnf", DNF)):
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}")
            (folder / "bin" / name).chmod(0o755)
        self.install("rpm")

    def install(self, name: str, needs: str = "") -> None:
        """As if it had always been there."""
        (self.folder / "state" / name).write_text(f"{needs}\n" if needs else "")

    @property
    def packages(self) -> set[str]:
        """Those that are installed."""
        return {path.name for path in (self.folder / "state").iterdir()}

    def run(self, script: str, *, exit_code: int = 0) -> str:
        """What the script prints."""
        done = subprocess.run(
            ["dash"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
            env={"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "STATE": str(self.folder / "state")},
        )
        self.stderr = done.stderr

        assert done.returncode == exit_code, done.stderr
        return done.stdout

    def add(self, *names: str, exit_code: int = 0) -> str:
        """Install these."""
        return self.run(RHEL.install_script(names, root=str(self.folder / "root")), exit_code=exit_code)

    def remove(self) -> str:
        """Remove what was added."""
        return self.run(RHEL.remove_script(root=str(self.folder / "root")))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with rpm and dnf."""
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("os_id", "os_like", "commands", "family"),
    [
        ("debian", (), (), DEBIAN),
        ("ubuntu", ("debian",), ("apt-get",), DEBIAN),
        ("rocky", ("rhel", "centos", "fedora"), (), RHEL),
        ("openEuler", (), ("dnf", "yum"), RHEL),
        ("anolis", ("rhel", "fedora", "centos"), (), RHEL),
        ("kylin", (), ("yum",), RHEL),
        ("kylin", ("debian",), ("apt-get",), DEBIAN),
        ("uos", (), ("apt-get",), DEBIAN),
        ("pop", ("ubuntu", "debian"), (), DEBIAN),
        ("alpine", (), ("apk",), None),
        ("", (), (), None),
    ],
)
def test_family_of(os_id: str, os_like: tuple[str, ...], commands: tuple[str, ...], family: object) -> None:
    """By ID, then by ID_LIKE; the package manager decides where one ID stands for two systems."""
    assert family_of(os_id, os_like, commands) is family


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_needs(family: Family) -> None:
    """What kubeadm looks for is among the needs; what is there is not asked for."""
    commands = {command for need in family.needs for command in need.commands}

    assert {"conntrack", "iptables", "ip", "mount", "nsenter", "ebtables", "ethtool", "socat", "tc"} <= commands
    assert commands <= ALL_COMMANDS
    assert family.missing(commands) == []
    assert family.missing((), ALL_PACKAGES) == []
    assert family.missing(commands, (), time_service=True) == ["chrony"]
    assert len(family.missing(())) == len(family.needs)


def test_added_packages_are_recorded_and_removed_with_dependencies(machine: Machine) -> None:
    """What came with them goes with them; what was there stays; twice is once."""
    machine.install("socat")
    found = machine.packages

    said = machine.add("conntrack-tools", "socat")

    assert said == "package conntrack-tools installed\npackage libnetfilter_conntrack installed\n"
    assert machine.add() == ""
    machine.add("ethtool")
    said = machine.remove()
    assert said.splitlines() == [
        f"package {name} removed" for name in ("conntrack-tools", "ethtool", "libnetfilter_conntrack")
    ]
    assert machine.packages == found
    assert machine.remove() == ""


def test_a_time_service_is_started(machine: Machine) -> None:
    """It is installed because it is to run, and RHEL does not start what it installs."""
    systemctl = machine.folder / "bin" / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@" >>"$STATE/../started"\n')
    systemctl.chmod(0o755)

    assert machine.add("chrony") == "package chrony installed\n"
    assert (machine.folder / "started").read_text() == "enable --now chronyd.service\n"


def test_what_others_need_by_now_is_kept(machine: Machine) -> None:
    """A package that was installed later and needs one of ours keeps it, and is not removed."""
    machine.add("conntrack-tools", "socat")
    machine.install("somebody-elses", needs="libnetfilter_conntrack")

    said = machine.remove()

    assert "package libnetfilter_conntrack kept: others need it\n" in said
    assert machine.packages == {"rpm", "somebody-elses", "libnetfilter_conntrack"}


def test_interrupted_then_again(machine: Machine) -> None:
    """The list from before the first attempt counts."""
    (machine.folder / "die").touch()
    machine.add("socat", exit_code=-9)
    (machine.folder / "die").unlink()

    machine.add("socat")
    machine.remove()

    assert machine.packages == {"rpm"}


def test_interrupted_and_never_repeated(machine: Machine) -> None:
    """Then only what kubeon asked for by name is removed: the rest may be somebody else's."""
    (machine.folder / "die").touch()
    machine.add("socat", exit_code=-9)
    machine.install("socat")
    machine.install("somebody-elses")

    machine.remove()

    assert machine.packages == {"rpm", "half-socat", "somebody-elses"}


def test_a_failed_installation_tells_why(machine: Machine) -> None:
    """The manager's own words, and a bad end."""
    (machine.folder / "broken").touch()

    machine.add("socat", exit_code=1)

    assert "no mirror" in machine.stderr


def test_optional_packages_may_be_missing(machine: Machine) -> None:
    """EL 9 has no package ebtables."""
    text = RHEL.install_script(["socat", "ebtables"], root=str(machine.folder / "root"))

    machine.run(text.replace("optional=ebtables", "optional=none-ebtables"))

    assert "socat" in machine.packages
    assert "optional package none-ebtables cannot be had" in machine.stderr


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_scripts_are_clean_for_shellcheck(family: Family) -> None:
    """Whole scripts, as hosts get them."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed")
    script = family.install_script(["socat"]) + "drop_packages\n"

    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script, capture_output=True, text=True, check=False)

    assert done.stdout == ""
