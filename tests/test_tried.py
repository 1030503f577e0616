"""How the record of what was done on real hosts comes about."""

import json
from datetime import date
from pathlib import Path

import pytest

from kubeon.spec.loading import build_spec
from kubeon.spec.tried import parse_runs
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK
from tests import tried
from tests.lab import hosts

HOST = hosts.LabHost("a", "10.1.0.1", "debian-13")
OLD = """\
# what it is
- {release: v1.36.3, distribution: debian-13, architecture: amd64, runtime: containerd 2.3.7, network: bridge,
   load-balancer: haproxy, did: [create], when: 2026-11-29, commit: 'abc', by: hand}
- {release: v1.33.13, distribution: debian-12, architecture: amd64, runtime: containerd 2.3.7, network: bridge,
   load-balancer: haproxy, did: [create, add], when: 2026-11-29, commit: 'abc', by: hand}
"""


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where notes go."""
    path = tmp_path / "notes"
    monkeypatch.setenv("KUBEON_TRIED", str(path))
    monkeypatch.setattr(hosts, "known", lambda: [HOST])
    monkeypatch.setattr(tried, "machine_architecture", lambda: "amd64")
    return path


def brought_to(home: Path, version: str) -> None:
    """The cluster a has this version, and a journal."""
    state = Home(home).cluster("a")
    nodes = [{"address": HOST.address, "role": "control-plane", "name": "a"}]
    state.write_spec(build_spec({"name": "a", "version": version, "nodes": nodes}))
    state.journal.append("create", "ok", SYSTEM_CLOCK.now())


def test_what_ended_well_is_noted_and_goes_on_record(noted: Path, tmp_path: Path) -> None:
    """By the release that it was about; what was done by hand before gives way; a stamped release is none."""
    home, record = tmp_path / "home", tmp_path / "tried.yaml"
    record.write_text(OLD)
    brought_to(home, "v1.36.3")
    tried.note(home, ("create", "-f", "cluster.yaml", "--yes"))
    tried.note(home, ("add", "a", "-w", "10.1.0.2", "--dry-run"))
    tried.note(home, ("cluster-info", "a"))
    brought_to(home, "v1.37.2")
    tried.note(home, ("upgrade", "a", "v1.37.2"))
    tried.note(home, ("upgrade", "a", "v1.37.2", "--set", "components.runc=1.5.3"))
    tried.note(home, ("etcd", "snapshot", "save", "a"))
    brought_to(home, "v1.20.15")
    tried.note(home, ("upgrade", "a", "v1.20.15"))
    brought_to(home, "v1.37.2")
    tried.note(home, ("certs", "renew", "a", "all"))
    tried.note(home, ("destroy", "a", "--yes"))

    assert tried.main([str(noted), "--by", "check"], record) == 0

    runs = {run.release: run for run in parse_runs(record.read_text())}
    assert {name: run.did for name, run in runs.items()} == {
        "v1.33.13": ("create", "add"),
        "v1.36.3": ("create",),
        "v1.37.2": ("destroy", "certs renew", "etcd snapshot save", "upgrade from v1.36.3"),
    }
    assert (runs["v1.36.3"].by, runs["v1.33.13"].by, runs["v1.37.2"].distribution) == ("check", "hand", "debian-13")
    assert record.read_text().startswith("# what it is\n")
    before = record.read_text()
    tried.main([str(noted), "--by", "check"], record)
    assert record.read_text() == before


def test_without_a_place_nothing_is_noted(noted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are run by hand, too."""
    monkeypatch.delenv("KUBEON_TRIED")
    brought_to(tmp_path / "home", "v1.36.3")

    tried.note(tmp_path / "home", ("create", "a"))

    assert not noted.exists()


def test_a_note_that_is_none_of_ours_does_not_spoil_the_record(noted: Path, tmp_path: Path) -> None:
    """It is read back before it is written."""
    record = tmp_path / "tried.yaml"
    record.write_text(OLD)
    line = {"release": "v1.36.3", "distribution": "d", "architecture": "a", "runtime": "r", "network": "n"}
    noted.write_text(json.dumps({**line, "load-balancer": "l", "cluster": "c", "did": "something"}) + "\n")

    with pytest.raises(ValueError, match="something"):
        tried.main([str(noted)], record)
    assert record.read_text() == OLD
    assert date(2026, 11, 29) == parse_runs(OLD)[0].when
