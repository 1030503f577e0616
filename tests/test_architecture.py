"""Layers, owners of libraries and of effects. When one of these fails, move the code; do not add an exception."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from kubeon.cluster.context import Step
from kubeon.cni import CNIS
from kubeon.cni.base import Released

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kubeon"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400  # lines; modules aim at 60 to 200

# Who may do what: calls and modules, by dotted name, and the files or folders that own them.
CALLS = {
    "print": ("console",),
    "input": ("console",),
    "getpass.getpass": ("console",),
    "sys.exit": ("cli/__init__.py",),
    "exit": (),
    "quit": (),
    "os._exit": (),
    "os.abort": (),
    "time.time": ("waiting.py",),
    "time.monotonic": ("waiting.py",),
    "time.perf_counter": ("waiting.py",),
    "time.sleep": ("waiting.py",),
    "datetime.now": ("waiting.py",),
    "datetime.utcnow": (),
    "datetime.today": (),
    "date.today": (),
    "signal.signal": ("cli/interrupts.py",),
    "os.system": (),
    "os.popen": (),
    "threading.Thread": ("engine",),
    "ThreadPoolExecutor": ("hosts/fleet.py",),
}
IMPORTS = {
    "concurrent": ("hosts/fleet.py",),
    "multiprocessing": (),
    "asyncio": (),
    "subprocess": ("bundle",),  # kubeadm and helm on the control machine say what a cluster needs
    "random": (),
    "logging": ("transport",),  # to keep paramiko quiet, which else prints tracebacks
    "getpass": ("console", "state/lock.py"),  # state asks who the user is, not for a password
    "fcntl": ("state", "bundle/store.py"),
    "click": ("cli",),
    "rich": ("console",),
}


def name_of(module: Path) -> str:
    """`engine/runner.py`."""
    return module.relative_to(PACKAGE).as_posix()


def owned(module: Path, owners: tuple[str, ...]) -> bool:
    """Is this one of the owners' modules?"""
    return any(name_of(module) == owner or name_of(module).startswith(f"{owner}/") for owner in owners)


def dotted(node: ast.expr) -> str:
    """`time.sleep` of the expression, "" when it is no plain name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := dotted(node.value)):
        return f"{inner}.{node.attr}"
    return ""


@cache
def tree_of(module: Path) -> ast.Module:
    """Parsed once for all tests."""
    return ast.parse(module.read_text(encoding="utf-8"))


@cache
def calls(module: Path) -> tuple[tuple[int, str], ...]:
    """(line, dotted name) of every call, with names imported one by one under their full name."""
    return tuple(_calls(tree_of(module)))


def _calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    full = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "sys", "os", "getpass", "signal", "threading")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            yield node.lineno, full.get(name, name).removeprefix("datetime.datetime").lstrip(".") or name


@cache
def imports(module: Path) -> tuple[tuple[int, str], ...]:
    """(line, top-level name) of every imported module."""
    return tuple(_imports(tree_of(module)))


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.split(".")[0]


@pytest.mark.parametrize("call", CALLS)
def test_effects_have_one_owner(call: str) -> None:
    """Printing, exiting, the clock: where they happen can be replaced, watched and tested."""
    found = [
        f"{name_of(module)}:{line}"
        for module in MODULES
        if not owned(module, CALLS[call])
        for line, name in calls(module)
        if name == call
    ]

    assert found == []


@pytest.mark.parametrize("imported", IMPORTS)
def test_modules_have_owners(imported: str) -> None:
    """Threads and processes start in few places."""
    found = [
        f"{name_of(module)}:{line}"
        for module in MODULES
        if not owned(module, IMPORTS[imported])
        for line, name in imports(module)
        if name == imported
    ]

    assert found == []


@pytest.mark.parametrize("module", sorted((PACKAGE / "phases").glob("[a-z]*.py")), ids=name_of)
def test_phases_hold_phases(module: Path) -> None:
    """What several of them know, ask or do is in `cluster`."""
    loaded = importlib.import_module(f"kubeon.phases.{module.stem}")

    own = [each for each in vars(loaded).values() if getattr(each, "__module__", "") == loaded.__name__]
    assert [each for each in own if isinstance(each, type) and issubclass(each, Step)]


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_can_be_read_at_once(module: Path) -> None:
    """Past the limit it is two modules."""
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for(module: Path) -> None:
    """In its first line; an empty __init__.py has nothing to say."""
    assert not module.read_text(encoding="utf-8").strip() or ast.get_docstring(tree_of(module))


def test_layers_and_owners_of_libraries() -> None:
    """import-linter's contracts in pyproject.toml."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


# Files with lines in which both outputs of a program become one, and how many: what is shown to people, never parsed.
SHOWN = {
    "kubeon/distros/rhel.sh": 2,  # what dnf printed, when it has failed
    "kubeon/cluster/restoration.sh": 1,  # etcd's log, the end of which is shown
}
_APART = r">/dev/null 2>&1|2>&1 >"  # nothing is kept, or standard error alone


def test_no_answer_is_read_from_standard_error() -> None:
    """containerd 2.2's ctr warns there beside a good answer; every program may one day. Data is on standard output."""
    folders = (PACKAGE, ROOT / "updater", ROOT / "systemd", ROOT / "haproxy")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    found = {
        path.relative_to(ROOT).as_posix(): len(re.findall(r"2>&1|[|]&|&>|subprocess[.]STDOUT", text))
        for path in files
        for text in [re.sub(_APART, "", path.read_text(encoding="utf-8"))]
    }

    assert {name: count for name, count in found.items() if count} == SHOWN


# Plug-ins whose names are no ordinary words.
PLUGINS = [name for name, plugin in CNIS.items() if isinstance(plugin, Released)]
FOREIGN = ("preflight/network.py", "phases/clean_host.py")  # what other installers leave, by prefix


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugins_name_stays_in_its_folder(plugin: str) -> None:
    """In the Go kubeon the word cilium stands in 15 files of 7 packages."""
    found = [
        name_of(module)
        for module in MODULES
        if not owned(module, ("cni", *FOREIGN)) and plugin in module.read_text(encoding="utf-8").lower()
    ]

    assert found == []
