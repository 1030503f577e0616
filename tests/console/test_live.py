"""The picture of the live view, as text."""

import io

from rich.console import Console as RichConsole

from kubeon.console.live import draw
from kubeon.console.progress import Progress
from kubeon.engine.events import Event, Status
from tests.golden import assert_golden


def picture(progress: Progress, now: float, height: int = 40) -> str:
    """What a terminal of 100 columns would show."""
    console = RichConsole(file=io.StringIO(), width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(draw(progress, now, height))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def a_progress(count: int, finished: int) -> Progress:
    """`count` workers, of which some finished; one failed, one waits, the rest join."""
    progress = Progress()
    names = [f"w{number}" for number in range(1, count + 1)]
    progress.begin("Create cluster demo", {name: ["Install packages", "Join workers"] for name in names}, 100)
    for index, name in enumerate(names):
        if name == names[-1]:
            continue  # has not begun
        progress.event(Event(name, "install-packages", "Install packages", Status.CHANGED, 10, ("socat",)), 110)
        progress.event(Event(name, "join-workers", "Join workers", Status.STARTED), 110)
        if index < finished:
            progress.event(Event(name, "join-workers", "Join workers", Status.OK, 5), 115)
        elif index == finished:
            progress.event(
                Event(name, "join-workers", "Join workers", Status.FAILED, 5, (), "kubeadm join failed"), 115
            )
        else:
            progress.note("waiting for the kubelet", name)
    return progress


def test_a_line_per_host() -> None:
    """Failed first, then busy, then waiting or finished."""
    assert_golden(picture(a_progress(5, 1), 130), "console/live-5.txt")


def test_many_hosts_are_folded() -> None:
    """Those that finished share a line, and what does not fit is counted."""
    assert_golden(picture(a_progress(300, 200), 400, height=20), "console/live-300.txt")
