"""Libraries for images, out of a Python's own folder."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from kubeon import assets
from kubeon.errors import BundleError


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where Python finds libraries."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, name: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> None:
    """A library as pip leaves it, without its list of files, which distributions leave out."""
    for path, text in {
        **files,
        f"{name}-1.0.dist-info/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {each}" for each in requires)]
        ),
    }.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(text.encode())


def test_a_library_comes_with_all_that_it_requires(site: Path) -> None:
    """Packages and single modules, each once, byte for byte, sorted; no data, no tests, nothing compiled."""
    install(
        site,
        "kubeon_one",
        {
            "kubeon_one/__init__.py": "",
            "kubeon_one/inner/a.py": "a = 1\r\n",
            "kubeon_one/data.pem": "x",
            "kubeon_one/tests/test_a.py": "",
            "kubeon_one/__pycache__/a.cpython-311.pyc": "",
        },
        ("Kubeon-Two>=1,<3 ; python_version < '3.99'", "kubeon_three"),
    )
    install(site, "kubeon_two", {"kubeon_two.py": "two"}, ("kubeon_one==1.*",))
    install(site, "kubeon_three", {"kubeon_three/__init__.py": "three"})
    install(site, "kubeon_other", {"kubeon_other.py": ""})

    found = assets.libraries("kubeon_one")

    assert list(found.items()) == [
        ("kubeon_one/__init__.py", ""),
        ("kubeon_one/inner/a.py", "a = 1\r\n"),
        ("kubeon_three/__init__.py", "three"),
        ("kubeon_two.py", "two"),
    ]


def test_extras_and_what_is_not_installed_are_left_out(site: Path) -> None:
    """An extra may be installed by chance; another Python may need what this one does without."""
    requires = ("kubeon_two[all]>=1; extra == 'cli'", "kubeon_absent; python_version < '3.9'")
    install(site, "kubeon_one", {"kubeon_one.py": ""}, requires)
    install(site, "kubeon_two", {"kubeon_two.py": ""})

    assert list(assets.libraries("kubeon_one")) == ["kubeon_one.py"]


def test_a_library_that_is_not_there_is_an_error(site: Path) -> None:
    """Not installed at all, or installed under other names than its own."""
    install(site, "kubeon_hollow", {})

    for name in ("kubeon_absent", "kubeon_hollow"):
        with pytest.raises(BundleError, match=name):
            assets.libraries(name)


def test_httpx_is_there_with_what_it_imports() -> None:
    """As kubeon's own Python has it."""
    found = assets.libraries("httpx")

    assert {"httpx/__init__.py", "httpcore/__init__.py", "h11/__init__.py", "idna/core.py"} <= set(found)
    assert {path.rpartition(".")[2] for path in found} == {"py"}
    assert not [path for path in found if path.startswith(("click", "rich", "h2/", "trio"))]
