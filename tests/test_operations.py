"""Whole operations on fakes that remember: create, again, destroy."""

from tests.conftest import MakeWorld


def test_create_then_again(world: MakeWorld) -> None:
    """x."""
    here = world(control_planes=1, workers=2)

    first = here.create()
    print(here.plans[0])
    for e in here.watcher.ended():
        print(e)
    before = here.snapshot()
    again = here.create()

    assert first.changed
    assert here.changes() == []
    assert not again.changed
    assert here.snapshot() == before
