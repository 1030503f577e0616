"""The user's kubeconfig: merged into, taken out of, and otherwise as it was."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.errors import StateError
from kubeon.kube.kubeconfig import has, merge, remove, rename
from kubeon.kube.kubeconfig_file import check_renamable, write_merged, write_removed, write_renamed, write_updated
from kubeon.waiting import Clock
from tests.golden import assert_golden

SERVER = "https://10.0.0.11:6443"
USERS_OWN = """\
apiVersion: v1
kind: Config
preferences:
    colors: true
current-context: office
users:
- {name: clerk, user: {token: "0123"}}
contexts:
- context:
    cluster: office
    user: clerk
    extensions:
    - name: minikube
      extension:
        last-update: 2026-01-02T03:04:05Z
        version: 1.10
  name: office
clusters:
- cluster:
    server: 'https://office:6443'
    certificate-authority: /home/clerk/ca.crt
  name: office
something-new: [1, yes, 0x10]
"""


def encoded(text: str) -> str:
    """Base64, as embedded data is written."""
    return base64.b64encode(text.encode()).decode()


def an_admin_conf(authority: str = "CA", certificate: str = "CERT") -> str:
    """What kubeadm leaves on a control plane."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "kubernetes",
                    "cluster": {"server": "https://other:6443", "certificate-authority-data": encoded(authority)},
                }
            ],
            "users": [
                {
                    "name": "kubernetes-admin",
                    "user": {"client-certificate-data": encoded(certificate), "client-key-data": encoded("KEY")},
                }
            ],
            "contexts": [],
        }
    )


def entries(text: str, kind: str) -> dict[str, Any]:
    """Contents by name."""
    return {entry["name"]: entry[kind.removesuffix("s")] for entry in yaml.safe_load(text)[kind] or ()}


def test_without_a_file_one_is_made() -> None:
    """As kubectl would write it."""
    text = merge(None, "prod", an_admin_conf(), SERVER)

    assert_golden(text, "kube/fresh.yaml")
    assert merge("\n", "prod", an_admin_conf(), SERVER) == text
    assert yaml.safe_load(text)["current-context"] == "prod"


def test_the_users_own_entries_stay_as_written() -> None:
    """Numbers, dates, quotes, order and unknown keys too."""
    text = merge(USERS_OWN, "prod", an_admin_conf(), SERVER)

    assert_golden(text, "kube/merged.yaml")
    for kind in ("clusters", "users", "contexts"):
        assert entries(USERS_OWN, kind).items() <= entries(text, kind).items()
    assert "version: 1.10\n" in text
    assert "'https://office:6443'" in text
    assert "[1, yes, 0x10]" in text
    assert list(yaml.safe_load(text)) == list(yaml.safe_load(USERS_OWN))
    assert yaml.safe_load(text)["current-context"] == "office"


def test_merging_again_changes_nothing() -> None:
    """Not one byte, not even in a file of another style with comments."""
    once = merge(USERS_OWN, "prod", an_admin_conf(), SERVER)
    commented = "# mine\n" + once.replace("clusters:\n", "clusters:   # all of them\n")

    assert merge(once, "prod", an_admin_conf(), SERVER) == once
    assert merge(commented, "prod", an_admin_conf(), SERVER) == commented


def test_merged_and_removed_is_what_it_was() -> None:
    """As values: comments and layout are not kept by a change."""
    text = remove(merge(USERS_OWN, "prod", an_admin_conf(), SERVER), "prod")

    assert yaml.safe_load(text) == yaml.safe_load(USERS_OWN)


def test_two_clusters_live_side_by_side() -> None:
    """Removing one leaves the other."""
    both = merge(merge(None, "a", an_admin_conf(), SERVER), "b", an_admin_conf("CB"), SERVER)
    rest = remove(both, "a")

    assert set(entries(both, "contexts")) == {"a", "b"}
    assert set(entries(rest, "users")) == {"b-admin"}
    assert yaml.safe_load(rest)["current-context"] == ""
    assert remove(rest, "a") == rest


def test_switching_is_asked_for() -> None:
    """Only then the current context changes."""
    text = merge(USERS_OWN, "prod", an_admin_conf(), SERVER, switch=True)

    assert yaml.safe_load(text)["current-context"] == "prod"


