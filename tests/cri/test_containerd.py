"""containerd's files by version and host, and the scripts."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from kubeon.cri import CRIS
from kubeon.cri.base import PresentImage, cgroup_driver
from kubeon.hosts.facts import Facts
from kubeon.spec.model import ClusterSpec
from tests.golden import assert_golden
from tests.specs import a_spec

IMAGES = ("registry.k8s.io/kube-proxy:v1.34.1", "registry.k8s.io/pause:3.10.1", "docker.io/flannel/flannel:v1")
CONTAINERD = CRIS["containerd"]


def files_of(spec: ClusterSpec, **facts: object) -> dict[str, str]:
    found = Facts(**{"init": "systemd", **facts})  # type: ignore[arg-type]
    return {file.path: file.content for file in CONTAINERD.files(spec, found, IMAGES)}


@pytest.mark.parametrize("name", CRIS)
def test_every_runtime_keeps_the_contract(name: str) -> None:
    """Registered under its name; writing its files again restarts nothing; what it writes and runs, destroy removes."""
    cri, spec = CRIS[name], a_spec()
    files = cri.files(spec, Facts(init="systemd"), IMAGES)

    assert cri.name == name
    assert cri.problems(spec) == ()
    assert cri.socket.startswith("unix:///")
    assert cri.restarts([]) == ()
    assert cri.restarts([file.path for file in files]) == (cri.unit,)
    remains = cri.remains()
    assert cri.unit in remains.units
    assert all(any(file.path.startswith(path) for path in remains.paths) for file in files)


@pytest.mark.parametrize(
    ("name", "version", "containerd", "facts"),
    [
        ("1.6-container-host", "v1.20.2", "1.6.20", {"restricted_oom": True}),
        ("1.7-no-systemd", "v1.31.0", None, {"init": "openrc"}),
        ("2.0", "v1.34.1", None, {}),
        ("2.3", "v1.36.0", None, {}),
    ],
)
def test_configuration(name: str, version: str, containerd: str | None, facts: dict[str, object]) -> None:
    """Generation 2 for containerd 1.x, 3 for 2.x; each is TOML."""
    spec = a_spec(version, components={"containerd": containerd})

    config = files_of(spec, **facts)["/etc/containerd/config.toml"]

    assert tomllib.loads(config)["version"] == (3 if name.startswith("2") else 2)
    assert_golden(config, f"cri/config-{name}.toml")


def test_a_registry_gets_a_hosts_file_for_each_upstream() -> None:
    """Also those of users' pods: the configured registry comes first, the upstream's own host is the fallback."""
    spec = a_spec(sources={"registry": "http://10.0.0.100:5000/mirror"})

    files = files_of(spec)

    names = [path for path in files if path.endswith("hosts.toml")]
    upstreams = ("docker.io", "ghcr.io", "quay.io", "registry.k8s.io")
    assert names == [f"/etc/containerd/certs.d/{upstream}/hosts.toml" for upstream in upstreams]
    assert_golden(files[names[0]], "cri/hosts-docker.io.toml")
    assert_golden(files[names[3]], "cri/hosts-registry.k8s.io.toml")


def test_without_a_registry_pulls_go_where_the_name_says() -> None:
    """No certs.d at all."""
    assert [path for path in files_of(a_spec()) if "certs.d" in path] == []


def test_certs_d_and_crictl_need_no_restart() -> None:
    """containerd reads certs.d at every pull."""
    paths = ["/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/crictl.yaml"]

    assert CONTAINERD.restarts(paths) == ()
    assert CONTAINERD.restarts([*paths, "/etc/containerd/config.toml"]) == ("containerd.service",)


def test_the_cgroup_driver_follows_process_1_unless_told() -> None:
    """And the spec has the last word."""
    cgroupfs = a_spec(runtime={"cgroupDriver": "cgroupfs"})

    assert cgroup_driver(a_spec(), Facts(init="systemd")) == "systemd"
    assert cgroup_driver(a_spec(), Facts(init="")) == "cgroupfs"
    assert cgroup_driver(cgroupfs, Facts(init="systemd")) == "cgroupfs"


@pytest.mark.parametrize(
    ("version", "containerd", "expected"),
    [("v1.34.1", "1.5.2", "too old"), ("v1.20.2", "2.0.0", "too new"), ("v1.34.1", "1.7.34", "")],
)
def test_versions_that_do_not_fit_are_problems(version: str, containerd: str, expected: str) -> None:
    """containerd 2 does not speak the CRI of old kubelets."""
    problems = CONTAINERD.problems(a_spec(version, components={"containerd": containerd}))

    assert expected in "".join(text for _, text in problems)
    assert bool(problems) == bool(expected)


def test_the_image_list_is_parsed() -> None:
    """As `ctr images ls | awk` printed it on containerd 1.6.20 and 2.1.9; digest names are left out."""
    output = (
        "k8s.gcr.io/etcd:3.4.13-0 sha256:5deb io.cri-containerd.image=managed\n"
        "k8s.gcr.io/kube-scheduler:v1.20.2 sha256:50a3 -\n"
        "k8s.gcr.io/pause:3.2 sha256:587d io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned\n"
        "sha256:0327 sha256:a1c2 io.cri-containerd.image=managed\n"
    )

    assert CONTAINERD.parse_images(output) == {
        "k8s.gcr.io/etcd:3.4.13-0": PresentImage("sha256:5deb", pinned=False),
        "k8s.gcr.io/kube-scheduler:v1.20.2": PresentImage("sha256:50a3", pinned=False),
        "k8s.gcr.io/pause:3.2": PresentImage("sha256:587d", pinned=True),
    }


def test_scripts_are_shell() -> None:
    """`sh -n` accepts them."""
    scripts = CONTAINERD.list_script() + CONTAINERD.import_script() + CONTAINERD.pin_script(IMAGES)

    assert subprocess.run(["sh", "-n"], input=scripts, text=True, check=False).returncode == 0
    assert scripts.count("io.cri-containerd.pinned=pinned") == len(IMAGES)


CTR = """#!/bin/sh
# Containers of kubelet's pods, as ctr shows them: of etcd one that has ended and one that runs.
echo "$*" >>"$CALLS"
case $* in
*"tasks ls")
    [ ! -e "$BUSY" ] || exit 1
    printf 'TASK PID STATUS\\nold 11 STOPPED\\nnow 12 RUNNING\\nnow2 13 RUNNING\\n' ;;
