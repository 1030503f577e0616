"""`etcdctl endpoint status`, as the real one prints it."""

from kubeon.etcd.status import MemberStatus, parse_statuses

# etcd 3.4, with a warning of the client before it
OUTPUT = (
    '{"level":"warn","ts":"2026-01-31T12:00:00Z","msg":"retrying of unary invoker failed"}\n'
    '[{"Endpoint":"https://10.0.0.1:2379","Status":{"header":{"cluster_id":13455796455940752355,'
    '"member_id":17982239128371602848,"revision":2,"raft_term":2},"version":"3.4.23","dbSize":20480,'
    '"leader":443629905751424238,"raftIndex":5,"raftTerm":2,"raftAppliedIndex":4,"dbSizeInUse":16384,'
    '"errors":["memberID:443629905751424238 alarm:NOSPACE ","etcdserver: no leader"]}}]\n'
)


def test_a_member_says_how_it_is() -> None:
    """IDs to the last digit, alarms apart from errors; fields that are zero are not printed by etcd."""
    assert parse_statuses(OUTPUT) == [
        MemberStatus(
            id=17982239128371602848,
            version="3.4.23",
            db_size=20480,
            in_use=16384,
            leader=443629905751424238,
            term=2,
            index=5,
            applied=4,
            revision=2,
            errors=("etcdserver: no leader",),
            alarms=((443629905751424238, "NOSPACE"),),
        )
    ]


def test_who_does_not_answer_is_left_out() -> None:
    """etcdctl prints nothing then, or null."""
    assert parse_statuses("") == []
    assert parse_statuses("Failed to get the status of endpoint\nnull\n") == []
