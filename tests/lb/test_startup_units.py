"""The units of systemd/apiserver-startup: in the right order, and harmless whatever becomes of them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kubeon import assets
from tests.lb.worker import SCRIPT

UNITS = ("apiserver-startup.service", "apiserver-return.service")


def settings(unit: str) -> dict[str, list[str]]:
    """Each "Section.Key" of a unit with its words."""
    section, found = "", dict[str, list[str]]()
    for line in assets.systemd(unit).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).extend(value.split())
    return found


def test_the_kubelet_comes_after_it_and_does_not_need_it() -> None:
    """An order only, on both sides: neither unit fails with the other."""
    unit = settings("apiserver-startup.service")

    assert unit["Unit.Before"] == ["kubelet.service"]
    assert not {"Unit.Requires", "Unit.RequiredBy", "Install.RequiredBy", "Unit.BindsTo"} & {*unit}
    assert unit["Install.WantedBy"] == ["multi-user.target"]
    assert "apiserver" not in assets.systemd("kubelet.service")


def test_it_waits_for_nothing_that_the_kubelet_does_not_wait_for() -> None:
    """And does not want network-online.target, which takes minutes on some hosts and is the kubelet's own affair."""
    unit, kubelet = settings("apiserver-startup.service"), settings("kubelet.service")

    assert "network-online.target" in kubelet["Unit.After"]
    assert {*unit["Unit.After"]} <= {*kubelet["Unit.After"], "network.target"}
    assert unit["Unit.Wants"] == ["apiserver-return.service"]


def test_boot_does_not_hang_on_it() -> None:
    """The script has bounds of its own; systemd's is the second."""
    unit = settings("apiserver-startup.service")

    assert (unit["Service.Type"], unit["Service.RemainAfterExit"]) == (["oneshot"], ["yes"])
    assert 5 < int(*unit["Service.TimeoutStartSec"]) <= 20


def test_the_way_back_holds_nobody_up_and_does_not_give_up() -> None:
    """In the background, after the first, as often as it takes; brought along by the first, not enabled."""
    unit = settings("apiserver-return.service")

    assert unit["Unit.After"] == ["apiserver-startup.service"]
    assert "Unit.Before" not in unit
    assert unit["Service.Restart"] == ["on-failure"]
    assert unit["Unit.StartLimitIntervalSec"] == ["0"]
    assert "Service.Type" not in unit
    assert not any(key.startswith("Install.") for key in unit)


def test_both_are_for_hosts_with_settings() -> None:
    """Those of a host that was cleaned halfway do nothing."""
    for name in UNITS:
        assert settings(name)["Unit.ConditionPathExists"] == ["/etc/kubernetes/apiserver-startup/settings"]


def test_systemd_has_no_complaint(tmp_path: Path) -> None:
    """With the kubelet's unit beside them: no unknown key, no cycle."""
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed")
    for name in (*UNITS, "kubelet.service"):
        text = assets.systemd(name).replace("/usr/local/lib/kubeon/apiserver-startup", str(SCRIPT))
        (tmp_path / name).write_text(text.replace("/usr/local/bin/kubelet", shutil.which("true") or "/bin/true"))
    units = [str(tmp_path / name) for name in (*UNITS, "kubelet.service")]

    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)

    # it reads the units of this machine, too, and may complain of those
    assert [line for line in done.stderr.splitlines() if "apiserver" in line or "kubelet" in line] == []
