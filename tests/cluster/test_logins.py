"""Ways to log in, on one cluster of a Debian 12 control plane and a Debian 13 worker. The tests go in order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.conftest import Up, control_machine
from tests.cluster.driver import VERSION, Kubeon, kubectl, nodes, sources
from tests.lab import base, hosts, machine, network
from tests.lab.hosts import LabHost

pytestmark = pytest.mark.lab

HOME = "/home/operator"


@dataclass
class Sigma:
    """The cluster of this module, and what an operator's home was before."""

    kubeon: Kubeon
    hosts: list[LabHost]
    outside: LabHost  # a host that is no member
    homes: list[str] = field(repr=False)
    packages: list[set[str]] = field(repr=False)

    def create(self, *words: str) -> list[str]:
        """The command that makes it, logging in as `operator`."""
        wanted = nodes(self.hosts[:1], self.hosts[1:])
        return ["create", "sigma", VERSION, *wanted, *sources(), "--user", "operator", "--yes", *words]


@pytest.fixture(scope="module")
def sigma(up: Up, module_kubeon: Kubeon) -> Sigma:
    """Hosts on which root logs in by the lab's key only, and a control machine that has a password of `operator`."""
    cp, outside = up("s1", "s3")
    (worker,) = up("s2", base="debian-13")
    module_kubeon.password = base.OPERATOR_PASSWORD
    return Sigma(
        module_kubeon,
        [cp, worker],
        outside,
        [home(host) for host in (cp, worker)],
        [packages(host) for host in (cp, worker)],
    )


def test_operator_by_password_and_sudo_password(sigma: Sigma, tmp_path: Path) -> None:
    """A user who is not root makes a cluster; two releases of Debian are in it."""
    secret = tmp_path / "sudo"
    secret.write_text(f"{base.OPERATOR_PASSWORD}\n")

    sigma.kubeon.ok(*sigma.create("--sudo-password-file", str(secret)))

    items = json.loads(kubectl(sigma.hosts[0], "get nodes -o json"))["items"]
    ready = {
        i["metadata"]["name"]: [c["status"] for c in i["status"]["conditions"] if c["type"] == "Ready"] for i in items
    }
    systems = {item["metadata"]["name"]: item["status"]["nodeInfo"]["osImage"] for item in items}
    assert ready == {"s1": ["True"], "s2": ["True"]}
    assert "12" in systems["s1"]
    assert "13" in systems["s2"]
    # what was added for the operator is the operator's
    assert hosts.ssh(sigma.hosts[0], f"find {HOME} ! -user operator").stdout == ""


def test_no_password_is_needed_again(sigma: Sigma) -> None:
    """The first login installed a key of the cluster's own; only sudo asks for its password."""
    sigma.kubeon.password = None
    sigma.kubeon.environment["KUBEON_SUDO_PASSWORD"] = base.OPERATOR_PASSWORD

    assert not sigma.kubeon.data(*sigma.create())["changed"]


def test_sudo_that_asks_and_nobody_who_answers(sigma: Sigma) -> None:
    """Said with the flags that would help, and nothing was done."""
    sigma.kubeon.environment.pop("KUBEON_SUDO_PASSWORD")

    outcome = sigma.kubeon.run(*sigma.create())

    sigma.kubeon.environment["KUBEON_SUDO_PASSWORD"] = base.OPERATOR_PASSWORD
    assert outcome.exit_code == 4, outcome.text
    assert "operator is not root and sudo asks for a password" in outcome.text
    assert "KUBEON_SUDO_PASSWORD" in outcome.text


def test_through_a_jump_host(sigma: Sigma) -> None:
    """Hosts that let nobody in from here are reached through one that they do let in."""
    jump = ["--jump", f"root@{sigma.outside.address}", "--key", str(base.private_key())]

    with closed(sigma.hosts):
        direct = sigma.kubeon.run(*sigma.create())
        sigma.kubeon.ok(*sigma.create(*jump))

    assert direct.exit_code == 4, direct.text
    assert "cannot be reached by SSH" in direct.text


@pytest.mark.parametrize("key", [False, True], ids=["password", "key"])
def test_a_user_without_sudo(sigma: Sigma, tmp_path: Path, store: Path, key: bool) -> None:
    """Logs in but cannot act as root: an error before anything is changed, in sudo's own words."""
    laptop = control_machine(tmp_path, store)
    laptop.password = None if key else base.NOSUDO_PASSWORD
    laptop.environment["KUBEON_SUDO_PASSWORD"] = base.NOSUDO_PASSWORD
    words = ["--key", str(base.private_key())] if key else []

    outcome = laptop.run(*dry_run(sigma.outside, "--user", "nosudo", *words))

    assert outcome.exit_code == 4, outcome.text
    assert "nosudo cannot become root by sudo" in outcome.text
    assert "check the sudo password and that the user may use sudo" in outcome.text


def test_by_key_alone(sigma: Sigma, tmp_path: Path, store: Path) -> None:
    """Root, a key, no password anywhere: no key of the cluster's own is installed then."""
    laptop = control_machine(tmp_path, store)
    laptop.password = None

    plan = laptop.ok(*dry_run(sigma.outside, "--key", str(base.private_key()))).text

    assert "kubeadm init" in plan
    assert "authorized_keys" not in plan


def test_no_key_and_no_password(sigma: Sigma, tmp_path: Path, store: Path) -> None:
    """Said as that, with the flags that would help."""
    laptop = control_machine(tmp_path, store)
    laptop.password = None

    outcome = laptop.run(*dry_run(sigma.outside))

    assert outcome.exit_code == 4, outcome.text
    assert "the login as root was refused" in outcome.text
    assert "--ask-password" in outcome.text


def test_destroy_takes_the_key_away_and_names_what_stays(sigma: Sigma) -> None:
    """The operator's home is as it was; packages stay unless asked for, and each is named."""
    stays = sigma.kubeon.data("destroy", "sigma", "--yes")["stays"]

    added = [
        f"{host.name}: package {name} stays: kubeon had installed it"
        for host, before in zip(sigma.hosts, sigma.packages, strict=True)
        for name in packages(host) - before
    ]
    assert [home(host) for host in sigma.hosts] == sigma.homes
    assert added
    assert sorted(stays) == sorted(added)


def dry_run(host: LabHost, *words: str) -> list[str]:
    """A create that only looks."""
    return ["create", "tau", VERSION, *nodes([host], []), *sources(), "--dry-run", *words]


def home(host: LabHost) -> str:
    """What the operator's home holds, without sudo's own note that somebody used it."""
    return hosts.ssh(
        host, f"find {HOME} ! -name .sudo_as_admin_successful -printf '%p %m %u:%g\\n'; cat {HOME}/.ssh/authorized_keys"
    ).stdout


def packages(host: LabHost) -> set[str]:
    """Its OS packages."""
    return set(hosts.ssh(host, "dpkg-query -W -f '${binary:Package}\\n'").stdout.split())


@contextmanager
def closed(behind: list[LabHost]) -> Iterator[None]:
    """Hosts that do not let this machine in by SSH, as behind a firewall; its standing connections are cut too."""
    rule = f"INPUT -s {network.GATEWAY} -p tcp --dport 22 -j REJECT --reject-with tcp-reset"
    for host in behind:
        inside(host, f"iptables -I {rule}")
    try:
        yield
    finally:
        for host in behind:
            inside(host, f"iptables -D {rule}")


def inside(host: LabHost, command: str) -> None:
    """Run something in a host without SSH."""
    machine.podman("exec", host.container, "sh", "-c", command)
