"""Manual pages are made of the commands."""

from pathlib import Path

import pytest

from kubeon.console.shapes import SHAPES
from tests.man import main


@pytest.mark.filterwarnings("ignore:.*make_default_short_help")  # click-man 0.6
def test_each_command_has_a_page(tmp_path: Path) -> None:
    """With its flags."""
    main(tmp_path)

    names = {path.stem for path in tmp_path.glob("*.1")}
    assert {
        f"kubeon-{name.replace(' ', '-')}" for name in ("create", "lb switch", "etcd snapshot save", "schema")
    } <= names
    assert len(names) > len(SHAPES)
    assert "\\-\\-dry\\-run" in (tmp_path / "kubeon-create.1").read_text()
