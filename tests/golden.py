"""Golden files: what a renderer gave when somebody last looked at it closely."""

import os
from pathlib import Path

TESTS = Path(__file__).parent


def assert_golden(text: str, name: str) -> None:
    """Compare with the file `name` (package/file: tests/package/golden/file); KUBEON_GOLDEN=write rewrites it."""
    package, _, file = name.partition("/")
    path = TESTS / package / "golden" / file
    if os.environ.get("KUBEON_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    assert path.exists(), f"{path} is missing; write it with `KUBEON_GOLDEN=write pytest {path.parent.parent}`"
    assert path.read_text(encoding="utf-8") == text
