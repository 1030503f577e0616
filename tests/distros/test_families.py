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
case " $* " in *" --setopt=obsoletes=False "*) ;; *) echo "would replace what others have" >&2; exit 99 ;; esac
while [ "$1" != install ]; do shift; done
shift
for name in "$@"; do
    case $name in none*) echo "no package $name" >&2; exit 1 ;; esac
    [ ! -e "$STATE/../die" ] || { touch "$STATE/half-$name"; kill -9 0; }
    if [ "$name" = conntrack-tools ]; then touch "$STATE/libnetfilter_conntrack"; fi
    case $name in conntrack-tools) echo libnetfilter_conntrack ;; esac >"$STATE/$name"
done
"""


# a file per package, whose first line is its state and the others what it needs; "gone" can be had nowhere
DPKG = """\
case $* in
--audit) grep -lx unpacked "$STATE"/* | xargs -r -n 1 basename | sed "s/^/ /;s/$/ is not configured/" ;;
*--configure\\ -a)
    for each in "$STATE"/*; do grep -qx gone "$each" || sed -i "1s/.*/installed/" "$each"; done
    ! dpkg --audit | grep . ;;
--purge*) shift; for name in "$@"; do rm "$STATE/$name"; done ;;
*) exit 99 ;;
esac
"""
QUERY = """\
for each in "$STATE"/*; do echo "$(head -n 1 "$each") $(basename "$each")"; done
"""
APT = """\
echo "$*" >>"$STATE/../asked"
remove=yes broken=
while [ $# -gt 0 ] && [ "$1" != install ]; do
    case $1 in --no-remove) remove=no ;; --fix-broken) broken=yes ;; -o) shift ;; -s | update) exit 1 ;; esac
    shift
done
shift
if dpkg --audit | grep -q .; then
    [ "$broken" ] || { echo "E: Unmet dependencies. Try 'apt --fix-broken install'" >&2; exit 100; }
    [ "$remove" = yes ] || { echo "E: Packages need to be removed but remove is disabled." >&2; exit 100; }
    for name in $(dpkg --audit | cut -d" " -f2); do rm "$STATE/$name"; done
fi
for name in "$@"; do echo installed >"$STATE/$name"; done
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


@pytest.fixture
def debian(tmp_path: Path) -> Machine:
    """A machine with dpkg and apt that do what the real ones do with what is not whole."""
    machine = Machine(tmp_path)
    (tmp_path / "state" / "rpm").unlink()
    for name, text in (("dpkg", DPKG), ("dpkg-query", QUERY), ("apt-get", APT)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / "bin" / name).chmod(0o755)
    return machine


def dpkg_states(machine: Machine) -> dict[str, str]:
    """What dpkg has, and how far it came with it."""
    return {path.name: path.read_text().splitlines()[0] for path in (machine.folder / "state").iterdir()}


def test_a_package_of_the_owner_that_apt_would_remove_stays(debian: Machine) -> None:
    """Put there with dpkg, and what it depends on is in no archive: it works, and nothing may take it away."""
    (debian.folder / "state" / "vendor-agent").write_text("unpacked\ngone\n")
    root = str(debian.folder / "root")

    debian.run(DEBIAN.install_script(["socat"], root=root), exit_code=1)

    assert dpkg_states(debian) == {"vendor-agent": "unpacked"}
    assert "vendor-agent is not configured" in debian.stderr
    assert "kubeon removes no package that it has not installed" in debian.stderr
    debian.run(DEBIAN.remove_script(root=root))
    assert dpkg_states(debian) == {"vendor-agent": "unpacked"}
    assert all("--no-remove" in line for line in (debian.folder / "asked").read_text().splitlines())


def test_an_installation_of_somebody_else_is_completed(debian: Machine) -> None:
    """dpkg was killed before it had configured what it had unpacked."""
    (debian.folder / "state" / "vendor-agent").write_text("unpacked\n")
    root = str(debian.folder / "root")

    assert "package socat installed" in debian.run(DEBIAN.install_script(["socat"], root=root))
    debian.run(DEBIAN.remove_script(root=root))

    assert dpkg_states(debian) == {"vendor-agent": "installed"}


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
