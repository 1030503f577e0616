"""Folders of the lab's cache: made in a temporary folder, then renamed; an interrupted run leaves nothing half-made."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab import cache

Log = Callable[[str], None]
HERE = Path(__file__).parent

_held = threading.local()


@contextmanager
def lock(log: Log = print) -> Iterator[None]:
    """Only one process at a time builds; another one waits here and then finds everything made."""
    if getattr(_held, "depth", 0):  # taken by this thread already
        yield
        return
    cache.root().mkdir(parents=True, exist_ok=True)
    with (cache.root() / "mirror.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("waiting for another process that builds the mirror")
            fcntl.flock(handle, fcntl.LOCK_EX)
        _held.depth = 1
        shutil.rmtree(work(), ignore_errors=True)  # what an interrupted run left: the lock is ours, nobody works there
        try:
            yield
        finally:
            _held.depth = 0


def work() -> Path:
    """Where things are made, by whoever holds the lock."""
    return cache.root() / "mirror-work"


def together(jobs: Sequence[Callable[[], Path]], log: Log = print) -> list[Path]:
    """What the jobs return, two of them at a time: one's linking leaves a core to the other's compiling."""

    def hold() -> None:
        _held.depth = 1  # the lock is this process's, through the caller

    with lock(log), ThreadPoolExecutor(2, initializer=hold) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def folder(name: str, *inputs: str | bytes | Path, make: Callable[[Path], None], log: Log = print) -> Path:
    """The cache folder NAME-KEY, its key taken from what it is made of.

    When it is not there, `make(new)` makes it; beside `new` it has room for what is needed meanwhile.
    """
    entry = cache.root() / f"{name}-{cache.key(*inputs)}"
    if entry.is_dir():
        return entry
    with lock(log):
        if entry.is_dir():
            return entry
        log(f"making {entry.name}")
        begin = time.monotonic()
        # a place of its own for each try: what a killed one had started may still be writing into the old one
        scratch = work() / f"{entry.name}.{os.getpid()}"
        scratch.mkdir(parents=True)
        make(scratch / "new")
        (scratch / "new").rename(entry)
        shutil.rmtree(scratch, ignore_errors=True)
        log(f"made {entry.name} in {time.monotonic() - begin:.0f} s")
    return entry


def run(command: Sequence[str | Path], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program that must succeed; its output goes to the caller, or, with its name, into the error."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{tail}")
    return done.stdout


def write(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.rename(path)


def read_json(path: Path) -> Any:
    """What a JSON file holds, or None without it."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
