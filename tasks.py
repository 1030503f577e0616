"""What developers do, by one word each: `./dev TASK`. Thin on purpose: the work is done elsewhere."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

HERE = Path(__file__).parent
PYTHON = sys.executable
PURE = "not lab and not bench"
QUICK = f"{PURE} and not slow"
PARALLEL = ("--numprocesses", "4", "--dist", "worksteal")
SMALL, LARGE, ALONE = "lab and not large and not alone", "lab and large", "lab and alone"
"""The parts that are run on the lab, after each other; of the first, two modules at a time."""
MEMORY, GIGABYTE = Path("/dev/shm"), 1 << 30
INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended, as a shell has it."""
NOTHING_SELECTED = 5
"""pytest's exit code; its 2 is also that of a module that cannot be read."""


def run(*words: str, **environment: str) -> None:
    """A program that has this terminal to itself, Ctrl-C included. Its failure is ours. Says how long it took."""
    if code := exit_code(*words, **environment):
        raise Exit(code=code)


def exit_code(*words: str, **environment: str) -> int:
    """The same, but its failure is the answer: its exit code, as a shell has it, INTERRUPTED where Ctrl-C ended it."""
    print("+", shlex.join(Path(word).name if word == PYTHON else word for word in words), flush=True)
    began = time.monotonic()
    child, interrupted = subprocess.Popen(words, cwd=HERE, env=os.environ | environment), False
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt:  # the program got it too, and knows what to do
            interrupted = True
    print(f"= {time.monotonic() - began:.0f} s", flush=True)
    if interrupted and code:
        return INTERRUPTED
    return code if code >= 0 else 128 - code


def python(module: str, *words: str, **environment: str) -> None:
    """A module of the virtual environment."""
    run(PYTHON, "-m", module, *words, **environment)


def flags(**given: str | int | Sequence[str] | None) -> list[str]:
    """--name value, of what was given."""
    values = {name: [value] if isinstance(value, str | int) else list(value or ()) for name, value in given.items()}
    return [word for name, each in values.items() for value in each if value for word in (f"--{name}", str(value))]


@task
def fmt(_: Context) -> None:
    """Format the code, and mend what ruff can mend."""
    python("ruff", "check", "--fix-only", "--quiet")
    python("ruff", "format")


@task
def lint(_: Context) -> None:
    """Is it formatted, and does ruff find nothing."""
    python("ruff", "format", "--check")
    python("ruff", "check")


@task
def types(_: Context) -> None:
    """Do the types fit (mypy, strict)."""
    python("mypy")


@task
def layers(_: Context) -> None:
    """Do imports go down only, has every library and every effect its owner."""
    run(str(Path(PYTHON).with_name("lint-imports")), "--no-cache")
    python("pytest", "-q", "tests/test_architecture.py")


@task(help={"quick": "only what needs no lab, and of that what is quick"})
def test(_: Context, quick: bool = False) -> None:
    """Run the tests: those on the lab, and in its shadow those that need none; those that must be alone at the end."""
    python("tests.programs")
    if quick:
        python("pytest", *PARALLEL, "-m", QUICK)
        return
    python("tests.lab.material")  # before all: some pure tests ask a real kubeadm
    codes = {"timed": exit_code(PYTHON, "-m", "pytest", *PARALLEL, "-m", f"{PURE} and timed")}
    stop_if_interrupted(codes)
    codes |= on_the_lab((SMALL,), "not soak")
    with in_the_shadow("--numprocesses", "2", "-m", f"{PURE} and not timed") as wait:
        codes |= on_the_lab((LARGE,), "not soak")
        codes["in the shadow"] = wait()
    judge(codes | on_the_lab((ALONE,), "not soak"))


@task(
    help={"release": "Kubernetes release of the clusters; default: the newest that the lab has", "only": "-k of pytest"}
)
def soak(_: Context, release: str = "", only: str = "") -> None:
    """All tests on the lab, those that the check leaves out too: hours."""
    python("tests.lab.material", *([release] if release else [] if only else ["all"]))
    words = ("-k", only) if only else ()
    judge(on_the_lab((SMALL, LARGE, ALONE), "", *words, **({"KUBEON_LAB_RELEASE": release} if release else {})))


def on_the_lab(parts: Sequence[str], narrowed: str, *words: str, **environment: str) -> dict[str, int]:
    """The exit code of each part, one after the other, also after one that failed. Ctrl-C ends it all."""
    codes: dict[str, int] = {}
    for part in parts:
        together = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder") if part == SMALL else ()
        marks = " and ".join(filter(None, (part, narrowed)))
        pytest = (PYTHON, "-m", "pytest", "-m", marks, "-v", *together, "--durations", "20")
        codes[part] = exit_code(*pytest, *words, **environment)
        stop_if_interrupted(codes)
    return codes


