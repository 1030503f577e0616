"""What a check may find has a name that --ignore-preflight-errors knows."""

import ast
import importlib
from pathlib import Path

import pytest

import kubeon.preflight

FOLDER = Path(kubeon.preflight.__file__).parent
MODULES = [path for path in sorted(FOLDER.glob("[a-z]*.py")) if "CHECKS" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_findings_have_names_of_their_checks(module: Path) -> None:
    """Those that are written out; made ones are tested with what makes them."""
    checks = importlib.import_module(f"kubeon.preflight.{module.stem}").CHECKS
    known = {name for check in checks for name in check.names}
    calls = [node for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    found = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute | ast.Name) and call.args and isinstance(call.args[0], ast.Constant)
        if (call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id) in ("error", "warning", "Finding")
    }

    assert found <= known
