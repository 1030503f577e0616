"""`kubeon certs`: flags to values, one call, the answer. What it does is tests/operations/test_certs.py."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kubeon.cluster.leaves import Wanted
from kubeon.operations import certs_renew, certs_rotate_ca, certs_show
from kubeon.operations.base import Plan
from kubeon.operations.certs_renew import RenewResult
from kubeon.operations.certs_rotate_ca import Pods, RotateResult
from kubeon.operations.certs_show import Inspection
from kubeon.operations.certs_show import Shown as ShownCertificate
from kubeon.pki.inspect import CertificateInfo
from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from tests.cli.conftest import Ran
from tests.golden import assert_golden

Run = Callable[..., Ran]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAN = Plan("renew certificates of cluster demo", (), {"cp1": ("renew apiserver: asked for",)})


@pytest.fixture(autouse=True)
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubeon: Run) -> dict[str, Any]:
    """A cluster on record, and operations that remember their arguments."""
    del kubeon
    nodes = [{"address": "10.0.0.1", "role": "control-plane", "name": "cp1"}]
    Home(tmp_path / "k").cluster("demo").write_spec(
        build_spec({"name": "demo", "version": "v1.34.2", "nodes": nodes, "networking": {"plugin": "none"}})
    )
    found: dict[str, Any] = {}

    def renew(name: str, *given: Any, **named: Any) -> RenewResult:
        found.update(named)
        if not given[3](PLAN):
            return RenewResult(name)
        return RenewResult(name, {"cp1": ("apiserver", "etcd-peer"), "w1": ("kubelet-client",)}, True, 61.0)

    def rotate(name: str, *given: Any, **named: Any) -> RotateResult:
        found.update(named)
        given[3](PLAN)
        if named["pods"].pause:
            return RotateResult(name, ("ca",), "issue", ("shop Deployment/web",), seconds=90.0)
        old = Path("/home/me/.kubeon/clusters/demo/pki-until-20260102T030405Z")
        return RotateResult(name, ("ca", "etcd-ca"), "", ("shop Deployment/web",), ("a b",), old, 300.0)

    monkeypatch.setattr(certs_renew, "renew", renew)
    monkeypatch.setattr(certs_rotate_ca, "rotate", rotate)
    monkeypatch.setattr(certs_show, "inspect", lambda *_, **named: an_inspection(**named))
    return found


def a_row(node: str, name: str, *, days: int = 400, **fields: Any) -> ShownCertificate:
    """A certificate."""
    info = CertificateInfo(
        *(f"CN={name}", name, (), ("10.0.0.1", "localhost"), "CN=kubernetes"),
        *(NOW - timedelta(days=1), NOW + timedelta(days=days), False, "f" * 64),
    )
    values: dict[str, Any] = {"kind": "certificate", "authority": "ca", "info": info}
    return ShownCertificate(node, name, f"/etc/kubernetes/pki/{name}.crt", **(values | fields))


def an_inspection(*, warn_days: int = 30, fit: bool = False) -> Inspection:
    """Three hundred workers, and things that are wrong."""
    rows = [a_row(f"w{number}", "kubelet-client", days=500) for number in range(1, 301)]
    rows += [a_row(f"cp{number}", "apiserver", served=True) for number in range(1, 4)]
    rows += [a_row("cp1", "ca", kind="authority"), ShownCertificate("cp1", "sa", "/etc/kubernetes/pki/sa.pub", "key")]
    if fit:
        return Inspection("demo", tuple(rows), {}, NOW, warn_days)
    rows += [a_row("cp2", "etcd-peer", days=12, authority="etcd-ca"), a_row("cp3", "etcd-peer", days=-3)]
    rows += [a_row("cp3", "kubelet-serving", served=False), a_row("w7", "kubelet-serving", authority="unknown")]
    rows.append(
        ShownCertificate("w9", "kubelet-serving", "/var/lib/kubelet/pki/kubelet.crt", "damaged", damage="no PEM")
    )
    return Inspection("demo", tuple(rows), {"w301": "w301: no route to host"}, NOW, warn_days)


def test_show_folds_what_is_alike(kubeon: Run) -> None:
    """Soonest expiry first; exit code 1 when anything is wrong."""
    ran = kubeon("certs", "show", "demo")

    assert_golden(ran.out, "cli/certs-show.txt")
    assert ran.code == 1


def test_show_details_and_for_programs(kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything, and exit code 0 where all is fit; the current cluster may go unnamed."""
    monkeypatch.setattr(certs_show, "inspect", lambda *_, **__: an_inspection(fit=True))
    kubeon("use", "demo")
    ran, details = kubeon("certs", "show", "--output", "json"), kubeon("certs", "show", "--details")

    value = json.loads(ran.out)
    assert (ran.code, details.code) == (0, 0)
    assert value["ok"]
    assert len(value["certificates"]) == 305
    assert value["certificates"][300] == {
        "node": "cp1",
        "name": "apiserver",
        "file": "/etc/kubernetes/pki/apiserver.crt",
        "kind": "certificate",
        "subject": "CN=apiserver",
        "names": ["10.0.0.1", "localhost"],
        "authority": "ca",
        "notBefore": "2026-01-01T03:04:05Z",
        "notAfter": "2027-02-06T03:04:05Z",
        "daysLeft": 400,
        "fingerprint": "f" * 64,
        "served": True,
        "problem": None,
    }
    assert (
        "cp1: apiserver\n    file       /etc/kubernetes/pki/apiserver.crt\n    subject    CN=apiserver\n" in details.out
    )
    assert "    names      10.0.0.1, localhost\n" in details.out


