"""`rename` and `forget` on fakes: what hosts bear, what this machine keeps, cut off anywhere and repeated."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.cluster.options import Options
from kubeon.errors import ConnectError, HostError, KubeonError, PreflightError, StateError, UsageError
from kubeon.hosts.marks import MARKER
from kubeon.operations import forget
from kubeon.operations import rename as operation
from kubeon.operations.rename import RenameResult
from kubeon.state.history import history
from tests.conftest import MakeWorld
from tests.engine.test_runner import Watcher
from tests.fakes.world import World


def rename(here: World, old: str = "demo", new: str = "prod", *, yes: bool = True, **how: Any) -> RenameResult:
    """`kubeon rename`."""
    here.watcher = Watcher()
    options = Options(secrets=here.secrets, kubeconfig=here.kubeconfig, **how)
    return operation.rename(old, options, here.home, here.watcher, partial(here._confirm, yes), new=new)


def made(world: MakeWorld) -> World:
    """A cluster that is the current one."""
    here = world(control_planes=1, workers=2)
    here.create()
    here.home.use("demo")
    return here


def contexts(path: Path) -> dict[str, Any]:
    """The user's kubeconfig: context names, and the current one."""
    found = yaml.safe_load(path.read_text())
    return {
        "contexts": {each["name"]: each["context"]["user"] for each in found["contexts"]},
        "current": found["current-context"],
    }


def check(here: World) -> None:
    """Nothing bears the old name any more, and the record is whole."""
    for machine in here.machines.values():
        assert machine.files[MARKER][0].startswith("prod ")
        blocks = [call for call in machine.settings if call.startswith("ensure_hosts_block")]
        assert [call.split()[1] for call in blocks] == ["prod"]
        assert "apiserver.cluster.local" in blocks[0]
    assert here.home.clusters() == ["prod"]
    assert here.home.current == "prod"
    assert contexts(here.kubeconfig) == {"contexts": {"prod": "prod-admin"}, "current": "prod"}
    assert [path.name for path in (here.home.path / "clusters").iterdir()] == ["prod"]
    state = here.home.cluster("prod")
    assert state.read_pki()
    assert state.key.exists()
    assert state.renaming is None
    spec = state.read_spec()
    assert spec is not None
    here.spec = spec


def test_a_cluster_gets_another_name(world: MakeWorld) -> None:
    """On its hosts, in the record, in the kubeconfig; its history goes with it."""
    here = made(world)
    keys = {name: machine.keys for name, machine in here.machines.items()}

    result = rename(here)

    assert result.hosts == ("cp1", "w1", "w2")
    check(here)
    assert {name: machine.keys for name, machine in here.machines.items()} == keys
    assert [(one.operation, one.result) for one in history(here.state)] == [("create", "ok"), ("rename", "ok")]
    with pytest.raises(StateError, match="there is no cluster demo"):
        rename(here)


def test_afterwards_it_is_a_cluster_like_any_other(world: MakeWorld) -> None:
    """create changes nothing, add adds, destroy leaves nothing behind."""
    here = made(world)
    rename(here)
    check(here)

    assert not here.create().changed
    here.add({"address": "10.0.1.9", "role": "worker"})
    here.destroy()

    assert all(not machine.files and not machine.settings for machine in here.machines.values())
    assert here.home.clusters() == []


@pytest.mark.parametrize("token", ["setting", "file"])
@pytest.mark.parametrize("name", ["cp1", "w2"])
def test_cut_off_on_a_host_it_is_finished_by_the_same_command(token: str, name: str, world: MakeWorld) -> None:
    """Meanwhile no other operation begins, and the error says what to type."""
    here = made(world)
    here[name].cuts.add(token)

    with pytest.raises(HostError):
        rename(here)
    with pytest.raises(StateError, match="is not finished") as refused:
        here.destroy()

    assert refused.value.hint == "finish it: kubeon rename demo prod"
    rename(here)
    check(here)