@contextmanager
def in_the_shadow(*words: str) -> Iterator[Callable[[], int]]:
    """pytest gets what CPU time others leave, while the block runs; on the disk nothing.

    What is given waits for it, prints what it has said, and returns its exit code. It is ended with the block.
    """
    print("+ in the shadow: python -m pytest", shlex.join(words), flush=True)
    began, room = time.monotonic(), MEMORY if is_fit(MEMORY) else None
    ended = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # it is ended then, too
    with (
        # short, since tests have sockets there
        tempfile.TemporaryDirectory(prefix="k-", dir=room, ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile("w+", errors="replace") as said,
    ):
        child = subprocess.Popen(
            [PYTHON, "-m", "pytest", "--basetemp", f"{folder}/t", *words],
            cwd=HERE,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        step_back(child.pid)

        def wait() -> int:
            code = child.wait()
            said.seek(0)
            print(f"in the shadow:\n{said.read()}= {time.monotonic() - began:.0f} s", flush=True)
            return code if code >= 0 else 128 - code

        try:
            yield wait
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)
            child.wait()
            signal.signal(signal.SIGTERM, ended)


def step_back(pid: int) -> None:
    """The last in line for the CPU: by itself, and where Linux takes a whole session for one (autogroup)."""
    os.setpriority(os.PRIO_PROCESS, pid, 19)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("19")


def is_fit(folder: Path) -> bool:
    """Can tests have their files there, some of which are programs?"""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > GIGABYTE


def stop_if_interrupted(codes: Mapping[str, int]) -> None:
    """End with what Ctrl-C has ended."""
    if INTERRUPTED in codes.values():
        raise Exit(code=INTERRUPTED)


def judge(codes: Mapping[str, int]) -> None:
    """Fail as the first part did that failed, and name all that did; and where no part had a test."""
    failed = {part: code for part, code in codes.items() if code not in (0, NOTHING_SELECTED)}
    if failed:
        raise Exit(f"failed: {', '.join(failed)}", code=next(iter(failed.values())))
    if set(codes.values()) == {NOTHING_SELECTED}:
        raise Exit("no test is called so", code=NOTHING_SELECTED)


@task(help={"quick": "only what needs no lab, and of that what is quick: two minutes"})
def check(context: Context, quick: bool = False) -> None:
    """Everything that CI checks: lint, types, and all tests, those of the layers among them."""
    lint(context)
    types(context)
    test(context, quick=quick)


@task(
    help={
        "focus": "only tests whose name has this regular expression in it",
        "skip": "none of these",
        "result": 'only those of which the table says so: passed, failed, "not run"',
        "limit": "so many tests at most",
        "parallel": "so many at a time",
        "keep": "leave the cluster for the next run",
    }
)
def conformance(
    _: Context,
    *,
    focus: str = "",
    skip: str = "",
    result: str = "",
    limit: int = 0,
    parallel: int = 4,
    keep: bool = False,
) -> None:
    """Upstream's conformance tests on a cluster of 3 + 2 that kubeon makes on the lab: hours."""
    python("tests.lab.material")
    words = flags(focus=focus, skip=skip, result=result, limit=limit or None, parallel=parallel)
    python("tests.conformance", *words, *(["--keep"] if keep else []))


@task
def golden(_: Context) -> None:
    """Write the golden files and the tables in docs/ afresh; look at the diff afterwards."""
    python("pytest", "-q", "-m", PURE, KUBEON_GOLDEN="write")


@task
def bench(_: Context) -> None:
    """Measure on the lab, as ratios."""
    python("tests.lab.material")
    python("pytest", "-m", "bench", "-v", "-s")


@task
def man(_: Context) -> None:
    """Write a manual page for each command into dist/man."""
    python("tests.man")


@task(help={"mirror": "base URL that has the original URLs as paths; default: the Internet"})
def releases(_: Context, mirror: str = "") -> None:
    """Ask upstream what is newer than kubeon's tables of versions, and print the lines to change."""
    python("tests.newer", *flags(mirror=mirror))


@task(help={"file": "what the tests left where KUBEON_TRIED said", "by": "check or soak"})
def tried(_: Context, file: str, by: str = "soak") -> None:
    """Put what was done on real hosts on record (kubeon/spec/tried.yaml)."""
    python("tests.tried", file, *flags(by=by))


@task(iterable=["release"], help={"release": "Kubernetes release in the mirror; may be repeated"})
def up(_: Context, hosts: int = 3, base: str = "debian-12", release: Sequence[str] | None = None) -> None:
    """Start hosts n1, n2, ... and the mirror."""
    python("tests.lab", "up", *flags(hosts=hosts, base=base, release=release))


@task(help={"names": "hosts, separated by spaces; default: all"})
def down(_: Context, names: str = "") -> None:
    """Remove hosts with all that is on them."""
    python("tests.lab", "down", *names.split())


@task
def off(_: Context) -> None:
    """Remove all hosts, the network and the guard; put the machine's settings back."""
    python("tests.lab", "off")


@task
def status(_: Context) -> None:
    """List the hosts."""
    python("tests.lab", "status")


@task(help={"command": "what to run there; without it a shell"})
def ssh(_: Context, name: str, command: str = "") -> None:
    """Log in to a host as root."""
    python("tests.lab", "ssh", name, *([command] if command else []))


@task(default=True, help={"release": "Kubernetes release; default: what this machine can have"})
def create(_: Context, release: str = "") -> None:
    """A real cluster on this machine: three hosts of the lab, then `kubeon create` before your eyes."""
    python("tests.lab.demo", "up", *flags(release=release))


@task(name="down")
def demo_down(_: Context) -> None:
    """Remove the demo's hosts."""
    python("tests.lab.demo", "down")


lab = Collection("lab", up, down, off, status, ssh)
demo = Collection("demo", create, demo_down)
namespace = Collection(
    fmt, lint, types, layers, test, check, soak, conformance, golden, bench, man, releases, tried, lab, demo
)
