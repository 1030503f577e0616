"""A cluster's programs as Go modules: one recipe for each component, of the versions in material.toml.

A number in place of a recipe's text goes into the key of what is kept: a new comment shall not cost minutes.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from tests.lab.mirror import debian, golang, rows
from tests.lab.mirror.golang import Build
from tests.lab.mirror.parts import PROGRAMS, Parts
from tests.lab.mirror.rows import Row
from tests.lab.mirror.store import HERE, Log, folder, lock, run, together

ROOT = "k8s.io/kubernetes"
BUILT = "2026-01-01T00:00:00Z"
PLUGINS = (
    *("main/bridge", "main/loopback", "main/ptp", "ipam/host-local"),
    *("meta/bandwidth", "meta/firewall", "meta/portmap", "meta/tuning"),
)


def parts(row: Row, log: Log = print) -> Parts:
    """Everything of a release, built as far as it is not there; two at a time, what takes longest first."""
    with lock(log), golang.workshop(log):
        jobs: list[Callable[[], Path]] = [
            *(partial(kubernetes, row, log), partial(coredns, row, log), partial(etcd, row, log)),
            *(partial(registry, log), partial(containerd, row, log), partial(crictl, row, log)),
            *(partial(runc, row, log), partial(plugins, row, log)),
        ]
        programs, dns, store, _, runtime, tool, low, network = together(jobs, log)
    made = (programs, dns, store, runtime, tool, low, network)
    return Parts(
        versions=row.components,
        made_from=" ".join(path.name for path in made),
        kubernetes=programs,
        containerd=tuple(sorted(runtime.iterdir())),
        plugins=tuple(sorted(network.iterdir())),
        etcd=tuple(sorted(store.iterdir())),
        runc=low / "runc",
        crictl=tool / "crictl",
        coredns=dns / "coredns",
        pause=lambda tag: pause(tag, log),
    )


def kubernetes(row: Row, log: Log = print) -> Path:
    """The folder with PROGRAMS of a release."""

    def make(new: Path) -> None:
        golang.check_space()
        # one call for all: what they share is compiled once
        packages = [f"{ROOT}/cmd/{name}" for name in PROGRAMS]
        golang.build(of_kubernetes(row, "kubernetes", packages, log), new, log)

    return folder(f"kubernetes-{row.release}", "modules-1", make=make, log=log)


def of_kubernetes(
    row: Row,
    name: str,
    packages: Sequence[str],
    log: Log = print,
    *,
    tests: Sequence[str] = (),
    samples: Collection[str] = (),
) -> Build:
    """How packages of k8s.io/kubernetes, and of those of its SAMPLES that are named, are built, and tests of it.

    k8s.io/kubernetes cannot be built by its own go.mod, which replaces its staging modules by folders that are not in
    it. Ours requires the same modules as v0.MINOR.PATCH.
    """
    version, staging = row.release, f"v0.{row.release.removeprefix('v1.')}"
    written = (golang.source(ROOT, version, log) / "go.mod").read_text()
    names = set(re.findall(r"(?m)^\s*k8s\.io/(\S+) v0\.0\.0$", written)) - SAMPLES | set(samples)
    needed = {f"k8s.io/{name}": row.staging.get(name, staging) for name in sorted(names)}
    language = re.findall(r"(?m)^go (\S+)$", written)[0]
    return Build(
        name,
        {ROOT: version, **needed},
        packages,
        language=language,
        stamps=_stamps(version),
        tags=row.tags,
        tests=tests,
    )


SAMPLES = {"sample-apiserver", "sample-cli-plugin", "sample-controller"}
"""Staging modules of which the programs have nothing, and the proxy hardly any version."""


def _stamps(release: str) -> dict[str, str]:
    minor = release.split(".")[1]
    values = {"gitVersion": release, "gitMajor": "1", "gitMinor": minor, "gitTreeState": "clean", "buildDate": BUILT}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{name}": value for package in packages for name, value in values.items()}


def pause(tag: str, log: Log = print) -> Path:
    """Kubernetes' own, which answers -v with its tag: `kubeadm upgrade` tries just that before it begins."""
    release = list(rows.rows())[-1]  # the source has been the same for years

    def make(new: Path) -> None:
        new.mkdir()
        debian.install(debian.FOR_C, log)
        text = golang.source(ROOT, release, log) / "build/pause/linux/pause.c"
        run(["gcc", "-Os", "-Wall", "-static", "-s", f"-DVERSION={tag}", "-o", new / "pause", text])

    with lock(log), golang.workshop(log):
        return folder(f"pause-{tag}", release, "1", make=make, log=log) / "pause"


