"""One timed run each: `kubeon create`, bare kubeadm by hand, the example's cluster.sh."""

import json
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import yaml

from kubeon.cni import CNIS
from kubeon.spec.sets import apply_sets
from kubeon.spec.versions import Version, kubeadm_api
from tests.bench import example, timing
from tests.cluster.driver import VERSION, Kubeon, kubectl, kubelet_sets, nodes, sources
from tests.lab import hosts

HERE = Path(__file__).parent
PODS = r"""
pods() {
    timeout 10 kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A --no-headers >/run/bench-pods &&
        ! awk '{split($3, a, "/"); if (a[1] != a[2]) print}' /run/bench-pods | grep -q .
}
until pods; do sleep 0.5; done
"""


@dataclass
class Run:
    """How long a run took; seconds from its begin. `ready` and `pods`: until all nodes, all pods were ready."""

    who: str
    total: float
    ready: float
    pods: float | None = None
    verification: float = 0.0
    cpu: float = 0.0  # of the control machine's process
    steps: Mapping[str, float] = field(default_factory=dict)
    table: Sequence[str] = ()


def kubeon_create(
    kubeon: Kubeon,
    name: str,
    control_planes: Sequence[hosts.LabHost],
    workers: Sequence[hosts.LabHost],
    *flags: str,
    pods: bool = False,
) -> Run:
    """`kubeon create`, from the start of the process to its end."""
    words = ("create", name, VERSION, *nodes(control_planes, workers), *sources(), *flags, "--yes")
    began, clock = time.time(), time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    kubeon.ok(*words)
    total = time.monotonic() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if pods:
        hosts.ssh(control_planes[0], PODS)
    all_pods = time.monotonic() - clock if pods else None
    spans = timing.spans(kubeon.journal(name), began)
    verification = sum(span.seconds for span in spans if span.phase == "verify-cluster")
    ready = ready_at(control_planes[0]) - began
    steps = {f"{span.phase} {span.host}": round(span.seconds, 2) for span in spans}
    return Run("kubeon", total, ready, all_pods, verification, cpu, steps, timing.table(spans, total))


def bare_kubeadm(control_planes: Sequence[hosts.LabHost], workers: Sequence[hosts.LabHost], folder: Path) -> Run:
    """`kubeadm init` and `kubeadm join` by hand."""
    manifest = folder / "network.yaml"
    manifest.write_text(CNIS["bridge"].ranges_manifest({}))
    environment = {
        "BENCH_SSH": " ".join(hosts.ssh_words(control_planes[0])[:-1]),
        "BENCH_NETWORK": str(manifest),
        "BENCH_VERSION": VERSION,
        "BENCH_API": kubeadm_api(Version.parse(VERSION)),
        "BENCH_KUBELET": yaml.safe_dump(apply_sets({}, kubelet_sets())["kubelet"]),
        "BENCH_IGNORE": "SystemVerification",  # this machine's kernel and cgroups are what they are
    }
    words = [str(HERE / "bare.sh"), *(host.address for host in (*control_planes, *workers))]
    began = time.time()
    lines = timed_lines(words, environment=environment)
    ends = [(text, at) for text, at in lines if text]
    assert ends[-1][0] == "all nodes Ready", ends
    total = ends[-1][1]
    before = [0.0, *(at for _, at in ends)]
    steps = {text: round(at - since, 2) for (text, at), since in zip(ends, before, strict=False)}
    return Run("bare kubeadm", total, ready_at(control_planes[0]) - began, steps=steps)


def example_cluster(target: Path, control_planes: int, workers: int) -> Run:
    """The example's cluster.sh, from the moment that hosts are up; the balancer's set-up is not counted.

    For kubeon the balancer is there before, too: it belongs to the user.
    """
    with example.package_server(target):
        lines = timed_lines([str(target / "cluster.sh"), str(control_planes), str(workers)])
    steps: dict[str, tuple[float, float]] = {}  # seconds, and when it was over
    for text, at in lines:
        if match := re.fullmatch(r"\s*([0-9.]+) s  (.*)", text):
            steps[match[2]] = (float(match[1]), at)
    (up,) = (at for name, (_, at) in steps.items() if "hosts up" in name)
    prepared = steps["packages, binaries and images on all nodes"][1]
    seconds, end = steps["kubeadm init"]
    balancer = end - seconds - prepared if control_planes > 1 else 0.0
    ready = steps[f"all {control_planes + workers} nodes Ready"][1] - up - balancer
    pods = steps["all pods ready"][1] - up - balancer
    return Run("example", pods, ready, pods, steps={name: each for name, (each, _) in steps.items()})


def ready_at(host: hosts.LabHost) -> float:
    """When the last node became Ready, by the API: whole seconds since 1970."""
    items = json.loads(kubectl(host, "get", "nodes", "-o", "json"))["items"]
    conditions = [one for item in items for one in item["status"]["conditions"] if one["type"] == "Ready"]
    assert {one["status"] for one in conditions} == {"True"}, conditions
    return max(datetime.fromisoformat(one["lastTransitionTime"]).timestamp() for one in conditions)


def timed_lines(words: Sequence[str], *, environment: Mapping[str, str] | None = None) -> list[tuple[str, float]]:
    """What a program printed, each line with the second at which it came."""
    clock = time.monotonic()
    with subprocess.Popen(
        words,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [(line.rstrip("\n"), time.monotonic() - clock) for line in process.stdout]
    assert process.returncode == 0, "\n".join(text for text, _ in lines)
    return lines


def in_turn(rounds: int, *each: Callable[[int], Run]) -> list[Run]:
    """A B, A B, ...: what else the machine does hits all of them alike."""
    return [run(number) for number in range(rounds) for run in each]


def of(runs: Iterable[Run], who: str) -> list[Run]:
    """The runs of one of them."""
    return [run for run in runs if run.who == who]
