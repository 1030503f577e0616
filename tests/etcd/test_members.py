"""etcdctl's answers, as the real one gives them."""

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from kubeon.errors import CommandError, OperationError
from kubeon.etcd.members import Etcd, Member
from kubeon.hosts.host import Host

LARGE = 0xF98DC20BCE6225A0  # no float64 holds it
LISTED = {
    "header": {"cluster_id": 1},
    "members": [
        {"ID": LARGE, "name": "cp1", "peerURLs": ["https://10.0.0.1:2380"], "clientURLs": ["https://10.0.0.1:2379"]},
        {"ID": 2, "name": "cp2", "peerURLs": ["https://10.0.0.2:2380"], "clientURLs": ["https://10.0.0.2:2379"]},
        {"ID": 3, "peerURLs": ["https://10.0.0.3:2380"]},  # added, and never started
        {
            "ID": 4,
            "name": "cp4",
            "peerURLs": ["https://10.0.0.4:2380"],
            "clientURLs": ["https://10.0.0.4:2379"],
            "isLearner": True,
        },
    ],
}
# etcdctl 3.4, one endpoint down: words on both streams, and exit code 1
HEALTH = (
    '{"level":"warn","ts":"2026-01-31T12:00:00Z","msg":"retrying of unary invoker failed"}\n'
    '[{"endpoint":"https://10.0.0.1:2379","health":true,"took":"9.1ms"},'
    '{"endpoint":"https://10.0.0.2:2379","health":false,"took":"2.0s","error":"context deadline exceeded"}]\n'
    "Error: unhealthy cluster\n"
)


class Asked:
    """A host that answers etcdctl from a list and remembers the words."""

    name = "cp1"

    def __init__(self, **answers: str) -> None:
        self.answers, self.scripts = answers, list[str]()

    def ask(self, script: str, *, what: str, wait: bool, timeout: float, again: bool) -> str:
        assert not wait
        assert again is not any(word in what for word in ("remove", "move-leader", "defrag"))
        assert timeout >= 60
        self.scripts.append(script)
        answer = self.answers[what.removeprefix("etcdctl ").replace(" ", "_")]
        if answer.startswith("!"):
            raise CommandError("etcdctl failed", command_exit_code=1, why=answer[1:], host=self.name)
        return answer


def inside(container: str, words: Sequence[str]) -> str:
    """A script, to look at."""
    return f"{container}: {' '.join(words)}\n"


def etcd_on(host: Asked) -> Etcd:
    """etcd as the host's member sees it."""
    return Etcd(cast(Host, host), inside)


def test_members_and_who_of_them_answers() -> None:
    """IDs to the last digit; one that never started has no name and no health; a failure of one is no failure."""
    host = Asked(member_list=json.dumps(LISTED), endpoint_health=HEALTH)

    found = etcd_on(host).members()

    assert found == [
        Member(LARGE, "cp1", ("https://10.0.0.1:2380",), ("https://10.0.0.1:2379",), healthy=True),
        Member(2, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",)),
        Member(3, "", ("https://10.0.0.3:2380",), ()),
        Member(4, "cp4", ("https://10.0.0.4:2380",), ("https://10.0.0.4:2379",), learner=True),
    ]
    assert [member.title for member in found] == ["cp1", "cp2", "https://10.0.0.3:2380", "cp4"]
    listing, health = host.scripts
    assert listing.startswith("etcd: etcdctl --cacert /etc/kubernetes/pki/etcd/ca.crt ")
    assert "--endpoints https://127.0.0.1:2379 member list -w json\n" in listing
    assert "--endpoints https://10.0.0.1:2379,https://10.0.0.2:2379,https://10.0.0.4:2379 endpoint health" in health
    assert health.endswith("\ntrue\n")


@pytest.mark.parametrize("answer", ["!context deadline exceeded", "!no container etcd runs on this host"])
def test_without_a_quorum_nothing_is_known(answer: str) -> None:
    """With etcd's own words."""
    with pytest.raises(OperationError, match=f"etcd does not answer: {answer[1:]}") as caught:
        etcd_on(Asked(member_list=answer)).members()

    assert "crictl ps -a --name etcd" in caught.value.hint


def test_a_container_that_goes_between_two_questions() -> None:
    """As that of etcd does when a new kubelet makes its static pods anew: etcd does not answer, and may soon again."""
    host = Asked(member_list=json.dumps(LISTED), endpoint_health="!no container etcd runs on this host")

    with pytest.raises(OperationError, match="etcd does not answer: no container etcd runs on this host"):
        etcd_on(host).members()


def test_an_answer_that_is_lost_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy host a command in a container may end well and have printed nothing."""
    host = Asked(member_list="", endpoint_health=HEALTH)
    with pytest.raises(OperationError, match="cannot be read: etcdctl member list printed nothing"):
        etcd_on(host).members()
    assert len(host.scripts) == 3

    answers = iter(["", json.dumps(LISTED), HEALTH])
    monkeypatch.setattr(host, "ask", lambda *_, **__: next(answers))

    assert len(etcd_on(host).members()) == 4


@pytest.mark.parametrize(("status", "leader"), [({"leader": LARGE}, LARGE), ({}, 0)])
def test_the_leader(status: dict[str, Any], leader: int) -> None:
    """None while there is an election."""
    host = Asked(endpoint_status=json.dumps([{"Endpoint": "https://127.0.0.1:2379", "Status": status}]))

    assert etcd_on(host).leader() == leader


def test_changes_name_members_by_their_id() -> None:
    """In hexadecimal; and only the leader can hand over."""
    members = [
        Member(LARGE, "cp1", ("https://10.0.0.1:2380",), ("https://10.0.0.1:2379",)),
        Member(2, "cp2", ("https://10.0.0.2:2380",), ("https://10.0.0.2:2379",)),
    ]
    host = Asked(member_remove="", **{f"move-leader_{2:x}": ""})

    etcd_on(host).move_leader(members[0], members[1])
    etcd_on(host).remove(members[0])

    assert "--endpoints https://10.0.0.1:2379 move-leader 2\n" in host.scripts[0]
    assert "--endpoints https://127.0.0.1:2379 member remove f98dc20bce6225a0\n" in host.scripts[1]
