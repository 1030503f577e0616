"""The lock, with real processes."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon.errors import StateError
from kubeon.state.home import Home
from kubeon.state.lock import whoami

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
HOLDER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from kubeon.state.home import Home
with Home(Path(sys.argv[1])).cluster("demo").lock("create", datetime(2026, 1, 31, 12, 0, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


def a_holder(home: Path) -> subprocess.Popen[str]:
    """Another kubeon that holds the lock until its standard input ends."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    """Who, which process, since when, doing what."""
    holder = a_holder(tmp_path)
    state = Home(tmp_path).cluster("demo")

    with pytest.raises(StateError) as caught, state.lock("destroy", NOW):
        pass
    holder.communicate("")

    assert caught.value.what == "cluster demo is locked"
    assert caught.value.why == f"{whoami()} (process {holder.pid}) runs create since 2026-01-31T12:00:00+00:00"
    with state.lock("destroy", NOW):
        pass


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    """What it wrote stays in the file; the kernel's lock is gone, and that is the truth."""
    holder = a_holder(tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    state = Home(tmp_path).cluster("demo")

    assert str(holder.pid) in (state.path / "lock").read_text()
    with state.lock("create", NOW):
        assert str(os.getpid()) in (state.path / "lock").read_text()


def test_clusters_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """One lock per cluster."""
    holder = a_holder(tmp_path)

    with Home(tmp_path).cluster("other").lock("create", NOW):
        pass

    holder.communicate("")


def test_a_lock_is_not_inherited(tmp_path: Path) -> None:
    """A child that outlives kubeon, such as ssh for a jump host, must not keep the cluster locked."""
    state = Home(tmp_path).cluster("demo")
    with state.lock("create", NOW):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)

    with state.lock("create", NOW):
        pass

    child.kill()
    child.wait()


def test_a_removed_clusters_lock_is_made_anew(tmp_path: Path) -> None:
    """Removing the record under the lock leaves the next one a lock of its own."""
    state = Home(tmp_path).cluster("demo")
    with state.lock("destroy", NOW):
        state.remove()
        with state.lock("create", NOW), pytest.raises(StateError), state.lock("create", NOW):
            pass
