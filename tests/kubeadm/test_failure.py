"""Which reason is put on the screen when kubeadm has failed, and which of kubeadm's own words."""

from dataclasses import replace

import pytest

from kubeon.hosts.failure import Exit, Trouble
from kubeon.hosts.looking import Container, Disk, Unit
from kubeon.kubeadm.failure import LONGEST, reason_of, told, what_counts

PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
RUNNING = {name: Unit(name, "loaded", "active", "running", "success") for name in ("kubelet", "containerd")}
WELL = Trouble(
    units=RUNNING,
    static_pods=PODS,
    containers=tuple(Container(name, f"{name}-cp1", "running") for name in PODS),
    disks=(Disk("/", "/", 100, 60, 40),),
    memory=(1 << 20, 4 << 20),
)
TIMED_OUT = """\
error: error execution phase upload-config/kubeadm: could not bootstrap the admin user in file admin.conf: \
unable to create ClusterRoleBinding: context deadline exceeded
To see the stack trace of this error execute with --v=5 or higher
"""
# 1.37 on cgroup v1: the report before it goes to standard output
PREFLIGHT = """\
W1129 10:11:12.131415    4242 version.go:108] could not fetch a Kubernetes version from the internet
\t[WARNING SystemVerification]: kernel release 5.10 is old
[preflight] Some fatal errors occurred:
\t[ERROR SystemVerification]: cgroups v1 support is deprecated
please migrate to cgroups v2
\t[ERROR Port-10250]: Port 10250 is in use
[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`
error: error execution phase preflight: preflight checks failed
To see the stack trace of this error execute with --v=5 or higher
"""
WORDS = {
    "time is over": (
        TIMED_OUT,
        "error: error execution phase upload-config/kubeadm: could not bootstrap the admin user in file admin.conf: "
        "unable to create ClusterRoleBinding: context deadline exceeded",
    ),
    "preflight": (
        PREFLIGHT,
        "[ERROR SystemVerification]: cgroups v1 support is deprecated\nplease migrate to cgroups v2\n"
        "[ERROR Port-10250]: Port 10250 is in use\nerror: error execution phase preflight: preflight checks failed",
    ),
    "1.20": (
        "error execution phase preflight: [preflight] Some fatal errors occurred:\n\t[ERROR NumCPU]: 1 is too few\n"
        "[preflight] If you know what you are doing, you can make a check non-fatal\n"
        "To see the stack trace of this error execute with --v=5 or higher\n",
        "error execution phase preflight: [preflight] Some fatal errors occurred:\n[ERROR NumCPU]: 1 is too few",
    ),
    "an upgrade": (
        "[upgrade/postupgrade] FATAL post-upgrade error: dial tcp: connection refused\nTo see the stack trace of this",
        "[upgrade/postupgrade] FATAL post-upgrade error: dial tcp: connection refused",
    ),
    "another program's": ("\nsed: no such file\nmv: cannot\n", "sed: no such file\nmv: cannot"),
    "nothing": ("", ""),
}
SECCOMP = (
    'failed to start sandbox \\"5f\\": failed to create containerd task: failed to create shim task: OCI runtime '
    "create failed: runc create failed: unable to start container process: seccomp not supported"
)
NO_SANDBOX = (  # containerd's and the kubelet's
    f'time="2026-11-29T10:00:00.05Z" level=error msg="RunPodSandbox for &PodSandboxMetadata{{Name:etcd-cp1,Uid:0e,'
    f'Namespace:kube-system,Attempt:0,}} failed, error" error="rpc error: code = Unknown desc = {SECCOMP}"',
    f'E1129 10:00:00.051000    1234 kuberuntime_sandbox.go:74] "Failed to create sandbox for pod" '
    f'err="rpc error: code = Unknown desc = {SECCOMP}" pod="kube-system/etcd-cp1"',
)
OUTER = SECCOMP.replace("\\", "\\\\\\")
SYNCING = (
    'E1129 10:00:00.052000    1234 pod_workers.go:1338] "Error syncing pod, skipping" err="failed to '
    '\\"CreatePodSandbox\\" for \\"etcd-cp1_kube-system(0e)\\" with CreatePodSandboxError: \\"Failed to create sandbox '
    f'for pod \\\\\\"etcd-cp1_kube-system(0e)\\\\\\": rpc error: code = Unknown desc = {OUTER}\\"" '
    'pod="kube-system/etcd-cp1" podUID="0e"'
)
SEES = f"etcd: no sandbox can be made: {SECCOMP}".replace("\\", "")
IMAGE = (
    'E1129 10:00:00.052000    1234 pod_workers.go:1338] "Error syncing pod, skipping" err="failed to '
    '\\"StartContainer\\" for \\"kube-apiserver\\" with ErrImagePull: \\"failed to resolve reference: not found\\"" '
    'pod="kube-system/kube-apiserver-cp1" podUID="0e"'
)
BIND = (
    '{"level":"warn","ts":"2026-11-29T10:00:00Z","msg":"failed to start etcd","error":"listen"}',
    '{"level":"fatal","ts":"2026-11-29T10:00:00Z","caller":"etcdmain/etcd.go:204","msg":"discovery failed",'
    '"error":"listen tcp 10.0.0.9:2380: bind: cannot assign requested address","stacktrace":"go.etcd.io"}',
)
FLAG = ("      --v Level", "", "Error: unknown flag: --no-such-flag")


def without(*names: str) -> tuple[Container, ...]:
    """All containers but of these."""
    return tuple(each for each in WELL.containers or () if each.name not in names)


def with_one(name: str, state: str, attempt: int) -> tuple[Container, ...]:
    """One of them in this state."""
    return (*without(name), Container(name, f"{name}-cp1", state, attempt))


