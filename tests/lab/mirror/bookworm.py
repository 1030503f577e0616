"""Kubernetes v1.20.2, of which the Go module proxy serves too little: built from Debian 12's source package.

For configurations of v1beta2 and for adopting old clusters. What Debian lacks are stand-ins, built in the same tree.
"""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.lab import cache
from tests.lab.mirror import debian, modules, rows
from tests.lab.mirror.parts import PROGRAMS, Parts
from tests.lab.mirror.store import HERE, Log, folder, run

STANDINS = ("coredns", "network")
NETWORK = "docker.io/lab/network:1"
NETWORK_MANIFEST = "lab/network.yml"  # what to apply for it
ROOT = "k8s.io/kubernetes"
COMMIT = "faecb196815e248d3ecfb03c680a4507229c2a56"  # the source's, whatever release is stamped on it
BUILT = "2021-01-13T13:20:00Z"


def buildable(release: str) -> bool:
    """Whether the source can bear this release's name: it is v1.20.2; a later patch release is only stamped so."""
    match = re.fullmatch(r"v1\.20\.(\d+)", release)
    return match is not None and int(match[1]) >= 2


def parts(release: str, log: Log = print) -> Parts:
    """Everything of a release."""
    debian.install(debian.FOR_1_20, log)
    row = rows.nearest(release)
    crictl = modules.crictl(row, log)
    programs, own, packages = build(release, log), standins(log), debian.unpacked(debian.WITH_1_20, log)
    binaries = sorted((packages / "usr/bin").iterdir())
    names = {"containerd": "containerd", "runc": "runc", "cni-plugins": "containernetworking-plugins"}
    versions = {name: debian.upstream_version(packages, package) for name, package in names.items()}
    return Parts(
        versions={**versions, "crictl": row.crictl},
        made_from=" ".join(path.name for path in (programs, own, packages, crictl)),
        kubernetes=programs,
        containerd=tuple(path for path in binaries if path.name == "ctr" or path.name.startswith("containerd")),
        plugins=tuple(sorted((packages / "usr/lib/cni").iterdir())),
        etcd=tuple(path for path in binaries if path.name in {"etcd", "etcdctl"}),
        runc=packages / "usr/sbin/runc",
        crictl=crictl / "crictl",
        coredns=own / "coredns",
        pause=lambda tag: modules.pause(tag, log),
        texts={NETWORK_MANIFEST: (HERE / "standins/network/network.yml").read_text()},
        images={NETWORK: own / "network"},
    )


def source(log: Log = print) -> Path:
    """A Go path with the source, complete with the files that its own make generates."""

    def make(new: Path) -> None:
        fetched = new.parent / "source"
        fetched.mkdir()
        tree = new / "src" / ROOT
        tree.parent.mkdir(parents=True)
        log("  Debian's source package")
        debian.source("kubernetes", fetched).rename(tree)
        log("  make generated_files (a minute)")
        stamp = {"VERSION": "v1.20.2", "MAJOR": "1", "MINOR": "20", "COMMIT": COMMIT, "TREE_STATE": "clean"}
        stamps = {f"KUBE_GIT_{name}": value for name, value in stamp.items()}
        run(["nice", "make", "generated_files"], cwd=tree, env={**_go(new), **stamps})
        shutil.rmtree(tree / "_output")  # the generators

    # a number for the recipe in place of this file's text: a new comment shall not cost minutes
    return folder("kubernetes-source", "1", make=make, log=log)


def build(release: str, log: Log = print) -> Path:
    """The folder with the programs of a release."""
    tree = source(log)

    def make(new: Path) -> None:
        log(f"  {len(PROGRAMS)} programs (4 to 6 minutes the first time)")
        names = [f"{ROOT}/cmd/{name}" for name in PROGRAMS]
        _compile(tree, new, names, _overlay(tree, log), " ".join(["-s -w", *_stamps(release)]))

    return folder(f"kubernetes-{release}", tree.name, *_stamps(release), "2", make=make, log=log)


def standins(log: Log = print) -> Path:
    """The folder with the stand-ins."""
    tree = source(log)

    def make(new: Path) -> None:
        overlay = _overlay(tree, log)
        for file in (HERE / "standins").glob("*/*.go"):  # as if they lay in the tree: they get its vendored libraries
            overlay[str(tree / "src" / ROOT / "cmd" / file.parent.name / file.name)] = str(file)
        _compile(tree, new, [f"{ROOT}/cmd/{name}" for name in STANDINS], overlay, "-s -w")

    return folder("standins", tree.name, HERE / "standins", "3", make=make, log=log)


def _go(path: Path) -> dict[str, str]:
    """The environment of Go 1.19 in GOPATH mode."""
    return {
        "PATH": "/usr/lib/go-1.19/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "GOPATH": str(path),
        "GOCACHE": str(cache.root() / "go-build"),
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }


def _compile(tree: Path, new: Path, names: Sequence[str], overlay: dict[str, str], linker: str) -> None:
    new.mkdir()
    replace = new.parent / "overlay.json"
    replace.write_text(json.dumps({"Replace": overlay}))
    # one call for all programs: what they share is compiled once; -trimpath: the cache holds wherever the tree lies
    options = ("-trimpath", "-overlay", replace, "-ldflags", linker, "-o", f"{new}/")
    run(["nice", "go", "build", *options, *names], cwd=tree / "src" / ROOT, env=_go(tree))


def _overlay(tree: Path, log: Log) -> dict[str, str]:
    """Debian's own reflect2 in place of the vendored 1.0.1, which panics at the first map with Go 1.18 and newer."""
    old = tree / "src" / ROOT / "vendor/github.com/modern-go/reflect2"
    new = debian.unpacked(debian.REFLECT2, log) / "usr/share/gocode/src/github.com/modern-go/reflect2"
    names = {path.name for path in [*old.iterdir(), *new.iterdir()] if path.suffix in {".go", ".s"}}
    return {str(old / name): str(new / name) if (new / name).exists() else "" for name in sorted(names)}


def _stamps(release: str) -> list[str]:
    """The linker's options that name the release.

    In GOPATH mode the variables lie under the vendor folder: without that prefix the options have no effect, the
    kubelet calls itself 0.0.0-master and kubeadm refuses it.
    """
    major, minor, _ = release.removeprefix("v").split(".")
    values = {
        "gitVersion": release,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": COMMIT,
        "gitTreeState": "clean",
        "buildDate": BUILT,
    }
    packages = [f"{ROOT}/vendor/k8s.io/{name}" for name in ("component-base/version", "client-go/pkg/version")]
    return [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