def test_a_cluster_made_again_replaces_its_entries() -> None:
    """New CA, new address; the namespace the user has chosen stays."""
    old = merge(None, "prod", an_admin_conf(), SERVER).replace(
        "    user: prod-admin\n", "    user: prod-admin\n    namespace: shop\n"
    )
    text = merge(old, "prod", an_admin_conf("NEW CA", "NEW CERT"), "https://10.0.0.12:6443")

    assert entries(text, "clusters")["prod"]["server"] == "https://10.0.0.12:6443"
    assert entries(text, "clusters")["prod"]["certificate-authority-data"] == encoded("NEW CA")
    assert entries(text, "users")["prod-admin"]["client-certificate-data"] == encoded("NEW CERT")
    assert entries(text, "contexts")["prod"]["namespace"] == "shop"
    assert len(entries(text, "clusters")) == 1


@pytest.mark.parametrize("kind", ["clusters", "contexts", "users"])
def test_somebody_elses_entry_is_not_touched(kind: str) -> None:
    """The error says what to do."""
    name = "office-admin" if kind == "users" else "office"
    theirs = yaml.safe_dump({kind: [{"name": name, kind.removesuffix("s"): {"server": "https://x"}}]})

    with pytest.raises(StateError, match="which kubeon has not made") as caught:
        merge(theirs, "office", an_admin_conf(), SERVER)
    assert "rename" in caught.value.hint
    assert remove(theirs, "office") == theirs


def test_the_same_cluster_added_by_hand_is_adopted() -> None:
    """It trusts the same CA, so it is the same cluster; trailing white space does not count."""
    cluster = {"server": "https://old", "certificate-authority-data": encoded("CA\n"), "insecure-skip-tls-verify": True}
    by_hand = yaml.safe_dump({"clusters": [{"name": "prod", "cluster": cluster}], "users": None})
    found = entries(merge(by_hand, "prod", an_admin_conf(), SERVER), "clusters")["prod"]

    assert found["server"] == SERVER
    assert "insecure-skip-tls-verify" not in found


@pytest.mark.parametrize(
    "text", ["[1, 2]", "a: [", "clusters: {a: b}\n", "clusters: [text]\n", "just text", "a: 1\n---\n"]
)
def test_what_is_no_kubeconfig_is_refused(text: str) -> None:
    """Rather than replaced."""
    with pytest.raises(StateError):
        merge(text, "prod", an_admin_conf(), SERVER)


def test_an_admin_conf_without_credentials_is_refused() -> None:
    """It would leave the user without a way in."""
    with pytest.raises(StateError, match=r"admin\.conf holds no"):
        merge(None, "prod", "clusters: []\n", SERVER)


def test_a_json_kubeconfig_is_merged_into() -> None:
    """JSON is YAML."""
    text = merge('{"apiVersion": "v1", "clusters": [], "current-context": ""}', "prod", an_admin_conf(), SERVER)

    assert set(entries(text, "clusters")) == {"prod"}
    assert yaml.safe_load(text)["current-context"] == "prod"