def kubelet(sub: str, active: str = "activating") -> dict[str, Unit]:
    """containerd runs, and the kubelet so."""
    return RUNNING | {"kubelet": Unit("kubelet", "loaded", active, sub, "exit-code", 1, 5)}


REASONS = {
    "well": (WELL, ""),
    "nobody says anything": (Trouble(), ""),
    "containerd's journal": (replace(WELL, containers=(), runtime=NO_SANDBOX[:1]), SEES),
    "the kubelet's": (replace(WELL, containers=(), kubelet=NO_SANDBOX[1:]), SEES),
    "the kubelet's last word": (replace(WELL, containers=(), kubelet=(*NO_SANDBOX[1:], SYNCING)), SEES),
    "a sandbox that came later": (replace(WELL, runtime=NO_SANDBOX), ""),
    "an image": (
        replace(WELL, containers=without("kube-apiserver"), kubelet=(IMAGE,)),
        "kube-apiserver: its image cannot be had: failed to resolve reference: not found",
    ),
    "a flag that is none": (
        replace(
            WELL,
            containers=with_one("kube-apiserver", "exited", 3),
            exits=(Exit("kube-scheduler", 0, 1, "Error", ("lost",)), Exit("kube-apiserver", 3, 1, "Error", FLAG)),
        ),
        "kube-apiserver ended with exit code 1: unknown flag: --no-such-flag",
    ),
    "a crash loop at a moment when it runs": (
        replace(
            WELL,
            containers=with_one("kube-apiserver", "running", 4),
            exits=(Exit("kube-apiserver", 3, 1, "Error", FLAG),),
        ),
        "kube-apiserver ended with exit code 1: unknown flag: --no-such-flag",
    ),
    "an end that was asked for": (
        replace(WELL, containers=with_one("kube-apiserver", "running", 1), exits=(Exit("kube-apiserver", 0, 0),)),
        "",
    ),
    "a manager that has lost its API server, and runs again": (
        replace(
            WELL,
            containers=with_one("kube-controller-manager", "running", 1),
            exits=(Exit("kube-controller-manager", 0, 1, "Error", ("E1 leaderelection lost",)),),
        ),
        "",
    ),
    "etcd before its API server": (
        replace(
            WELL,
            containers=(
                Container("kube-apiserver", "kube-apiserver-cp1", "exited", 2),
                Container("etcd", "etcd-cp1", "exited", 5),
            ),
            exits=(Exit("kube-apiserver", 2, 1, "Error", ("E1 context",)), Exit("etcd", 5, 1, "Error", BIND)),
        ),
        "etcd ended with exit code 1: listen tcp 10.0.0.9:2380: bind: cannot assign requested address",
    ),
    "out of memory": (
        replace(WELL, containers=with_one("etcd", "exited", 1), exits=(Exit("etcd", 1, 137, "OOMKilled"),)),
        "etcd ended with exit code 137, OOMKilled",
    ),
    "swap": (
        replace(
            WELL,
            units=kubelet("auto-restart"),
            containers=(),
            kubelet=(
                'E1129 10:00:00.1  77 run.go:72] "command failed" err="failed to run Kubelet: running with swap on is '
                'not supported, please disable swap or set --fail-swap-on flag to false"',
                "E1129 10:00:00.2  77 other.go:1] something beside it",
            ),
        ),
        "kubelet does not run: failed to run Kubelet: running with swap on is not supported, please disable swap or "
        "set --fail-swap-on flag to false",
    ),
    "a kubelet without a word": (
        replace(WELL, units=kubelet("failed", "failed")),
        "kubelet does not run: exit-code, exit code 1",
    ),
    "a kubelet that starts": (replace(WELL, units=kubelet("start")), ""),
    "a runtime that is gone": (
        replace(
            WELL,
            units=kubelet("auto-restart")
            | {"containerd": Unit("containerd", "loaded", "failed", "failed", "signal", 9)},
            containers=None,
            runtime=("containerd: failed to load TOML: /etc/containerd/config.toml",),
        ),
        "containerd does not run: containerd: failed to load TOML: /etc/containerd/config.toml",
    ),
    "a full disk": (
        replace(WELL, disks=(Disk("/var/lib/containerd", "/", 100, 9, 91),)),
        "91 % of the space of / (/var/lib/containerd) is used: under DiskPressure no pods are started",
    ),
    "no memory": (
        replace(WELL, memory=(50 << 10, 1 << 20)),
        "50 of 1024 MiB of memory are available: under MemoryPressure no pods are started",
    ),
}


@pytest.mark.parametrize(("said", "counts"), WORDS.values(), ids=WORDS)
def test_the_lines_that_count(said: str, counts: str) -> None:
    """No report of checks that were passed, no advice."""
    assert what_counts(said) == counts


@pytest.mark.parametrize(("seen", "what"), REASONS.values(), ids=REASONS)
def test_one_reason(seen: Trouble, what: str) -> None:
    """The deepest one that shows, and none where nothing is seen to be wrong."""
    reason = reason_of(seen)

    assert (reason.what if reason else "") == what
    assert reason is None or reason.hint.startswith("on that host: ")
    assert list(told(seen)) or seen == Trouble()


def test_a_long_reason_keeps_its_end() -> None:
    """Go puts what came first last."""
    line = f'E1129 10:00:00.1  77 run.go:72] "command failed" err="{"wrapped: " * 200}the disk is gone"'
    reason = reason_of(replace(WELL, units=kubelet("auto-restart"), kubelet=(line,)))

    assert reason is not None
    assert len(reason.what) < LONGEST + 50
    assert reason.what.endswith("wrapped: the disk is gone")
