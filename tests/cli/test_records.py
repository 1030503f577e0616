"""Commands about what this machine knows: use, list, history, kubeconfig, forget, rename, view, completion."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.bundle.catalogue import ARCHITECTURES
from kubeon.cni import CNIS
from kubeon.cri import CRIS
from kubeon.distros import FAMILIES
from kubeon.lb import LBS
from kubeon.operations import base
from kubeon.operations.rename import RenameResult
from kubeon.operations.view import State, supported
from kubeon.spec.loading import build_spec
from kubeon.spec.releases import table
from kubeon.spec.tried import tried
from kubeon.state.home import Home
from tests.cli.conftest import Ran
from tests.kube.test_kubeconfig import an_admin_conf

Run = Callable[..., Ran]
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, kubeon: Run) -> Home:
    """Two clusters on record; demo has a history."""
    del kubeon
    found = Home(tmp_path / "k")
    for number, name in enumerate(("demo", "other"), 1):
        nodes = [
            {"address": f"10.{number}.0.1", "role": "control-plane", "name": f"{name}-cp"},
            {"address": f"10.{number}.0.2", "role": "worker", "name": f"{name}-w"},
        ]
        state = found.cluster(name)
        state.write_spec(build_spec({"name": name, "version": "v1.34.2", "nodes": nodes}))
        state.write_admin_conf(an_admin_conf())
    state = found.cluster("demo")
    for hours, result in enumerate(("ok", "failed")):
        log = state.new_log("add", NOW + timedelta(hours=hours))
        log.write_text(f"log of {result}\n")
        words = ("kubeon", "add", "demo", "-w", f"10.1.0.{hours + 3}")
        when = NOW + timedelta(hours=hours)
        state.journal.append("add", "begun", when, run=log.stem, words=words)
        state.journal.append(
            *("add", "changed", when), phase="join-workers", host="w3", seconds=4, changes=["joined"], run=log.stem
        )
        state.journal.append("add", result, when, seconds=65, error="no\nway" * (hours > 0), run=log.stem)
    return found


def test_the_current_cluster_is_said_set_and_unset(home: Home, kubeon: Run) -> None:
    """And an unknown one is refused."""
    assert kubeon("use").out == "no cluster is the current one\n"
    assert kubeon("use", "demo").out == "demo\n"
    assert json.loads(kubeon("use", "--output", "json").out) == {"current": "demo"}
    unknown = kubeon("use", "nobody")
    assert (unknown.code, "clusters known here: demo, other" in unknown.err) == (6, True)
    assert kubeon("use", "demo", "--none").code == 2
    assert home.current == "demo"
    assert json.loads(kubeon("use", "--none", "--output", "json").out) == {"current": None}
    assert home.current is None


def test_clusters_are_listed_without_asking_hosts(home: Home, kubeon: Run) -> None:
    """Name, version, nodes, endpoint, state, last operation; `ls` is the same."""
    home.use("demo")

    shown = kubeon("list").out
    data = json.loads(kubeon("ls", "--output", "json").out)["clusters"]

    lines = shown.splitlines()
    assert lines[1].split()[:6] == ["*", "demo", "v1.34.2", "1+1", "apiserver.cluster.local:6443", "ready"]
    assert lines[1].endswith("add 2026-01-31 13:00 failed")
    assert lines[2].split() == ["other", "v1.34.2", "1+1", "apiserver.cluster.local:6443", "ready"]
    assert [(each["name"], each["current"], each["state"]) for each in data] == [
        ("demo", True, "ready"),
        ("other", False, "ready"),
    ]
    assert (data[0]["controlPlanes"], data[0]["workers"], data[1]["last"]) == (1, 1, None)
    assert data[0]["last"]["result"] == "failed"


def test_a_list_says_what_is_unfinished_busy_or_damaged(home: Home, kubeon: Run) -> None:
    """And what to type; one damaged record hides no other."""
    spec = home.known("demo")
    home.cluster("demo").write_proposed(spec)
    home.cluster("begun").write_proposed(spec.model_copy(update={"name": "begun"}))
    home.cluster("moving").write_spec(spec.model_copy(update={"name": "moving"}))
    home.cluster("moving").write_renaming(("moving", "moved"))
    (home.cluster("other").path / "cluster.yaml").write_text("name: [")

    with home.cluster("moving").lock("add", NOW):
        busy = {one["name"]: one for one in json.loads(kubeon("list", "--output", "json").out)["clusters"]}
    found = {one["name"]: one for one in json.loads(kubeon("list", "--output", "json").out)["clusters"]}

    assert busy["moving"]["state"] == "busy"
    assert f"process {os.getpid()}" in busy["moving"]["detail"]
    assert {name: one["state"] for name, one in found.items()} == {
        "demo": "unfinished",
        "begun": "unfinished",
        "moving": "unfinished",
        "other": "damaged",
    }
    assert found["begun"]["detail"] == "cluster begun is not finished; finish it: kubeon create begun"
    assert found["moving"]["detail"].endswith("is not finished; finish it: kubeon rename moving moved")
    assert found["demo"]["detail"].endswith("is not finished; finish it: kubeon create demo")
    assert "other: " in kubeon("list").out


def test_an_empty_list_says_what_to_type(kubeon: Run) -> None:
    """Both ways to a cluster."""
    assert "kubeon create" in kubeon("list").out
    assert json.loads(kubeon("list", "--output", "json").out) == {"clusters": []}


def test_history_lists_operations_and_shows_one(home: Home, kubeon: Run) -> None:
    """With the command line; by number, the last one, its log."""
    home.use("demo")

    table = kubeon("history", "demo").out.splitlines()
    data = json.loads(kubeon("history", "--output", "json", "--limit", "1").out)
    one = json.loads(kubeon("history", "demo", "1", "--output", "json").out)
    same = json.loads(kubeon("history", "1", "--output", "json").out)
    last = kubeon("history", "demo", "--last").out
    log = kubeon("history", "demo", "2", "--log").out

    assert table[1].split()[:3] == ["1", "2026-01-31", "12:00"]
    assert table[1].endswith("kubeon add demo -w 10.1.0.3")
    assert [each["number"] for each in data["operations"]] == [2]
    assert data["operations"][0]["error"] == "no\nway"
    assert one == same
    assert (one["result"], one["seconds"], one["command"][1]) == ("ok", 65.0, "add")
    assert one["phases"] == [
        {
            "host": "w3",
            "phase": "join-workers",
            "status": "changed",
            "seconds": 4.0,
            "changes": ["joined"],
            "error": "",
        }
    ]
    assert "failed after 65" in last or "failed after 1m" in last
    assert "w3:\n    join-workers" in last
    assert log == "log of failed\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [(("demo", "9"), 2), (("demo", "1", "--last"), 2), (("other", "--last"), 2), (("nobody",), 6), ((), 2)],
)
def test_history_refuses_what_is_not_there(words: tuple[str, ...], code: int, home: Home, kubeon: Run) -> None:
    """With a hint."""
    del home
    assert kubeon("history", *words).code == code


def test_a_log_that_is_gone_is_an_error(home: Home, kubeon: Run) -> None:
    """Somebody tidied up."""
    for path in home.cluster("demo").logs():
        path.unlink()

    assert kubeon("history", "demo", "--last", "--log").code == 6
    assert kubeon("history", "demo", "--last").code == 0


def test_a_kubeconfig_is_printed_or_merged(home: Home, kubeon: Run, tmp_path: Path) -> None:
    """Under the cluster's own names, and with a server that a user can reach."""
    home.use("demo")
    path = tmp_path / "mine"

    printed = yaml.safe_load(kubeon("kubeconfig").out)
    data = json.loads(kubeon("kubeconfig", "other", "--output", "json").out)
    merged = kubeon("kubeconfig", "other", "--merge", "--kubeconfig", str(path))
    again = json.loads(kubeon("kubeconfig", "other", "--merge", "--kubeconfig", str(path), "--output", "json").out)
    kubeon("kubeconfig", "demo", "--merge", "--use-context", "--kubeconfig", str(path))

    assert printed["current-context"] == "demo"
    assert printed["clusters"][0]["cluster"]["server"] == "https://10.1.0.1:6443"
    assert (data["server"], yaml.safe_load(data["kubeconfig"])["current-context"]) == ("https://10.2.0.1:6443", "other")
    assert "kubectl --context other" in merged.out
    assert (again["path"], again["changed"]) == (str(path), False)
    assert yaml.safe_load(path.read_text())["current-context"] == "demo"
    assert kubeon("kubeconfig", "demo", "--use-context").code == 2


