"""Two clusters on one control machine: whatever is done to the one, the other is as it was, byte by byte."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.cluster.look import look
from kubeon.cluster.options import Options
from kubeon.errors import KubeonError
from kubeon.operations import base, forget, rename
from kubeon.pki.authorities import Authorities
from kubeon.transport.login import Target
from tests.fakes.world import World
from tests.specs import a_spec


class Pair:
    """Two worlds, one home, one kubeconfig; `other` is the current cluster."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, authorities: Authorities) -> None:
        nodes = [{"address": f"10.0.7.{n}", "role": "worker" if n > 1 else "control-plane"} for n in (1, 2)]
        self.other = World(a_spec(name="other", nodes=nodes), folder, monkeypatch, authorities)
        self.other.create()
        self.demo = World(a_spec(workers=2), folder, monkeypatch, authorities)

        def connect(target: Target) -> Any:
            return (self.other if target.address in self.other.machines else self.demo)._connect(target)

        monkeypatch.setattr(base, "look", partial(look, make=connect))
        self.demo.create()
        self.demo.home.use("other")

    def others(self) -> tuple[object, ...]:
        """All that belongs to the other one: its hosts, its record, its entries in the kubeconfig, that it is current.

        Both clusters have the same CAs here, so that only the name tells them apart.
        """
        folder = self.other.state.path
        files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        kubeconfig = yaml.safe_load(self.other.kubeconfig.read_text())
        entries = [
            each
            for kind in ("clusters", "users", "contexts")
            for each in kubeconfig[kind]
            if each["name"] in ("other", "other-admin")
        ]
        return (self.other.snapshot(), files, entries, self.other.home.current, len(self.other.connected))


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some_authorities: Authorities) -> Pair:
    """Both are up."""
    return Pair(tmp_path, monkeypatch, some_authorities)


def test_whatever_is_done_to_one_the_other_does_not_change(pair: Pair) -> None:
    """All operations one after the other, though `use` says the other one."""
    demo, before = pair.demo, pair.others()
    options = Options(secrets=demo.secrets, kubeconfig=demo.kubeconfig)
    yes = partial(demo._confirm, True)

    demo.create()
    demo.add({"address": "10.0.1.9", "role": "worker"})
    demo.delete("@w2")
    assert pair.others() == before
    rename.rename("demo", options, demo.home, demo.watcher, yes, new="prod")
    rename.rename("prod", options, demo.home, demo.watcher, yes, new="demo")
    assert pair.others() == before
    demo.spec = demo.home.known("demo")
    forgotten = forget.forget("demo", options, demo.home, yes)
    assert forgotten.description
    demo.create()
    demo.destroy()

    assert pair.others() == before
    assert demo.home.clusters() == ["other"]


def test_a_name_that_the_other_one_has_is_refused(pair: Pair) -> None:
    """Before anything is changed."""
    demo, before = pair.demo, pair.others()
    options = Options(secrets=demo.secrets, kubeconfig=demo.kubeconfig)

    with pytest.raises(KubeonError):
        rename.rename("demo", options, demo.home, demo.watcher, partial(demo._confirm, True), new="other")
    with pytest.raises(KubeonError):
        demo.delete("other@w1")

    assert pair.others() == before


def test_a_host_of_the_other_one_is_never_taken(pair: Pair) -> None:
    """Nor by add."""
    demo, before = pair.demo, pair.others()
    demo.machines["10.0.7.2"] = pair.other.machines["10.0.7.2"]

    with pytest.raises(KubeonError, match="preflight"):
        demo.add({"address": "10.0.7.2", "role": "worker"})

    assert pair.others()[:4] == before[:4]
