"""The wall time of `create`, over bare kubeadm's and over the example's."""

from pathlib import Path

import pytest

from tests.bench import example
from tests.bench.conftest import Control, Up
from tests.bench.report import Report, ratio
from tests.bench.runs import Run, bare_kubeadm, example_cluster, in_turn, kubeon_create
from tests.cluster.balancer import start_haproxy
from tests.cluster.driver import VERSION, Kubeon, nodes, sources
from tests.cluster.prepared import BEFORE_KUBEADM, prepare
from tests.lab import hosts

pytestmark = [pytest.mark.bench, pytest.mark.lab]


def test_with_everything_on_the_hosts(up: Up, control: Control, tmp_path: Path, rounds: int, report: Report) -> None:
    """1 + 2 nodes; programs, images, runtime and network configuration are there for both."""

    def prepared(name: str) -> tuple[Kubeon, list[hosts.LabHost], list[hosts.LabHost]]:
        cp, *workers = up("bench-1", "bench-2", "bench-3")
        machine = control(name)
        prepare(machine, BEFORE_KUBEADM, name, VERSION, *nodes([cp], workers), *sources())
        return machine, [cp], workers

    def kubeon(number: int) -> Run:
        machine, cps, workers = prepared(f"kubeon{number}")
        return kubeon_create(machine, f"kubeon{number}", cps, workers)

    def bare(number: int) -> Run:
        _, cps, workers = prepared(f"bare{number}")
        return bare_kubeadm(cps, workers, tmp_path)

    runs = in_turn(rounds, kubeon, bare)

    ratios = [
        ratio("whole create / bare kubeadm", runs, "bare kubeadm", lambda run: run.total, lambda run: run.total),
        ratio(
            "without the check of pods",
            runs,
            "bare kubeadm",
            lambda run: run.total - run.verification,
            lambda run: run.total,
        ),
        ratio(
            "until the API calls all nodes Ready", runs, "bare kubeadm", lambda run: run.ready, lambda run: run.ready
        ),
    ]
    report.add("prepared hosts, 1 + 2", runs, ratios)
    assert ratios[0].value <= 1.3


@pytest.mark.parametrize("size", [(1, 1), (3, 2)], ids=["1+1", "3+2"])
def test_from_bare_hosts(up: Up, control: Control, rounds: int, report: Report, size: tuple[int, int]) -> None:
    """The same hosts, packages, programs and images for both; counted from hosts that are up."""
    if not (example.folder() / "cluster.sh").exists():
        pytest.skip(f"no example at {example.folder()}; KUBEON_LAB_EXAMPLE says where it is")
    control_planes, workers = size
    target = example.install(example.repository())
    places = example.addresses(control_planes, workers)

    def fresh() -> tuple[list[hosts.LabHost], list[hosts.LabHost]]:
        cps = [f"bench-cp{number}={address}" for number, address in enumerate(places[0], 1)]
        others = [f"bench-w{number}={address}" for number, address in enumerate(places[1], 1)]
        balancer = [f"bench-lb={example.BALANCER}"] if control_planes > 1 else []
        found = up(*cps, *others, *balancer)
        if balancer:
            start_haproxy(found[-1], places[0])
        return found[: len(cps)], found[len(cps) : len(cps) + len(others)]

    def kubeon(number: int, *, warm: bool = True) -> Run:
        name = f"{'warm' if warm else 'cold'}{number}"
        flags = ("--lb-mode", "external", "--lb-address", f"{example.BALANCER}:6443") if control_planes > 1 else ()
        cps, others = fresh()
        # With three control planes and a heavy load, pods were once not all ready after 600 s. Why is not known;
        # kubernetes#97294 (1.20), which the example cures and kubeon not yet, may be it. Only Ready nodes are compared.
        return kubeon_create(control(name, warm=warm), name, cps, others, *flags, pods=control_planes == 1)

    def theirs(number: int) -> Run:
        del number
        fresh()
        return example_cluster(target, control_planes, workers)

    runs = in_turn(rounds, kubeon, theirs)

    ratios = [
        ratio("whole create / all nodes Ready", runs, "example", lambda run: run.total, lambda run: run.ready),
        ratio("all nodes Ready", runs, "example", lambda run: run.ready, lambda run: run.ready),
    ]
    if control_planes == 1:
        ratios.append(ratio("all pods ready", runs, "example", lambda run: run.pods or 0, lambda run: run.pods or 0))
    report.add(f"bare hosts, {control_planes} + {workers}", runs, ratios)
    assert max(one.value for one in ratios[:2]) < 0.8
    # Kubelets before 1.21 notice 60 to 90 s late that a control plane's startup probe went well; neither can help it.
    assert all(one.value < 1 for one in ratios[2:])
