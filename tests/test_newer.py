"""`./dev releases` against a mirror that has what upstream has."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kubeon.bundle.http import Http
from kubeon.cni import CNIS
from kubeon.cni.base import Released
from kubeon.cni.flannel import Flannel
from kubeon.spec.releases import table
from kubeon.spec.versions import Version
from tests import newer
from tests.bundle.test_store import FakeClock, Server
from tests.lab.mirror import fileserver

CONSTANTS = """\
	DefaultEtcdVersion = "{etcd}"
	CoreDNSVersion = "{coredns}"
	PauseVersion = "{pause}"
	SupportedEtcdVersion = map[uint8]string{{
		36: "3.6.8-0",
	}}
"""
NEWEST = table().newest
ROW = table().row_of(NEWEST)


def write(root: Path, url: str, text: str) -> None:
    """A file of the mirror."""
    path = root / url.partition("://")[2].partition("?")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def constants(root: Path, version: str, **differing: str) -> None:
    """kubeadm's, of a release: those of the newest row, but for what differs."""
    known = {"etcd": ROW.etcd[0][1], "coredns": ROW.coredns[0][1], "pause": ROW.pause}
    write(root, newer.CONSTANTS.format(version=version), CONSTANTS.format(**{**known, **differing}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A mirror that has just what the tables have."""
    root = tmp_path / "root"
    for minor in range(20, NEWEST.minor + 1):
        write(root, newer.STABLE.format(minor=minor), f"{table().newest_patch(minor)}\n")
    lines = table().runtimes.values()
    releases = {
        **{
            newer.COMPONENTS[name]: [getattr(line, name.replace("-", "_")) for line in lines]
            for name in newer.COMPONENTS
        },
        "helm/helm": [table().helm, "4.9.9"],
        **{plugin.repository: _versions(name) for name, plugin in CNIS.items() if isinstance(plugin, Released)},
    }
    for project, versions in releases.items():
        refs(root, project, *versions)
    return root


def _versions(name: str) -> list[str]:
    plugin = CNIS[name]
    assert isinstance(plugin, Released)
    return [row.version for row in plugin.table.releases]


def refs(root: Path, project: str, *versions: str) -> None:
    """What git is told of a project's branches and tags."""
    names = ["refs/heads/main", "refs/pull/7/head", "refs/tags/api/v1.9.9", "refs/tags/v9.0.0-rc.1"]
    names += [f"refs/tags/v{version}{end}" for version in versions for end in ("", "^{}")]
    text = "".join(f"003d{'a' * 40} {name}\n" for name in names)
    write(root, newer.REFS.format(project=project), text)


@pytest.fixture
def mirror(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its URL; requests are not printed."""
    monkeypatch.setattr(fileserver.Handler, "log_message", lambda *_: None)
    with fileserver.serving(root, root / "none") as base:
        yield base


def said(mirror: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that are printed."""
    assert newer.main(["--mirror", mirror]) == 0
    return capsys.readouterr().out.splitlines()


def test_nothing_is_newer(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Helm 4 is another program; the next minor release is not out."""
    assert said(mirror, capsys) == ["nothing is newer"]


def test_a_patch_release_with_other_images(root: Path, mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From the patch release on that kubeadm says, though the newest is two later."""
    minor, patch = NEWEST.minor, NEWEST.patch
    write(root, newer.STABLE.format(minor=minor), str(Version(1, minor, patch + 2)))
    constants(root, f"v1.{minor}.{patch + 1}")
    constants(root, f"v1.{minor}.{patch + 2}", etcd="9.9.9-0")
    section = f'kubeon/spec/releases.toml  [kubernetes."1.{minor}"]'

    found = said(mirror, capsys)

    assert found[0] == f"{section}  patch = {patch + 2}  # was {patch}"
    assert found[1].startswith(f"{section}  etcd = {{ 0 = ")
    assert f', {patch + 2} = "9.9.9-0" }}  # was ' in found[1]
    assert len(found) == 2


def test_a_new_minor_release_is_a_whole_row(root: Path, mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what its kubeadm runs, and the newest line of the runtime."""
    minor = NEWEST.minor + 1
    write(root, newer.STABLE.format(minor=minor), f"v1.{minor}.0\n")
    constants(root, f"v1.{minor}.0", coredns="v9.9.9")
    section = f'kubeon/spec/releases.toml  [kubernetes."1.{minor}"]'

    assert said(mirror, capsys) == [
        f"{section}  patch = 0",
        f'{section}  runtime = "{ROW.runtime}"',
        f'{section}  crictl = "1.{minor}.0"',
        f'{section}  pause = "{ROW.pause}"',
        f'{section}  coredns = {{ 0 = "v9.9.9" }}',
        f'{section}  etcd = {{ 0 = "{ROW.etcd[0][1]}" }}',
    ]


def test_components_and_plugins(root: Path, mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Patches of the lines that the table has, new lines, and a manifest's new sha256."""
    refs(root, "containerd/containerd", "1.7.99", "2.9.0")
    refs(root, "helm/helm", "3.99.0", "4.0.0")
    flannel, was = Flannel().table.releases[0], table().runtimes["1.7"].containerd
    newest = f"{flannel.version.rpartition('.')[0]}.99"
    refs(root, "flannel-io/flannel", newest)
    url = f"https://raw.githubusercontent.com/flannel-io/flannel/v{newest}/Documentation/kube-flannel.yml"
    write(root, url, "kind: DaemonSet\n")

    assert said(mirror, capsys) == [
        f'kubeon/spec/releases.toml  [runtimes."1.7"]  containerd = "1.7.99"  # was {was}',
        'kubeon/spec/releases.toml  [runtimes."2.9"]  containerd = "2.9.0"',
        f'kubeon/spec/releases.toml    helm = "3.99.0"  # was {table().helm}',
        f'kubeon/cni/flannel.toml  since = {flannel.since}  version = "{newest}"  # was {flannel.version}',
        f"kubeon/cni/flannel.toml  since = {flannel.since}  "
        f'sha256 = "{hashlib.sha256(b"kind: DaemonSet" + bytes([10])).hexdigest()}"  # was {flannel.sha256}',
    ]


def test_what_a_mirror_lacks_is_named(root: Path, mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is said all the same."""
    (root / "dl.k8s.io/release/stable-1.30.txt").unlink()

    assert newer.main(["--mirror", mirror]) == 0
    printed = capsys.readouterr()
    assert printed.out == "nothing is newer\n"
    assert printed.err == f"not there, so nothing is known of it: {mirror}/dl.k8s.io/release/stable-1.30.txt\n"


def test_without_a_network_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it takes; no traceback."""
    server = Server({newer.STABLE.format(minor=20): httpx.ConnectError("Network is unreachable")})

    assert newer.main([], Http(transport=server, clock=FakeClock())) == 1
    said = capsys.readouterr().err
    assert "cannot say what is newer: cannot fetch https://dl.k8s.io/release/stable-1.20.txt" in said
    assert "Network is unreachable" in said
    assert "--mirror URL" in said
