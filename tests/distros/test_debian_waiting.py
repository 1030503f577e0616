"""Waiting for whoever holds apt's lock, in a real shell."""

import shutil
import subprocess
from importlib import resources

import pytest

from tests.hosts.test_health import SHELLS

# fails as apt does while another one works, once; its standard output alone speaks of a lock the second time
_PROGRAMS = """
sleep() { echo slept; }
held() {
    if [ "$tries" = 0 ]; then echo 'E: Could not get lock /var/lib/dpkg/lock' >&2; return 100; fi
    echo '1 upgraded'
    echo 'W: a warning' >&2
}
broken() { echo 'postinst: is locked by another'; echo 'E: broken packages' >&2; return 100; }
"""
CASES = {
    "a lock": ("held", "slept\n0\n1 upgraded\n\nstandard error:\nW: a warning\n"),
    "no lock": ("broken", "1\npostinst: is locked by another\n\nstandard error:\nE: broken packages\n"),
}


@SHELLS
@pytest.mark.parametrize(("program", "printed"), CASES.values(), ids=CASES)
def test_only_a_lock_is_waited_for(shell: list[str], program: str, printed: str) -> None:
    """Standard error tells, whatever the packages' own scripts print."""
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    library = resources.files("kubeon.distros").joinpath("debian.sh").read_text(encoding="utf-8")
    script = f"set -e\n{library}{_PROGRAMS}code=0\npatient {program} || code=$?\nprintf '%s\\n' $code \"$output\"\n"

    done = subprocess.run(shell, input=script, capture_output=True, text=True, check=True, timeout=60)

    assert (done.stdout, done.stderr) == (printed, "")