STEPS = ("copy_record", "write_renamed", "_finish_here")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_off_on_this_machine_too(step: str, after: bool, world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after any of its steps."""
    here = made(world)
    real = getattr(operation, step)

    def cut(*given: Any) -> None:
        if after:
            real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(operation, step, cut)
        with pytest.raises(KeyboardInterrupt):
            rename(here)

    if not (step == "_finish_here" and after):  # that was the end
        rename(here)
    check(here)


def test_the_last_step_alone_is_finished_too(world: MakeWorld) -> None:
    """The old record is gone, and the note is still there."""
    here = made(world)
    rename(here)
    here.home.cluster("prod").write_renaming(("demo", "prod"))

    rename(here)

    check(here)


def test_what_is_refused_changes_nothing(world: MakeWorld) -> None:
    """A name that is taken, its own, a host that is down, an unknown cluster, a kubeconfig that has the name."""
    here = made(world)
    before = here.snapshot()
    text = here.kubeconfig.read_text()

    with pytest.raises(UsageError):
        rename(here, "demo", "demo")
    with pytest.raises(StateError, match="cannot be the name"):
        rename(here, "demo", "De_mo")
    with pytest.raises(StateError, match="there is no cluster other"):
        rename(here, "other", "prod")
    here.home.cluster("taken").write_spec(here.spec.model_copy(update={"name": "taken"}))
    with pytest.raises(StateError, match="there is a cluster taken already"):
        rename(here, "demo", "taken")
    here.dead.add(here["w1"].address)
    with pytest.raises(PreflightError, match="cannot be reached"):
        rename(here)
    here.dead.clear()
    foreign = yaml.safe_load(text)
    foreign["contexts"].append({"name": "prod", "context": {"cluster": "x", "user": "y"}})
    here.kubeconfig.write_text(yaml.safe_dump(foreign))
    with pytest.raises(StateError, match="context 'prod'"):
        rename(here)
    here.kubeconfig.write_text(text)
    rename(here, yes=False)
    rename(here, yes=False, dry_run=True)

    assert here.snapshot() == before
    assert here.home.clusters() == ["demo", "taken"]
    assert not (here.home.path / "clusters" / "prod").exists()


def test_a_host_that_is_another_clusters_now_is_left_alone(world: MakeWorld) -> None:
    """It is named in the plan."""
    here = made(world)
    here["w2"].files[MARKER] = ("other 0123\n", "644")

    result = rename(here)

    assert result.hosts == ("cp1", "w1")
    assert here["w2"].files[MARKER][0] == "other 0123\n"
    assert [finding.host for finding in here.plans[-1].warnings] == ["w2"]


def test_forget_touches_no_host_and_create_takes_it_up_again(world: MakeWorld) -> None:
    """The record goes, with the keys; the description stays, and is enough."""
    here = made(world)
    before, connected = here.snapshot(), len(here.connected)
    options = Options(kubeconfig=here.kubeconfig)
    (here.state.path / "snapshots").mkdir()
    (here.state.path / "snapshots" / "1.db").write_text("all objects")

    result = forget.forget("demo", options, here.home, partial(here._confirm, True))

    assert len(here.connected) == connected
    assert here.snapshot() == before
    assert here.home.clusters() == []
    assert here.home.current is None
    assert contexts(here.kubeconfig) == {"contexts": {}, "current": ""}
    assert result.description is not None
    assert "10.0.1.2" in result.description.read_text()
    assert result.snapshots is not None
    assert (result.snapshots / "1.db").read_text() == "all objects"
    shown = "\n".join(here.plans[-1].header)
    assert "/etc/kubernetes/pki" in shown
    here.create()
    assert here.home.clusters() == ["demo"]
    assert not any(changed for _, changed in here.changes() if changed != "authorize-key")


def test_forget_that_is_declined_forgets_nothing(world: MakeWorld) -> None:
    """Nor what is not known."""
    here = made(world)

    result = forget.forget("demo", Options(), here.home, partial(here._confirm, False))

    assert result.description is None
    assert here.home.clusters() == ["demo"]
    with pytest.raises(StateError, match="there is no cluster other"):
        forget.forget("other", Options(), here.home, partial(here._confirm, True))


def test_errors_of_hosts_are_kubeons(world: MakeWorld) -> None:
    """A lost connection is told with its host."""
    here = made(world)
    here["w1"].cuts.add("setting")

    with pytest.raises(KubeonError) as caught:
        rename(here)

    assert isinstance(caught.value, ConnectError)
    assert caught.value.host == "w1"
