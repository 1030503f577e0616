"""The tables of versions, and the record of what was tried."""

from datetime import date
from typing import Any

import pytest

from kubeon.spec.releases import components, has_row, is_known, table
from kubeon.spec.tables import PluginTable, Table
from kubeon.spec.tried import parse_runs, tried
from kubeon.spec.versions import Version
from tests.specs import a_spec

RUNTIME = {"containerd": "2.3.7", "runc": "1.5.3", "cni-plugins": "1.10.0", "ends": "2028-04"}
ROW = {"patch": 2, "runtime": "2.3", "crictl": "1.20.0", "pause": "3", "coredns": {"0": "1"}, "etcd": {"0": "2"}}
RUN = """\
- release: v1.37.2
  distribution: debian-12
  architecture: amd64
  runtime: containerd 2.3.7
  network: bridge
  load-balancer: haproxy
  did: [create, upgrade from v1.36.3]
  when: 2026-11-29
  commit: '2376156'
  by: soak
"""


def a_table(row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """releases.toml with one row."""
    return {"helm": "3.22.0", "runtimes": {"2.3": RUNTIME}, "kubernetes": {"1.20": row}, **more}


def test_a_table_is_read_as_it_is_written() -> None:
    """Tags with the newest patch release first."""
    read = Table.model_validate(a_table({**ROW, "etcd": {"0": "3.5.0-0", "10": "3.5.2-0", "9": "3.5.1-0"}}))

    assert read.newest == Version(1, 20, 2)
    assert read.row_of(Version(1, 20, 1)).etcd == ((10, "3.5.2-0"), (9, "3.5.1-0"), (0, "3.5.0-0"))


@pytest.mark.parametrize(
    "wrong",
    [
        a_table({**ROW, "pasue": "3"}),
        a_table({**ROW, "patch": "2"}),
        a_table({**ROW, "pause": 3.10}),
        a_table({**ROW, "crictl": "v1.20.0"}),
        a_table({**ROW, "runtime": "2.2"}),
        a_table({**ROW, "etcd": {"3": "2"}}),
        a_table({**ROW, "etcd": {}}),
        a_table(ROW, kubernetes={"1.21": ROW}),
        a_table(ROW, kubernetes={"1.20": ROW, "1.22": ROW}),
    ],
)
def test_a_table_that_is_wrong_is_refused(wrong: dict[str, Any]) -> None:
    """A slip, a wrong type, a line or a row that is missing."""
    with pytest.raises(ValueError, match="validation error"):
        Table.model_validate(wrong)


@pytest.mark.parametrize("order", [(35, 32), (32, 32)])
def test_releases_of_a_plugin_stand_in_their_order(order: tuple[int, int]) -> None:
    """Newest first, each row once: the first that fits is taken."""
    rows = [{"since": minor, "version": "1.0.0"} for minor in order]
    if order == (35, 32):
        assert PluginTable.model_validate({"releases": rows}).row_of(Version(1, 33, 0)).since == 32
        return
    with pytest.raises(ValueError, match="not in the order"):
        PluginTable.model_validate({"releases": rows})


@pytest.mark.parametrize(
    ("version", "row", "known"),
    [
        ("v1.37.2", True, True),
        ("v1.37.99", True, False),
        ("v1.37.0-rc.1", True, False),
        ("v1.38.0-beta.0", False, False),
        ("v2.0.0", False, False),
    ],
)
def test_what_is_newer_than_the_table_takes_the_newest_row(version: str, row: bool, known: bool) -> None:
    """And is called what it is."""
    parsed = Version.parse(version)

    assert (has_row(parsed), is_known(parsed)) == (row, known)
    assert components(a_spec(version)).containerd == table().runtimes["2.3"].containerd


def test_no_release_takes_a_runtime_that_ended_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes that upstream still looks after, in November 2026, has a containerd that is looked after, too."""
    del monkeypatch
    assert all(table().runtime_of(Version(1, minor, 0)).ends > "2026-11" for minor in range(32, 38))


def test_a_run_says_what_was_done() -> None:
    """Strictly."""
    (run,) = parse_runs(RUN)

    assert (run.when, run.did) == (date(2026, 11, 29), ("create", "upgrade from v1.36.3"))
    assert run.names("kubernetes") == "v1.37"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("create", "creates"),
        ("from v1.36.3", "from 1.2"),
        ("by: soak", "by: me"),
        ("v1.37.2", "v1"),
        ("'2376156'", "2376156"),
        ("[create, upgrade from v1.36.3]", "[]"),
    ],
)
def test_a_run_that_is_made_up_is_refused(old: str, new: str) -> None:
    """Another word, another release, another type."""
    with pytest.raises(ValueError, match="validation error"):
        parse_runs(RUN.replace(old, new))


def test_no_release_that_was_only_stamped_was_seen() -> None:
    """The lab builds v1.20.2 and calls it v1.20.15, too."""
    assert "v1.20.15" not in {run.release for run in tried()} | {what for run in tried() for what in run.did}
