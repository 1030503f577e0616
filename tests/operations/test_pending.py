"""What is unfinished, by each kind's own record, and what may begin beside it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kubeon.errors import StateError
from kubeon.operations.pending import MAY_BEGIN, Kind, committed, expect_may_begin, expect_none, pending, unfinished
from kubeon.spec.model import Components
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.state.restoring import Attempt, attempt_path, write_attempt
from kubeon.state.rotation import Rotation, Stage
from tests.specs import a_spec

SPEC = a_spec()
KUBEON = Path(__file__).parent.parent.parent / "kubeon"
OPERATIONS = {
    match[1]
    for path in KUBEON.glob("operations/*.py")
    for match in re.finditer(r'(?:begun\(home, [\w.]+, |expect_may_begin\(state, )"([a-z-]+)"', path.read_text())
}
"""All that hold a cluster's lock, in the journal's words."""


@pytest.fixture
def state(tmp_path: Path) -> ClusterState:
    """Of a cluster that was made."""
    found = Home(tmp_path / "home").cluster("demo")
    found.write_spec(SPEC)
    return found


def proposed(**fields: object) -> Callable[[ClusterState], None]:
    """Something wants the description to be another one."""
    return lambda state: state.write_proposed(SPEC.model_copy(update=fields))


def uncommitted(state: ClusterState) -> None:
    """As a create leaves it that was cut off."""
    state.write_proposed(SPEC)
    (state.path / "cluster.yaml").unlink()


UNFINISHED: dict[Kind, Callable[[ClusterState], None]] = {
    Kind.RENAME: lambda state: state.write_renaming(("demo", "other")),
    Kind.RESTORE: lambda state: write_attempt(state, Attempt("1", "member cp1", (), "", "20260131T120000Z")),
    Kind.ROTATION: lambda state: state.rotation.write(Rotation(("ca",), Stage.TRUST, {}, {})),
    Kind.CREATION: uncommitted,
    Kind.UPGRADE: proposed(components=Components(containerd="2.2.9")),
    Kind.SWITCH: proposed(load_balancer=SPEC.load_balancer.model_copy(update={"mode": "updater"})),
    Kind.NODES: proposed(nodes=a_spec(workers=2).nodes),
    Kind.SETTINGS: proposed(certificates=SPEC.certificates.model_copy(update={"sans": ("more.example",)})),
}


def test_the_table_speaks_of_every_operation() -> None:
    """And of none that there is not: one that is added is refused until somebody has thought about it."""
    assert set(MAY_BEGIN) == set(UNFINISHED) == set(Kind)
    assert {operation for each in MAY_BEGIN.values() for operation in each} == OPERATIONS


@pytest.mark.parametrize("kind", UNFINISHED)
def test_each_kind_is_known_by_its_record(kind: Kind, state: ClusterState) -> None:
    """What it is, and a command that finishes it; it refuses what the table says, and nothing else."""
    UNFINISHED[kind](state)

    (found,) = pending(state)

    assert found.kind is kind
    assert "kubeon " in found.hint
    told = unfinished(state)
    assert told is not None
    assert (told.what, told.hint) == (found.what, found.hint.splitlines()[0])
    for operation in OPERATIONS - MAY_BEGIN[kind]:
        with pytest.raises(StateError) as refused:
            expect_may_begin(state, operation)
        assert (refused.value.what, refused.value.hint) == (found.what, found.hint)
    for operation in MAY_BEGIN[kind]:
        expect_may_begin(state, operation)
    with pytest.raises(StateError):
        expect_none(state, kind)
    expect_none(state, *set(Kind) - {kind})


def test_nothing_is_unfinished(state: ClusterState) -> None:
    """Everything may begin."""
    assert pending(state) == []
    assert committed(state) == SPEC
    for operation in OPERATIONS:
        expect_may_begin(state, operation)


def test_two_at_once(state: ClusterState) -> None:
    """In the middle of an upgrade etcd may have to be restored: the restore is told of, and first to be finished."""
    for kind in (Kind.UPGRADE, Kind.RESTORE):
        UNFINISHED[kind](state)

    found = unfinished(state)

    assert found is not None
    assert found.kind is Kind.RESTORE
    assert [each.kind for each in pending(state)] == [Kind.RESTORE, Kind.UPGRADE]
    with pytest.raises(StateError, match="a restore of etcd"):
        expect_may_begin(state, "upgrade")


@pytest.mark.parametrize(
    ("fields", "kinds", "refused"),
    [
        (
            {"components": Components(containerd="2.2.9"), "nodes": a_spec(workers=2).nodes},
            [Kind.UPGRADE, Kind.NODES],
            {"upgrade", "add", "lb-switch"},
        ),
        (
            {
                "load_balancer": SPEC.load_balancer.model_copy(update={"mode": "updater"}),
                "certificates": SPEC.certificates.model_copy(update={"sans": ("more.example",)}),
            },
            [Kind.SWITCH, Kind.SETTINGS],
            {"lb-switch", "upgrade"},
        ),
    ],
    ids=["new components and a new node", "a switch and settings"],
)
def test_one_proposal_of_several_kinds(
    fields: dict[str, object], kinds: list[Kind], refused: set[str], state: ClusterState
) -> None:
    """What any of them refuses is refused, and no hint names a command that is."""
    proposed(**fields)(state)

    found = pending(state)

    assert [each.kind for each in found] == kinds
    for operation in refused:
        with pytest.raises(StateError):
            expect_may_begin(state, operation)
    assert not any("kubeon upgrade" in each.hint for each in found)


def test_a_damaged_record_stops_only_what_needs_it(state: ClusterState) -> None:
    """A cluster can be destroyed and a snapshot taken, whatever a rotation has left."""
    UNFINISHED[Kind.ROTATION](state)
    (state.rotation.path / "stage").write_text("sideways ca")

    for operation in ("destroy", "etcd-snapshot", "certs-rotate-ca"):
        expect_may_begin(state, operation)
    for operation in ("add", "upgrade"):
        with pytest.raises(StateError, match="is damaged"):
            expect_may_begin(state, operation)


def test_a_damaged_restore_can_be_destroyed(state: ClusterState) -> None:
    """Its file is in the way of what it is to keep away."""
    attempt_path(state).write_text("{")

    expect_may_begin(state, "destroy")
    with pytest.raises(StateError, match="is damaged"):
        expect_may_begin(state, "del")


@pytest.mark.parametrize(
    ("maker", "text"), [("create", "kubeon create demo"), ("adopt", "the same kubeon adopt again")]
)
def test_who_makes_a_cluster_finishes_it(maker: str, text: str, state: ClusterState) -> None:
    """By the journal, which alone knows."""
    uncommitted(state)
    state.journal.append(maker, "begun", datetime(2026, 1, 31, tzinfo=UTC))

    with pytest.raises(StateError, match="cluster demo is not finished") as refused:
        committed(state)

    assert refused.value.hint == f"finish it: {text}"