def etcd(row: Row, log: Log = print) -> Path:
    """etcd, etcdctl, etcdutl."""
    names = {"server": "etcd", "etcdctl": "etcdctl", "etcdutl": "etcdutl"}
    paths = {f"go.etcd.io/etcd/{name}/v3": f"v{row.etcd}" for name in names}

    def make(new: Path) -> None:
        golang.build(Build("etcd", paths, list(paths)), new, log)
        (new / "server").rename(new / "etcd")

    return folder(f"etcd-{row.etcd}", "modules-1", make=make, log=log)


def containerd(row: Row, log: Log = print) -> Path:
    """containerd, ctr and the shim."""
    major = row.containerd.split(".")[0]
    module = "github.com/containerd/containerd" + ("" if major == "1" else f"/v{major}")
    names = ("containerd", "ctr", "containerd-shim-runc-v2")
    stamps = {f"{module}/version.Version": f"v{row.containerd}"}
    what = Build(
        "containerd", {module: f"v{row.containerd}"}, [f"{module}/cmd/{name}" for name in names], stamps=stamps
    )
    return _kept(what, row.containerd, log)


def crictl(row: Row, log: Log = print) -> Path:
    """crictl."""
    module = "sigs.k8s.io/cri-tools"
    stamps = {f"{module}/pkg/version.Version": f"v{row.crictl}"}
    return _kept(Build("crictl", {module: f"v{row.crictl}"}, [f"{module}/cmd/crictl"], stamps=stamps), row.crictl, log)


def coredns(row: Row, log: Log = print) -> Path:
    """CoreDNS with the plugins that kubeadm's Corefile names."""
    what = Build("coredns", {"github.com/coredns/coredns": f"v{row.coredns}"}, main="coredns")
    return _kept(what, row.coredns, log)


def runc(row: Row, log: Log = print) -> Path:
    """runc; with seccomp, without which no pod starts, and static, for hosts without libseccomp."""
    module = "github.com/opencontainers/runc"
    what = Build(
        "runc",
        {module: f"v{row.runc}"},
        [module],
        stamps={"main.version": row.runc},
        tags=("netgo", "osusergo", "seccomp"),
        static_c=True,
    )
    return _kept(what, row.runc, log)


def plugins(row: Row, log: Log = print) -> Path:
    """Those of the CNI plugins that kubeon's and the tests' networks call."""
    module = "github.com/containernetworking/plugins"
    stamps = {f"{module}/pkg/utils/buildversion.BuildVersion": f"v{row.cni_plugins}"}
    packages = [f"{module}/plugins/{name}" for name in PLUGINS]
    return _kept(Build("cni-plugins", {module: f"v{row.cni_plugins}"}, packages, stamps=stamps), row.cni_plugins, log)


def registry(log: Log = print, make: Callable[[Path, str], None] | None = None) -> Path:
    """distribution's registry, with storage in a folder only. `make`: how it is had instead, given its version."""
    version = rows.table()["mirror"]["registry"]
    module = "github.com/distribution/distribution/v3"
    stamps = {f"{module}/version.version": f"v{version}"}
    what = Build("registry", {module: f"v{version}"}, main="registry", stamps=stamps)
    return _kept(what, version, log, (lambda new: make(new, version)) if make else None)


def _kept(what: Build, version: str, log: Log, instead: Callable[[Path], None] | None = None) -> Path:
    own = [HERE / "modules" / what.main] if what.main else []

    def make(new: Path) -> None:
        if what.static_c:
            debian.install(debian.FOR_C, log)
        golang.build(what, new, log)

    with lock(log), golang.workshop(log):
        return folder(f"{what.name}-{version}", "modules-1", *own, make=instead or make, log=log)
