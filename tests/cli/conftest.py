"""Commands with operations that remember how they were called."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import TypeAdapter

from kubeon import cli
from kubeon.cli.commands import ALIASES
from kubeon.console.shapes import SHAPES
from kubeon.operations import add, create, delete, destroy
from kubeon.operations.base import CreateResult, DeleteResult, DestroyResult, NodeResult, Plan
from kubeon.preflight import Finding, Severity

VARIANTS = ("history operation", "history log", "kubeconfig merged")  # of the same command, by its flags


@dataclass
class Operations:
    """Stands in for kubeon.operations: `calls` has (name, arguments), `fail` is raised after the plan was confirmed."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fail: BaseException | None = None
    plan: Plan = field(default_factory=lambda: Plan("create cluster demo", (), {"cp1": ("install packages",)}))
    findings: list[Finding] = field(default_factory=list)
    changed: bool = True
    when_begun: Callable[[dict[str, Any]], None] = lambda call: None

    def create(self, *given: Any, **named: Any) -> CreateResult:
        call = self._call("create", given, named, "spec options home reporter confirm")
        if not call["confirm"](self.plan):
            return CreateResult("demo", changed=False)
        self._begin(call)
        node = NodeResult("cp1", "10.0.0.1", "control-plane", "v1.34.2", ready=True)
        return CreateResult("demo", self.changed, (node,), 125.2, call["options"].kubeconfig, None)

    def add(self, *given: Any, **named: Any) -> CreateResult:
        call = self._call("add", given, named, "spec options home reporter confirm")
        if not call["confirm"](self.plan):
            return CreateResult("demo", changed=False)
        self._begin(call)
        nodes = [node for node in call["spec"].nodes if node.address in call["new"]]
        found = [NodeResult(n.name or "w7", str(n.address), n.role.value, "v1.34.2", ready=True) for n in nodes]
        return CreateResult("demo", self.changed, tuple(found), 31.4, call["options"].kubeconfig, None)

    def delete(self, *given: Any, **named: Any) -> DeleteResult:
        call = self._call("delete", given, named, "name options home reporter confirm")
        if not call["confirm"](self.plan):
            return DeleteResult("demo")
        self._begin(call)
        stays = () if call["options"].remove_packages else ("w2: package socat stays: kubeon had installed it",)
        return DeleteResult("demo", ("w1", "w2"), 12.0, None, stays)

    def destroy(self, *given: Any, **named: Any) -> DestroyResult:
        call = self._call("destroy", given, named, "name options home reporter confirm")
        if not call["confirm"](self.plan):
            return DestroyResult("demo")
        self._begin(call)
        return DestroyResult("demo", ("cp1", "w1"), 12.0, None, ("cp1: package socat stays: kubeon had installed it",))

    def preflight(self, *given: Any, **named: Any) -> list[Finding]:
        self._call("preflight", given, named, "spec options home reporter")
        return self.findings

    def _begin(self, call: dict[str, Any]) -> None:
        self.when_begun(call)
        if self.fail is not None:
            raise self.fail

    def _call(self, name: str, given: tuple[Any, ...], named: dict[str, Any], words: str) -> dict[str, Any]:
        call = {**dict(zip(words.split(), given, strict=True)), **named}
        self.calls.append((name, call))
        return call

    @property
    def last(self) -> dict[str, Any]:
        """Arguments of the last call, by name."""
        return self.calls[-1][1]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Operations:
    """No host is touched, and ~/.kubeon, ~/.kube and the environment are the test's own."""
    found = Operations()
    monkeypatch.setattr(create, "create", found.create)
    monkeypatch.setattr(create, "preflight", found.preflight)
    monkeypatch.setattr(add, "add", found.add)
    monkeypatch.setattr(delete, "delete", found.delete)
    monkeypatch.setattr(destroy, "destroy", found.destroy)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBEON_HOME", str(tmp_path / "k"))
    for name in ("KUBECONFIG", "KUBEON_SSH_PASSWORD", "KUBEON_SUDO_PASSWORD", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return found


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str


@pytest.fixture
def kubeon(fake: Operations, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line as `main` does."""
    del fake

    def run(*words: str) -> Ran:
        code = cli.run(words)
        captured = capsys.readouterr()
        if "json" in words and "schema" not in words:
            expect_shape(words, captured.out)
        return Ran(code, captured.out, captured.err)

    return run


def expect_shape(words: Sequence[str], out: str) -> None:
    """It is what docs/json.md promises of the command, or of a plan or an error, and no more."""
    spoken = [ALIASES.get(word, word) for word in words if not word.startswith("-")]
    answers = [json.loads(line) for line in out.splitlines()] if "--watch" in words else [json.loads(out)]
    for found in answers:
        special = {name for name in ("error", "plan") if isinstance(found.get(name), dict)}
        names = special or {name for name in SHAPES if spoken[: len(name.split())] == name.split()}
        names |= {name for name in SHAPES if name in VARIANTS and name.split()[0] in names}
        shapes = [SHAPES[name] for name in names]
        TypeAdapter[Any](reduce(or_, shapes)).validate_python(found, strict=True)
        assert set(found) <= {field for shape in shapes for field in get_type_hints(shape)}


def a_finding(severity: Severity = Severity.WARNING) -> Finding:
    """About swap."""
    return Finding("Swap", "w1", severity, "swap is on", "it will be switched off")
