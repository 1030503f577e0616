"""No command for one cluster touches another, whatever `kubeon use` says."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from kubeon.cli import cli
from kubeon.spec.loading import build_spec
from kubeon.state.home import Home
from tests.cli.conftest import Operations, Ran
from tests.commands import commands_of

# They only look, or change nothing but this machine's own settings: without a name they mean the current cluster, or
# no cluster at all. Every other command wants to be told which cluster.
LOOK = {"list", "use", "kubeconfig", "history", "view components", "view support", "preflight", "schema", "completion"}
LOOK |= {"etcd members", "etcd status", "etcd snapshot list", "cluster-info", "certs show"}


def leaves(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words."""
    for name, command in commands_of(group):
        if isinstance(command, click.Group):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


COMMANDS = dict(leaves(cli))


def test_the_list_of_those_that_look_is_not_out_of_date() -> None:
    """A name in it is a command, and none of them asks before it begins, as those do that change a cluster."""
    assert set(COMMANDS) >= LOOK
    assert [name for name in LOOK if any(parameter.name == "yes" for parameter in COMMANDS[name].params)] == []


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - LOOK - {"create"}))
def test_a_command_that_changes_a_cluster_wants_its_name(name: str) -> None:
    """As its first argument; `use` is not asked."""
    arguments = [parameter for parameter in COMMANDS[name].params if isinstance(parameter, click.Argument)]

    assert arguments
    assert arguments[0].required


def test_create_takes_its_name_from_nowhere_else(fake: Operations, kubeon: Callable[..., Ran], tmp_path: Path) -> None:
    """Its name may stand in the file; without both it is an error, also where a cluster is the current one."""
    node = [{"address": "10.0.0.1", "role": "control-plane"}]
    home = Home(tmp_path / "k")
    home.cluster("demo").write_spec(build_spec({"name": "demo", "version": "v1.34.2", "nodes": node}))
    home.use("demo")

    assert kubeon("create", "--yes").code == 2
    assert kubeon("create", "-m", "10.0.0.9", "--yes").code == 2
    assert kubeon("destroy", "--yes").code == 2
    assert fake.calls == []
