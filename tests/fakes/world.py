"""Everything around an operation: machines, their API, a file server, a control machine, and a user who says yes."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kubeon.bundle.catalogue import etcdutl
from kubeon.bundle.store import Store
from kubeon.cluster import etcd as etcd_room
from kubeon.cluster import membership, proxy_hosts, resolve, restarts
from kubeon.cluster.look import look
from kubeon.cluster.options import Options
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import ConnectError
from kubeon.kube import trusted
from kubeon.operations import (
    add,
    base,
    certs_renew,
    certs_rotate_ca,
    certs_show,
    cluster_info,
    create,
    delete,
    destroy,
    etcd,
    etcd_restore,
    etcd_snapshots,
    lb_switch,
    upgrade,
)
from kubeon.operations.base import CreateResult, DeleteResult, DestroyResult, Plan, UpgradeResult
from kubeon.operations.certs_renew import RenewResult
from kubeon.operations.certs_rotate_ca import Pods, RotateResult
from kubeon.operations.certs_show import Inspection
from kubeon.operations.cluster_info import ClusterInfo, asking
from kubeon.operations.lb_switch import SwitchResult
from kubeon.phases import (
    apply_load_balancer,
    join_nodes,
    load_balancer,
    mend_objects,
    renew_certificates,
    restore_etcd,
    switch_load_balancer,
    upgrade_control_plane,
    upgrade_node,
    verify_cluster,
)
from kubeon.pki.authorities import Authorities
from kubeon.spec.model import ClusterSpec, Role
from kubeon.state.home import Home
from kubeon.transport.login import Target
from kubeon.transport.secrets import Secrets
from tests.bundle.test_store import Server
from tests.engine.test_runner import Watcher
from tests.fakes.api import READY, FakeApi
from tests.fakes.connection import FakeConnection
from tests.fakes.machine import Machine
from tests.fakes.material import a_server_for, answers_for

PASSWORD = "hunter2-of-root"
# What is waited for on fakes is there at once, or never.
PATIENCE = (
    (apply_load_balancer, "AVAILABLE_WITHIN"),
    (etcd_room, "HEALTHY_WITHIN"),
    (join_nodes, "REGISTERED_WITHIN"),
    (load_balancer, "ANSWERS_WITHIN"),
    (membership, "SETTLES_WITHIN"),
    (mend_objects, "ANSWERS_WITHIN"),
    (restore_etcd, "ANSWERS_WITHIN"),
    (restore_etcd, "ETCD_WITHIN"),
    (restore_etcd, "READY_WITHIN"),
    (upgrade_control_plane, "ANSWERS_WITHIN"),
    (upgrade, "ANSWERS_WITHIN"),
    (switch_load_balancer, "ANSWERS_WITHIN"),
    (switch_load_balancer, "GONE_WITHIN"),
    (switch_load_balancer, "READY_WITHIN"),
    (certs_renew, "SETTLES_WITHIN"),
    (verify_cluster, "READY_WITHIN"),
    (verify_cluster, "PODS_WITHIN"),
)
# What is there at a second look or a later one, as an API server that is restarted, also on a machine that is busy.
MORE_PATIENCE = (
    (apply_load_balancer, "AVAILABLE_WITHIN"),
    (proxy_hosts, "STARTS_WITHIN"),
    (renew_certificates, "SERVED_WITHIN"),
    (restarts, "GONE_WITHIN"),
    (upgrade_node, "READY_WITHIN"),
    (upgrade_node, "UNCORDONED_WITHIN"),
    (restarts, "STARTS_WITHIN"),
    (restarts, "WHOLE_WITHIN"),
    (certs_rotate_ca, "WHOLE_WITHIN"),
    (trusted, "PUBLISHED_WITHIN"),
)


@dataclass
class Busy:
    """How many at once, of anything."""

    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        """While this runs there is one more."""
        with self.lock:
            self.now[what] += 1
            self.most[what] = max(self.most[what], self.now[what])
        try:
            yield
        finally:
            with self.lock:
                self.now[what] -= 1


class World:
    """Fakes for one cluster, put in place of SSH and of the network."""

    def __init__(
        self, spec: ClusterSpec, folder: Path, monkeypatch: pytest.MonkeyPatch, authorities: Authorities
    ) -> None:
        self.spec, self.api, self.home = spec, FakeApi(), Home(folder / "kubeon")
        self.kubeconfig = folder / "kubeconfig"
        self.secrets = Secrets(ssh_password=PASSWORD)
        self.server = a_server_for(spec)
        self.machines = {
            str(node.address): Machine(_name(node.role, str(node.address)), str(node.address), self.api)
            for node in spec.nodes
        }
        self.api.holders = self._holders
        self.watcher = Watcher()
        self.plans: list[Plan] = []
        self.connected: list[str] = []
        self.dead: set[str] = set()  # addresses
        monkeypatch.setattr(base, "look", partial(look, make=self._connect))
        monkeypatch.setattr(asking, "SSH", self._connect)
        for module in (resolve, etcd_snapshots):
            monkeypatch.setattr(module, "Store", partial(Store, transport=self.server))
        monkeypatch.setattr(resolve, "new_authorities", lambda *_: authorities)
        for module, name in PATIENCE:
            monkeypatch.setattr(module, name, 0.5)
        for module in (restarts, upgrade_node):
            monkeypatch.setattr(module, "SETTLED", 0)
        for module, name in MORE_PATIENCE:
            monkeypatch.setattr(module, name, 5.0)

    def __getitem__(self, name: str) -> Machine:
        return next(machine for machine in self.machines.values() if machine.name == name)

    @property
    def state(self) -> Any:
        """The cluster's record."""
        return self.home.cluster(self.spec.name)

    def create(self, spec: ClusterSpec | None = None, *, yes: bool = True, **how: Any) -> CreateResult:
        """`kubeon create`."""
        interrupt: Interrupt | None = how.pop("interrupt", None)
        self.watcher = Watcher()
        return create.create(
            spec or self.spec,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            interrupt=interrupt,
        )

    def add(self, *nodes: dict[str, Any], yes: bool = True, **how: Any) -> CreateResult:
        """`kubeon add`, of nodes as cluster.yaml has them."""
        self.watcher = Watcher()
        known = self.state.read_spec() or self.home.known(self.spec.name)
        mapping = known.model_dump(mode="json", by_alias=True)
        had = {str(node.address) for node in known.nodes}
        mapping["nodes"] += [node for node in nodes if node["address"] not in had]
        spec = ClusterSpec.model_validate(mapping)
        for node in spec.nodes:
            address = str(node.address)
            if address not in self.machines:
                self.machines[address] = Machine(node.name or _name(node.role, address), address, self.api)
        return add.add(
            spec,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            new=frozenset(node.address for node in spec.nodes if str(node.address) in {n["address"] for n in nodes}),
        )

    def delete(self, *selectors: str, yes: bool = True, **how: Any) -> DeleteResult:
        """`kubeon del`."""
        interrupt: Interrupt | None = how.pop("interrupt", None)
        self.watcher = Watcher()
        return delete.delete(
            self.spec.name,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            selectors=selectors,
            interrupt=interrupt,
        )

    @property
    def options(self) -> Options:
        """As given to every operation."""
        return Options(secrets=self.secrets, kubeconfig=self.kubeconfig)

    def etcd_report(self) -> etcd.EtcdReport:
        """`kubeon etcd status`."""
        return etcd.etcd_report(self.spec.name, self.options, self.home)

    def take_snapshot(self, **how: Any) -> etcd_snapshots.SnapshotResult:
        """`kubeon etcd snapshot save`."""
        self.watcher = Watcher()
        return etcd_snapshots.take_snapshot(self.spec.name, self.options, self.home, self.watcher, **how)

    def restore(self, file: Path | None = None, *, yes: bool = True, **how: Any) -> etcd_restore.RestoreResult:
        """`kubeon etcd snapshot restore`."""
        self.watcher = Watcher()
        confirm = partial(self._confirm, yes)
        return etcd_restore.restore_snapshot(
            self.spec.name, self.options, self.home, self.watcher, confirm, file=file, **how
        )

    def defragment(self) -> etcd.DefragResult:
        """`kubeon etcd defrag`."""
        self.watcher = Watcher()
        confirm = partial(self._confirm, True)
        return etcd.defragment(self.spec.name, self.options, self.home, self.watcher, confirm)

    def cluster_info(self, **how: Any) -> ClusterInfo:
        """`kubeon cluster-info`."""
        lookout = cluster_info.Lookout(
            self.spec.name, cluster_info.Options(self.secrets, **{"seconds": 60.0, **how}), self.home
        )
        try:
            return cluster_info.cluster_info(lookout)
        finally:
            lookout.close()

    def renew(self, *what: str, yes: bool = True, warn_days: int | None = None, **how: Any) -> RenewResult:
        """`kubeon certs renew`."""
        interrupt: Interrupt | None = how.pop("interrupt", None)
        self.watcher = Watcher()
        settings = {name: how.pop(name) for name in ("sans", "validity") if name in how}
        return certs_renew.renew(
            self.spec.name,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            wanted=certs_renew.wanted_certificates(what, warn_days=warn_days),
            interrupt=interrupt,
            **settings,
        )

    def rotate(self, *what: str, yes: bool = True, pods: Pods | None = None, **how: Any) -> RotateResult:
        """`kubeon certs rotate-ca`."""
        self.watcher = Watcher()
        return certs_rotate_ca.rotate(
            self.spec.name,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            what=what,
            pods=pods or Pods(),
        )

    def inspect(self, *, warn_days: int = 30) -> Inspection:
        """`kubeon certs show`."""
        options = Options(secrets=self.secrets, kubeconfig=self.kubeconfig)
        return certs_show.inspect(self.spec.name, options, self.home, warn_days=warn_days)

    def switch(self, mode: str, address: str | None = None, *, yes: bool = True, **how: Any) -> SwitchResult:
        """`kubeon lb switch`; the new way's material can be had from now on."""
        interrupt: Interrupt | None = how.pop("interrupt", None)
        self.watcher = Watcher()
        stored = self.state.read_spec() or self.spec
        way = stored.load_balancer.model_copy(update={"mode": mode, "address": address})
        spec = stored.model_copy(update={"load_balancer": way})
        self.offer(spec)
        return lb_switch.switch(
            spec,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            interrupt=interrupt,
        )

    def upgrade(self, version: str, *, yes: bool = True, **how: Any) -> UpgradeResult:
        """`kubeon upgrade`; the new version's material can be had from now on."""
        interrupt: Interrupt | None = how.pop("interrupt", None)
        self.watcher = Watcher()
        known: ClusterSpec = how.pop("spec", None) or self.state.read_spec() or self.spec
        spec = known.model_copy(update={"version": version})
        self.offer(spec)
        return upgrade.upgrade(
            spec,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, yes),
            interrupt=interrupt,
        )

    def offer(self, spec: ClusterSpec) -> None:
        """What this cluster needs can be had from now on."""
        for url, answer in a_server_for(spec).answers.items():
            self.server.answers.setdefault(url, answer)

    def without_etcdutl(self, version: str, *, elsewhere: bool = True) -> None:
        """etcd of this version runs from an image without etcdutl, which can be had `elsewhere`, or not."""
        self.api.etcd.version = version
        for machine in self.machines.values():
            machine.image_has_etcdutl = False
        if elsewhere:
            self.server.answers |= Server(answers_for(etcdutl(version, "amd64"))).answers

    def power_off(self, name: str) -> None:
        """The machine with this name is gone."""
        self.dead.add(self[name].address)
        self.api.etcd.stop(self[name].address)
        if name in self.api.nodes:
            self.api.nodes[name]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]

    def power_on(self, name: str) -> None:
        """It is back, with all that was on its disk."""
        machine = self[name]
        self.dead.discard(machine.address)
        self.api.etcd.start(machine.address)
        if name in self.api.nodes and machine.kubelet_runs:
            self.api.nodes[name]["status"]["conditions"] = [READY]

    def destroy(self, **how: Any) -> DestroyResult:
        """`kubeon destroy`."""
        self.watcher = Watcher()
        return destroy.destroy(
            self.spec.name,
            Options(secrets=self.secrets, kubeconfig=self.kubeconfig, **how),
            self.home,
            self.watcher,
            partial(self._confirm, True),
        )

    def ended(self, phase: str) -> dict[str, str]:
        """How a phase ended in the last operation, by host."""
        return {host: status.value for host, name, status in self.watcher.ended() if name == phase}

    def ended_by(self, host: str) -> list[str]:
        """The phases that a host has behind it."""
        return [phase for name, phase, _ in self.watcher.ended() if name == host]

    def changes(self) -> list[tuple[str, str]]:
        """(host, phase) of all that changed something in the last operation."""
        return [(host, phase) for host, phase, status in self.watcher.ended() if status.value == "changed"]

    def snapshot(self) -> tuple[object, ...]:
        """All machines' memories, and the API's."""
        machines = (each.snapshot() for each in self.machines.values())
        return (*machines, repr((self.api.nodes, self.api.applied)))

    def _holders(self, reference: str) -> set[str]:
        return {machine.name for machine in self.machines.values() if reference in machine.images}

    def _confirm(self, answer: bool, plan: Plan) -> bool:
        self.plans.append(plan)
        return answer

    def _connect(self, target: Target) -> Any:
        self.connected.append(target.address)
        if target.address in self.dead:
            raise ConnectError("no route to host", host=target.name)
        key = target.own_key
        own = key.with_suffix(".pub").read_text().strip() if key and key.exists() else ""
        return FakeConnection(self.machines[target.address], own_key=own, password=target.secrets.ssh_password)


def _name(role: Role, address: str) -> str:
    block, number = address.split(".")[-2:]
    return f"{'cp' if role is Role.CONTROL_PLANE else 'w'}{int(number) + 250 * (int(block) - (role is Role.WORKER))}"
