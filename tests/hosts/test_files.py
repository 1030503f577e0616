"""Files and units on a host, by real shells in a folder."""

from pathlib import Path

import pytest

from kubeon.hosts import host as host_module
from kubeon.hosts.files import File, ensure_files_script
from tests.hosts.sandbox import Sandbox

UNIT = "a.service"
SHELLS = pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix")], ids=lambda shell: str(shell[0]))
SYSTEMCTL = """\
echo "$*" >>"$STATE/calls"
case "$1 $2" in
daemon-reload*) ;;
"is-enabled --quiet") [ -e "$STATE/$3.enabled" ] ;;
"is-active --quiet") [ -e "$STATE/$3.active" ] ;;
"enable --quiet") : >"$STATE/$4.enabled" ;;
start*|restart*) : >"$STATE/$2.active" ;;
*) exit 99 ;;
esac
"""


def some_files(box: Sandbox, *contents: str) -> list[File]:
    """Files of different modes, with everything in them that a shell could trip over."""
    odd = "$HOME `id` \\ 'x' \"y\" %s\nKUBEON_\n\n"
    return [
        File(f"{box.root}/etc/new dir/{number}", content + odd, 0o600 if number else 0o644)
        for number, content in enumerate(contents or ("a\n", "b\n"))
    ]


@SHELLS
def test_files_are_written_once(shell: tuple[str, ...], tmp_path: Path) -> None:
    """With content and mode as they are; the second run is silent and leaves no trace."""
    box = Sandbox(tmp_path, shell)
    wanted = some_files(box)

    said = box.run(ensure_files_script(wanted))

    assert said.splitlines() == [file.path for file in wanted]
    assert [Path(file.path).read_text() for file in wanted] == [file.content for file in wanted]
    assert [Path(file.path).stat().st_mode & 0o777 for file in wanted] == [0o644, 0o600]
    assert box.run(ensure_files_script(wanted)) == ""
    assert not list(tmp_path.rglob("*.kubeon-new"))


def test_a_mode_that_differs_is_mended(tmp_path: Path) -> None:
    """A key that everybody can read is not as it should be."""
    box = Sandbox(tmp_path)
    wanted = some_files(box)
    box.run(ensure_files_script(wanted))
    Path(wanted[1].path).chmod(0o644)

    assert box.run(ensure_files_script(wanted)).splitlines() == [wanted[1].path]
    assert Path(wanted[1].path).stat().st_mode & 0o777 == 0o600


@SHELLS
@pytest.mark.parametrize("fails", ["cat", "chmod", "mkdir", "mv"])
def test_a_file_that_cannot_be_written_is_an_error_and_stays_whole(
    fails: str, shell: tuple[str, ...], tmp_path: Path
) -> None:
    """A full disk: the old file stays, the script fails there, and what comes later is not tried."""
    box = Sandbox(tmp_path, shell)
    box.run(ensure_files_script(some_files(box, "old\n", "old\n")))
    box.program(fails, f"[ {fails} = cat ] && printf half\nexit 1\n")

    code = box.attempt(ensure_files_script(some_files(box, "new\n", "new\n")))

    assert code != 0
    assert [Path(file.path).read_text() for file in some_files(box)] == [
        file.content for file in some_files(box, "old\n", "old\n")
    ]


@pytest.mark.parametrize("step", range(1, 14))
def test_killed_anywhere_no_half_file_is_left(step: int, tmp_path: Path) -> None:
    """A reader finds the old text or the new; the next run finishes."""
    box = Sandbox(tmp_path)
    box.run(ensure_files_script(some_files(box, "old\n", "old\n")))
    new = some_files(box, "new\n" * 1000, "new\n")
    box.mortal("cat", "chmod", "mkdir", "mv", "stat", "cmp", "dirname", "rm")

    box.attempt(f"export DIE={step}\n{ensure_files_script(new)}")

    for file, old in zip(new, some_files(box, "old\n", "old\n"), strict=True):
        assert Path(file.path).read_text() in (old.content, file.content)
    box.run(ensure_files_script(new))
    assert [Path(file.path).read_text() for file in new] == [file.content for file in new]
    assert not list(tmp_path.rglob("*.kubeon-new"))


def unit_script(box: Sandbox, *contents: str, start: bool = True) -> str:
    """What `Host.ensure_unit` sends, with the stamp in the box."""
    stamp = f"{box.root}/stamp"
    end = host_module._UNIT.format(unit=UNIT, stamp=stamp, start="yes" if start else "")
    return ensure_files_script(some_files(box, *contents), stamp=stamp) + end


def a_host_with_units(folder: Path, shell: tuple[str, ...] = ("dash",)) -> Sandbox:
    """It has a systemctl that remembers."""
    box = Sandbox(folder, shell)
    box.program("systemctl", SYSTEMCTL)
    return box


def calls(box: Sandbox) -> list[str]:
    """What systemctl was told to change, since this was last asked."""
    path = box.folder / "state" / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if not line.startswith("is-")]


@SHELLS
def test_a_unit_is_started_once_and_restarted_for_its_files(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Nothing is done when nothing differs."""
    box = a_host_with_units(tmp_path, shell)

    box.run(unit_script(box, "a\n"))
    assert calls(box) == ["enable --quiet --no-reload a.service", "daemon-reload", "start a.service"]
    assert box.run(unit_script(box, "a\n")) == ""
    assert calls(box) == []
    assert box.run(unit_script(box, "b\n")).splitlines()[1:] == ["a.service restarted"]
    assert calls(box) == ["daemon-reload", "restart a.service"]


def test_a_unit_that_somebody_else_starts_is_only_enabled(tmp_path: Path) -> None:
    """The kubelet is kubeadm's to start."""
    box = a_host_with_units(tmp_path)

    box.run(unit_script(box, "a\n", start=False))

    assert calls(box) == ["enable --quiet --no-reload a.service", "daemon-reload"]


@pytest.mark.parametrize("step", range(1, 16))
def test_a_restart_that_is_owed_is_made_up_for(step: int, tmp_path: Path) -> None:
    """Killed anywhere between writing and restarting: the next run restarts, although no file differs any more."""
    box = a_host_with_units(tmp_path)
    box.run(unit_script(box, "old\n"))
    box.mortal("systemctl", "cat", "mv", "stat", "cmp", "rm", "chmod")
    calls(box)

    killed = box.attempt(f"export DIE={step}\n" + unit_script(box, "new\n")) < 0
    box.run(unit_script(box, "new\n"))

    assert not killed or "restart a.service" in calls(box)
    assert box.run(unit_script(box, "new\n")) == ""


@pytest.mark.parametrize("verb", ["enable", "start", "restart"])
def test_a_unit_that_does_not_start_is_an_error(verb: str, tmp_path: Path) -> None:
    """And is tried again by the next run."""
    box = a_host_with_units(tmp_path)
    if verb == "restart":
        box.run(unit_script(box, "old\n"))
    box.program("systemctl", f"[ $1 = {verb} ] && exit 1\n{SYSTEMCTL}")

    assert box.attempt(unit_script(box, "new\n")) != 0

    box.program("systemctl", SYSTEMCTL)
    calls(box)
    box.run(unit_script(box, "new\n"))
    assert [line.split()[0] for line in calls(box)][-1] == ("restart" if verb == "restart" else "start")