def test_forget_asks_and_says_where_things_are(home: Home, kubeon: Run) -> None:
    """Without a terminal it wants --yes; --dry-run shows."""
    asked = kubeon("forget", "demo")
    shown = kubeon("forget", "demo", "--dry-run").out
    assert asked.code == 2
    assert "/etc/kubernetes/pki: demo-cp (10.1.0.1)" in shown
    assert home.clusters() == ["demo", "other"]

    done = kubeon("forget", "demo", "--yes", "--keep-kubeconfig")

    assert done.code == 0
    assert f"kubeon create -f {home.path}/forgotten/demo.yaml" in done.out
    assert home.clusters() == ["other"]


def test_rename_hands_both_names_on(home: Home, kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what came of it."""
    calls: list[dict[str, Any]] = []

    def rename(name: str, *_: object, new: str, **__: object) -> RenameResult:
        calls.append({"name": name, "new": new})
        return RenameResult(new, name, ("cp1",), 3.0)

    del home
    monkeypatch.setattr("kubeon.operations.rename.rename", rename)

    done = kubeon("rename", "demo", "prod", "--yes", "--output", "json")

    assert calls == [{"name": "demo", "new": "prod"}]
    assert json.loads(done.out) == {"cluster": "prod", "was": "demo", "hosts": ["cp1"], "seconds": 3.0}


def test_adopt_hands_on_what_is_said_of_the_cluster(kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes, logins, sources, any field; without a control plane nobody could be asked."""
    calls: list[dict[str, Any]] = []

    def adopt(name: str, *_: object, given: dict[str, Any], **__: object) -> base.CreateResult:
        calls.append({"name": name, **given})
        node = base.NodeResult("cp1", "10.0.0.1", "control-plane", "v1.20.2", ready=True)
        return base.CreateResult(name, len(calls) == 1, (node,), 3.0)

    monkeypatch.setattr("kubeon.operations.adopt.adopt", adopt)
    words = ("adopt", "demo", "-m", "10.0.0.1", "-w", "admin@10.0.0.2:2222", "--user", "operator", "--yes")
    more = ("--registry", "r.example.org", "--set", "components.runc=1.1.5")

    done = kubeon(*words, *more)
    again = kubeon(*words, "--output", "json")
    nobody = kubeon("adopt", "demo", "-w", "10.0.0.2", "--yes")

    assert calls[0] == {
        "name": "demo",
        "nodes": [
            {"address": "10.0.0.1", "role": "control-plane"},
            {"address": "10.0.0.2", "role": "worker", "ssh": {"user": "admin", "port": 2222}},
        ],
        "ssh": {"user": "operator"},
        "sources": {"registry": "r.example.org"},
        "components": {"runc": "1.1.5"},
    }
    assert "Cluster demo is adopted (3.0s)." in done.out
    assert "kubeon add demo -w ADDRESS" in done.out
    assert json.loads(again.out)["changed"] is False
    assert (nobody.code, "kubeon adopt demo -m ADDRESS" in nobody.err) == (2, True)


def test_the_command_line_goes_into_the_journal(home: Home, kubeon: Run, fake: Any) -> None:
    """So that history says what was typed."""
    kubeon("destroy", "demo", "--yes", "--no-kubeconfig")

    assert fake.last["options"].words == ("kubeon", "destroy", "demo", "--yes", "--no-kubeconfig")
    assert home.clusters()


def test_components_of_a_release(kubeon: Run) -> None:
    """Versions, images, files; a newer release than the table says so; what is none is refused."""
    data = json.loads(kubeon("view", "components", "v1.34.2", "--arch", "arm64", "--output", "json").out)
    newer = kubeon("view", "components", "v1.99.0-beta.0").out
    old = kubeon("view", "components", "v1.19.0")
    newest = json.loads(kubeon("view", "components", "--output", "json").out)

    assert data["kubeadmApi"] == "v1beta4"
    assert {"containerd", "runc", "cniPlugins", "crictl", "etcd", "coredns", "pause"} < set(data["components"])
    assert "registry.k8s.io/kube-apiserver:v1.34.2" in data["images"]
    assert f"registry.k8s.io/etcd:{data['components']['etcd']}" in data["images"]
    assert all("arm64" in file["url"] and file["checksumUrl"] for file in data["files"])
    assert [name.rpartition("/")[2].partition(":")[0] for name in data["loadBalancerImages"]] == ["haproxy", "python"]
    assert data["containerdSupportEnds"] == "2027-03"
    assert "newer than this kubeon" in newer
    assert "these components is unknown" in newer
    assert (newest["version"], newest["known"]) == (str(table().newest), True)
    assert old.code == 2
    assert "too old" in old.err


def test_support_comes_from_the_registries_and_nothing_seen_is_made_up(kubeon: Run) -> None:
    """Every plug-in is there, and every run on record is of things that exist."""
    found = supported()
    names: dict[str, set[str]] = {}
    for one in found:
        names.setdefault(one.kind, set()).add(one.name)

    assert names["network"] == set(CNIS)
    assert names["load-balancer"] == set(LBS)
    assert (names["runtime"], names["os"], names["architecture"]) == (set(CRIS), set(FAMILIES), set(ARCHITECTURES))
    for kind in names:
        assert {run for one in found if one.kind == kind for run in one.runs} == set(tried()), kind
    assert all((one.state is State.SEEN) == bool(one.runs) for one in found)
    assert [one.name for one in found if one.state is State.UNKNOWN] == [f"v1.{table().newest.minor + 1} and newer"]
    assert "unknown with v1.37" in next(one.note for one in found if one.name == "calico")
    assert "v1.20 " in kubeon("view", "support").out
    shown = json.loads(kubeon("view", "support", "--output", "json").out)["supported"]
    assert {run["release"] for one in shown for run in one["seen"]} == {run.release for run in tried()}


COMPLETES = """\
import os, sys
from kubeon.cli import main
for words in sys.argv[1:]:
    os.environ |= {"COMP_WORDS": words.replace(" ", "\\n"), "COMP_CWORD": str(words.count(" "))}
    try:
        main([])
    except SystemExit as end:
        print("exit", end.code, flush=True)
"""


def completed(home: Home, *lines: str) -> list[list[str]]:
    """What bash is offered at the end of each command line; one process for all, since to start takes a second."""
    environment = os.environ | {"KUBEON_HOME": str(home.path), "_KUBEON_COMPLETE": "bash_complete"}
    words = [sys.executable, "-c", COMPLETES, *lines]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    *answers, rest = done.stdout.split("exit 0\n")
    assert rest == ""
    return [[line.removeprefix("plain,") for line in answer.splitlines()] for answer in answers]


def test_a_shell_completes_commands_clusters_and_selectors(home: Home) -> None:
    """Out of the record, by a process of its own; another cluster's damage is no matter."""
    home.cluster("broken").ensure()
    (home.cluster("broken").path / "cluster.yaml").write_text("name: [")

    expected = {
        "kubeon his": ["history"],
        "kubeon history d": ["demo"],
        "kubeon rename ": ["demo", "other"],
        "kubeon view comp": ["components"],
        "kubeon del demo @": ["@all", "@cp*", "@w*", "@demo-cp", "@demo-w"],
        "kubeon del demo @demo-": ["@demo-cp", "@demo-w"],
        "kubeon del demo other@o": ["other@other-cp", "other@other-w"],
        "kubeon history --la": ["--last"],
    }
    found = dict(zip(expected, completed(home, *expected), strict=True))
    assert {line: [each for each in offered if each != "broken"] for line, offered in found.items()} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(shell: str, kubeon: Run) -> None:
    """For the shells that click knows."""
    done = kubeon("completion", shell)

    assert done.code == 0
    assert "_KUBEON_COMPLETE" in done.out


def test_bash_takes_the_script_and_does_not_split_selectors() -> None:
    """The word `demo@w1` is one to a completion."""
    script = subprocess.run([sys.executable, "-m", "kubeon", "completion", "bash"], capture_output=True, check=True)
    check = script.stdout + b"\ncomplete -p kubeon; case $COMP_WORDBREAKS in *@*) exit 1 ;; esac\n"
    done = subprocess.run(["bash", "--norc", "-i"], input=check, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert b"-F _kubeon_completion kubeon" in done.stdout