def test_renew_takes_names_and_settings(kubeon: Run, calls: dict[str, Any]) -> None:
    """kubeadm's names; none means what is due."""
    ran = kubeon("certs", "renew", "demo", "apiserver", "etcd-peer", "--san", "a.example.org", "--validity", "1y", "-y")
    assert_golden(ran.out, "cli/certs-renewed.txt")
    assert calls["wanted"] == Wanted(frozenset({"apiserver", "etcd-peer"}), every=True)
    assert (calls["sans"], calls["validity"]) == (("a.example.org",), "1y")

    kubeon("certs", "renew", "demo", "all", "-y")
    assert calls["wanted"] == Wanted(every=True)
    kubeon("certs", "renew", "demo", "--warn-days", "90", "-y")
    assert calls["wanted"] == Wanted(within=timedelta(days=90))


def test_a_dry_run_shows_the_plan_alone(kubeon: Run) -> None:
    """On standard output."""
    ran = kubeon("certs", "renew", "demo", "all", "--dry-run", "--output", "json")
    assert json.loads(ran.out)["plan"]["hosts"] == {"cp1": ["renew apiserver: asked for"]}


def test_wrong_names_are_told(kubeon: Run) -> None:
    """Before any host is asked."""
    ran = kubeon("certs", "renew", "demo", "apisever", "-y")
    assert ran.code == 2
    assert "did you mean apiserver?" in ran.err
    assert kubeon("certs", "rotate-ca", "demo", "etcd", "-y").code == 2
    assert kubeon("certs", "renew", "nobody", "-y").code == 6


def test_rotate_says_what_is_left_to_the_user(kubeon: Run, calls: dict[str, Any]) -> None:
    """Pods of theirs, and at a pause how it goes on."""
    paused = kubeon("certs", "rotate-ca", "demo", "ca", "--pause", "-y")
    assert (calls["what"], calls["pods"]) == (("ca",), Pods(pause=True))
    assert_golden(paused.out, "cli/certs-paused.txt")

    done = kubeon("certs", "rotate-ca", "demo", "--restart-pods", "-y")
    assert calls["pods"] == Pods(restart=True)
    assert_golden(done.out, "cli/certs-rotated.txt")
    assert json.loads(kubeon("certs", "rotate-ca", "demo", "-y", "--output", "json").out)["stage"] == "done"