*"containers ls -q labels."*etcd-events*) ;;
*"containers ls -q labels."*slow*) printf 'gone\\nslow\\n' ;;
*'containers ls -q labels."io.kubernetes.container.name"==etcd') printf 'old\\nnow\\n' ;;
*"tasks exec"*) echo "inside" ;;
esac
"""


def run_with_ctr(script: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script with a ctr of the test's own, and what that was asked to do."""
    (folder / "ctr").write_text(CTR)
    (folder / "ctr").chmod(0o755)
    names = {"CALLS": str(folder / "calls"), "BUSY": str(folder / "busy")}
    script = script.replace("/run/containerd/", f"{folder}/")
    environment = os.environ | names | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=False, env=environment)
    calls = (folder / "calls").read_text().splitlines()
    return done, [call for call in calls if " ls" not in call]


def test_a_command_runs_inside_the_container_that_lives(tmp_path: Path) -> None:
    """Neither kubelet nor API are asked, and of a container that was restarted the dead one is not taken."""
    script = CONTAINERD.inside_script("etcd", ["etcdctl", "--endpoints", "https://127.0.0.1:2379", "a b"])

    done, (call,) = run_with_ctr(script, tmp_path)

    assert (done.returncode, done.stdout) == (0, "inside\n")
    assert re.fullmatch(
        r"-n k8s\.io tasks exec --exec-id kubeon-\d+-\d+ now etcdctl --endpoints https://127\.0\.0\.1:2379 a b", call
    )


def test_a_container_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    """And nothing is run elsewhere, as in one whose name is a part of it."""
    done, calls = run_with_ctr(CONTAINERD.inside_script("etcd-events", ["true"]), tmp_path)

    assert (done.returncode, done.stderr, calls) == (1, "no container etcd-events runs on this host\n", [])


def test_what_runs(tmp_path: Path) -> None:
    """A task that the list lacks, because its shim is slow, runs as long as it has its folder."""
    (tmp_path / "io.containerd.runtime.v2.task/k8s.io/slow").mkdir(parents=True)

    said = [run_with_ctr(f"{CONTAINERD.running_script()}running {name}\n", tmp_path)[0] for name in ("etcd", "slow")]

    assert [(each.returncode, each.stdout) for each in said] == [(0, "now\n"), (0, "slow\n")]


def test_a_runtime_that_does_not_say_is_an_error(tmp_path: Path) -> None:
    """Never an end of what was asked about."""
    (tmp_path / "busy").touch()
    scripts = (f"{CONTAINERD.running_script()}running etcd\n", CONTAINERD.stop_script("etcd"))

    assert [run_with_ctr(script, tmp_path)[0].returncode for script in scripts] == [1, 1]
    done, calls = run_with_ctr(CONTAINERD.inside_script("etcd", ["true"]), tmp_path)
    assert (done.returncode, calls, "no container" in done.stderr) == (1, [], False)


def test_a_container_is_asked_to_end(tmp_path: Path) -> None:
    """By SIGTERM, the running ones only; the kubelet starts them again."""
    done, calls = run_with_ctr(CONTAINERD.stop_script("etcd"), tmp_path)

    assert (done.returncode, calls) == (0, ["-n k8s.io tasks kill --signal SIGTERM now"])
    calls = run_with_ctr(CONTAINERD.stop_script("etcd", at_once=True), tmp_path)[1]
    assert calls[-1] == "-n k8s.io tasks kill --signal SIGKILL now"
    assert run_with_ctr(CONTAINERD.stop_script("etcd-events"), tmp_path)[0].returncode == 0