def test_the_file_is_written_once(tmp_path: Path) -> None:
    """Private, in a folder that may not exist yet, and not at all when nothing changes."""
    path = tmp_path / ".kube" / "config"

    assert write_merged(path, "prod", an_admin_conf(), SERVER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    before = path.stat()
    assert not write_merged(path, "prod", an_admin_conf(), SERVER)
    assert path.stat().st_ino == before.st_ino
    assert [entry.name for entry in path.parent.iterdir()] == ["config"]


def test_who_has_a_cluster() -> None:
    """By the mark that kubeon leaves, not by the name."""
    merged = merge(USERS_OWN, "prod", an_admin_conf(), SERVER)

    assert has(merged, "prod")
    assert not has(merged, "office")
    assert not has(remove(merged, "prod"), "prod")
    assert not has("", "prod")
    with pytest.raises(StateError):
        has("a: [", "prod")


def test_an_update_follows_where_the_cluster_is_known_and_nowhere_else(tmp_path: Path) -> None:
    """add and del keep an address right, and put no cluster into a file that its user took it out of."""
    path = tmp_path / "config"

    assert not write_updated(path, "prod", an_admin_conf(), SERVER)
    assert not list(tmp_path.iterdir())
    path.write_text(USERS_OWN)
    assert not write_updated(path, "prod", an_admin_conf(), SERVER)
    assert path.read_text() == USERS_OWN
    write_merged(path, "prod", an_admin_conf(), SERVER)
    assert write_updated(path, "prod", an_admin_conf(), "https://10.0.0.12:6443")
    assert not write_updated(path, "prod", an_admin_conf(), "https://10.0.0.12:6443")
    assert entries(path.read_text(), "clusters")["prod"]["server"] == "https://10.0.0.12:6443"


def test_a_symbolic_link_stays_one_and_the_first_state_is_kept(tmp_path: Path) -> None:
    """People keep their kubeconfig in a repository of dot files."""
    real = tmp_path / "dotfiles"
    real.write_text(USERS_OWN)
    link = tmp_path / "config"
    link.symlink_to(real)

    assert write_merged(link, "a", an_admin_conf(), SERVER)
    assert write_merged(link, "b", an_admin_conf("CB"), SERVER)
    assert link.is_symlink()
    assert set(entries(real.read_text(), "contexts")) == {"office", "a", "b"}
    assert (tmp_path / "dotfiles.kubeon-backup").read_text() == USERS_OWN


def test_removing_from_no_file_makes_none(tmp_path: Path) -> None:
    """Nothing to do."""
    assert not write_removed(tmp_path / "config", "prod")
    assert not list(tmp_path.iterdir())


def test_removing_from_the_file(tmp_path: Path) -> None:
    """And again: nothing to do."""
    path = tmp_path / "config"
    write_merged(path, "prod", an_admin_conf(), SERVER)

    assert write_removed(path, "prod")
    assert not write_removed(path, "prod")
    assert entries(path.read_text(), "clusters") == {}


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    """No lock, no backup, no temporary file stays."""
    path = tmp_path / "config"
    path.write_text("a: [")

    with pytest.raises(StateError):
        write_merged(path, "prod", an_admin_conf(), SERVER)
    assert path.read_text() == "a: ["
    assert list(tmp_path.iterdir()) == [path]


class FakeClock(Clock):
    """Sleeps at once."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Only count."""
        self.seconds += seconds


def test_kubectls_lock_is_respected(tmp_path: Path) -> None:
    """After a while the error says which file is in the way, and the lock of the other stays."""
    lock = tmp_path / "config.lock"
    lock.touch()
    clock = FakeClock()

    with pytest.raises(StateError, match="is locked") as caught:
        write_merged(tmp_path / "config", "prod", an_admin_conf(), SERVER, clock=clock)
    assert clock.seconds >= 10
    assert str(lock) in caught.value.hint
    assert lock.exists()


def test_a_renamed_cluster_keeps_all_but_its_name() -> None:
    """Namespace, current context, contexts of the user's own that lead to it; other entries stay as written."""
    text = merge(USERS_OWN, "demo", an_admin_conf(), SERVER, switch=True)
    parsed = yaml.safe_load(text)
    parsed["contexts"] += [{"name": "mine", "context": {"cluster": "demo", "user": "demo-admin", "namespace": "x"}}]
    text = yaml.safe_dump(parsed)

    renamed = rename(text, "demo", "prod")

    after = yaml.safe_load(renamed)
    assert after["current-context"] == "prod"
    assert entries(renamed, "contexts")["prod"]["user"] == "prod-admin"
    assert entries(renamed, "contexts")["mine"] == {"cluster": "prod", "user": "prod-admin", "namespace": "x"}
    assert entries(renamed, "clusters")["prod"] == entries(text, "clusters")["demo"]
    assert entries(renamed, "users")["prod-admin"] == entries(text, "users")["demo-admin"]
    assert entries(renamed, "users")["clerk"] == entries(text, "users")["clerk"]
    assert rename(renamed, "demo", "prod") == renamed


@pytest.mark.parametrize("text", ["", USERS_OWN], ids=["empty", "without it"])
def test_renaming_what_is_not_there_changes_nothing(text: str) -> None:
    """Nor are entries touched that kubeon did not make."""
    assert rename(text, "office", "prod") == text


def test_a_name_that_is_taken_is_refused_before_anything(tmp_path: Path) -> None:
    """Whoever made the entry."""
    path = tmp_path / "config"
    text = merge(USERS_OWN, "demo", an_admin_conf(), SERVER)
    path.write_text(text)

    with pytest.raises(StateError, match="cluster 'office'"):
        check_renamable(path, "demo", "office")
    with pytest.raises(StateError, match="cluster 'office'"):
        write_renamed(path, "demo", "office")

    assert path.read_text() == text
    check_renamable(tmp_path / "none", "demo", "prod")
    assert not write_renamed(tmp_path / "none", "demo", "prod")
    assert write_renamed(path, "demo", "prod")
