"""`kubeon etcd`: flags to values, one call, the answer. What it does is tests/operations/test_etcd.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubeon.cli.etcd_results import restored
from kubeon.errors import OperationError
from kubeon.etcd.members import Member
from kubeon.etcd.quorum import Quorum
from kubeon.etcd.status import MemberStatus
from kubeon.operations import etcd, etcd_restore, etcd_snapshots
from kubeon.operations.base import Plan
from kubeon.operations.etcd import DefragResult, EtcdReport, MemberReport
from kubeon.operations.etcd_restore import RestoreResult
from kubeon.operations.etcd_snapshots import SnapshotResult
from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from kubeon.state.snapshots import write_snapshot
from tests.cli.conftest import Operations, Ran
from tests.golden import assert_golden
from tests.state.test_snapshots import CONTENT, about

Run = Callable[..., Ran]
NODES = [{"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}]


def a_status(number: int, **fields: Any) -> MemberStatus:
    """Of the member with this ID; the first one leads."""
    values = {"version": "3.4.13", "db_size": 3_100_000, "in_use": 1_200_000, "leader": 1, "term": 4, "index": 9731}
    return MemberStatus(**{"id": number, "applied": 9730, "revision": 8000, **values, **fields})


def a_member(number: int, *, healthy: bool = True) -> Member:
    """cpNUMBER."""
    urls = [(f"https://10.0.0.{number}:{port}",) for port in (2380, 2379)]
    return Member(number, f"cp{number}", urls[0], urls[1], healthy=healthy)


HEALTHY = EtcdReport(
    "demo",
    Quorum(3, 3),
    tuple(MemberReport(f"cp{n}", f"10.0.0.{n}", a_member(n), a_status(n, index=9732 - n)) for n in (1, 2, 3)),
)
LOST = EtcdReport(
    "demo",
    Quorum(3, 0),
    (
        MemberReport("cp1", "10.0.0.1", None, a_status(1, leader=0), "etcdserver: no leader"),
        MemberReport("cp2", "10.0.0.2", a_member(2, healthy=False), None, "cannot be reached by SSH"),
        MemberReport("cp3", "10.0.0.3", None, None, "cannot be reached by SSH"),
    ),
    ("etcd has lost its quorum", "alarm NOSPACE on cp1"),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, fake: Operations) -> Home:
    """A cluster is on record."""
    del fake
    found = Home(tmp_path / "k")
    spec = {"name": "demo", "version": "v1.34.2", "nodes": NODES, "networking": {"plugin": "none"}}
    found.cluster("demo").write_spec(build_spec(spec))
    return found


@pytest.mark.parametrize(("name", "report"), [("healthy", HEALTHY), ("lost", LOST)])
def test_how_etcd_is(name: str, report: EtcdReport, kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table and a verdict, or one object; the exit code says whether all is well."""
    monkeypatch.setattr(etcd, "etcd_report", lambda *_: report)

    ran, listed = kubeon("etcd", "status", "demo"), kubeon("etcd", "members", "demo")
    data = json.loads(kubeon("etcd", "status", "demo", "--output", "json").out)

    assert ran.code == (0 if report.healthy else 1)
    assert listed.code == 0
    assert_golden(f"{ran.out}\n{listed.out}", f"cli/etcd-{name}.txt")
    assert data["healthy"] is report.healthy
    assert [member["node"] for member in data["members"]] == ["cp1", "cp2", "cp3"]
    assert data["quorum"]["lost"] is not report.healthy


def test_without_a_name_it_is_the_current_cluster(kubeon: Run, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with all commands that only look; snapshots are not taken of a cluster that nobody named."""
    asked: list[str] = []

    def report(name: str, *_: Any) -> EtcdReport:
        asked.append(name)
        return HEALTHY

    monkeypatch.setattr(etcd, "etcd_report", report)
    home.use("demo")

    assert kubeon("etcd", "members").code == 0
    assert kubeon("etcd", "status").code == 0
    assert asked == ["demo", "demo"]
    assert kubeon("etcd", "snapshot", "save").code == 2
    assert kubeon("etcd", "defrag").code == 2
    assert kubeon("etcd", "status", "other").code == 6


def test_a_snapshot_is_saved(kubeon: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it holds and where it is; FILE is taken as seen from where one stands."""
    calls: list[dict[str, Any]] = []

    def take(name: str, *_: Any, **how: Any) -> SnapshotResult:
        calls.append({"name": name, **how})
        return SnapshotResult(about(Path("/backup/a.db")), (Path("/backup/old.db"),), 3.2, None)

    monkeypatch.setattr(etcd_snapshots, "take_snapshot", take)
    monkeypatch.chdir(tmp_path)

    ran = kubeon("etcd", "snapshot", "save", "demo", "--keep", "3")
    data = json.loads(kubeon("etcd", "snapshot", "save", "demo", "x.db", "--output", "json").out)

    assert_golden(ran.out, "cli/etcd-saved.txt")
    assert calls == [
        {"name": "demo", "file": None, "keep": 3},
        {"name": "demo", "file": tmp_path / "x.db", "keep": 0},
    ]
    assert (data["path"], data["revision"], data["pruned"]) == ("/backup/a.db", 4711, ["/backup/old.db"])


def test_snapshots_are_listed(kubeon: Run, home: Home) -> None:
    """Without asking any host; the command that makes one where there is none."""
    none = kubeon("etcd", "snapshot", "list", "demo")
    folder = home.cluster("demo").path / "snapshots"
    folder.mkdir()
    write_snapshot(folder / "a.db", CONTENT, about(folder / "a.db"))

    ran = kubeon("etcd", "snapshot", "list", "demo")
    data = json.loads(kubeon("etcd", "snapshot", "list", "demo", "--output", "json").out)

    assert "kubeon etcd snapshot save demo" in none.out
    assert "4711" in ran.out
    assert [each["revision"] for each in data["snapshots"]] == [4711]


def test_etcd_is_defragmented_after_a_yes(kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes before and after; --dry-run ends with the plan; an error is shown with its hint."""
    plan = Plan("defragment etcd of cluster demo", (), {"cp1": ("defragment 3.1 MB",)})

    def run(*given: Any, **_: Any) -> DefragResult:
        if not given[4](plan):
            return DefragResult("demo")
        return DefragResult("demo", (("cp1", 3_100_000, 1_200_000),), 4.0)

    monkeypatch.setattr(etcd, "defragment", run)

    ran, dry = kubeon("etcd", "defrag", "demo", "--yes"), kubeon("etcd", "defrag", "demo", "--dry-run")
    data = json.loads(kubeon("etcd", "defrag", "demo", "--yes", "--output", "json").out)

    assert "cp1   3.1 MB  1.2 MB" in ran.out
    assert dry.out.startswith("defragment etcd of cluster demo")
    assert data["members"] == [{"node": "cp1", "before": 3_100_000, "after": 1_200_000}]

    def fail(*_: Any, **__: Any) -> DefragResult:
        raise OperationError("cp2 of etcd does not answer", hint="kubeon etcd status demo")

    monkeypatch.setattr(etcd, "defragment", fail)
    failed = kubeon("etcd", "defrag", "demo", "--yes")
    assert failed.code == 1
    assert "kubeon etcd status demo" in failed.err


def test_a_restore_wants_the_clusters_name(kubeon: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Typed, or --yes; it ends with where the old data is and what to type next."""
    calls: list[dict[str, Any]] = []
    plan = Plan("restore etcd of cluster demo", (), {"cp1": ("restore etcd's data",)})

    def restore(*given: Any, **how: Any) -> RestoreResult:
        calls.append(how)
        if not given[4](plan):
            return RestoreResult("demo")
        old = {"cp1": "/var/lib/etcd.before-20260131T120000Z"}
        return RestoreResult("demo", ("cp1",), ("cp2", "cp3"), old, tmp_path / "a.db", 61.0)

    monkeypatch.setattr(etcd_restore, "restore_snapshot", restore)
    command = ("etcd", "snapshot", "restore", "demo", "--from-member", "cp1", "--dead", "@cp2", "--dead", "@cp3")

    asked, ran = kubeon(*command), kubeon(*command, "--yes")
    dry = kubeon(*command, "--dry-run")
    data = json.loads(
        kubeon("etcd", "snapshot", "restore", "demo", "/x.db", "--force", "--yes", "--output", "json").out
    )

    assert asked.code == 2
    assert "--yes" in asked.err
    assert_golden(ran.out, "cli/etcd-restored.txt")
    assert dry.out.startswith("restore etcd of cluster demo")
    assert {key: calls[0][key] for key in ("file", "member", "dead", "force")} == {
        "file": None,
        "member": "cp1",
        "dead": ("@cp2", "@cp3"),
        "force": False,
    }
    assert (calls[-1]["file"], calls[-1]["force"]) == (Path("/x.db"), True)
    assert (data["restored"], data["gone"]) == (["cp1"], ["cp2", "cp3"])
    _, text = restored(RestoreResult("demo", ("cp1",), todo="kubeon certs rotate-ca demo ca"))
    assert "Next:\n    kubeon certs rotate-ca demo ca    # the data is of before a rotation" in text
