"""What upstream has that is newer than kubeon's tables: `python -m tests.newer` prints the lines to change.

Asked are dl.k8s.io's stable-1.X.txt, kubeadm's own constants of a new release, and the tags of the projects, as git
asks for them. A mirror has the original URLs, without their scheme, as paths.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from kubeon.bundle.http import Http, expect_file
from kubeon.bundle.sources import file_url
from kubeon.cni import CNIS
from kubeon.cni.base import Released
from kubeon.errors import KubeonError
from kubeon.spec.model import Sources
from kubeon.spec.releases import numbers, table
from kubeon.spec.tables import Row, Table, Tags
from kubeon.spec.versions import Version
from tests.specs import a_spec

RELEASES = "kubeon/spec/releases.toml"
STABLE = "https://dl.k8s.io/release/stable-1.{minor}.txt"
CONSTANTS = "https://raw.githubusercontent.com/kubernetes/kubernetes/{version}/cmd/kubeadm/app/constants/constants.go"
REFS = "https://github.com/{project}/info/refs?service=git-upload-pack"
COMPONENTS = {
    "containerd": "containerd/containerd",
    "runc": "opencontainers/runc",
    "cni-plugins": "containernetworking/plugins",
}
_LARGE = 64 << 20  # git names every pull request, too


@dataclass
class Upstream:
    """The Internet, or a mirror; `missing` grows by what is not there."""

    http: Http
    sources: Sources
    missing: list[str] = field(default_factory=list)

    def text(self, upstream: str) -> str:
        """What is there, "" when nothing is. Raises BundleError when nobody answers."""
        url = file_url(upstream, self.sources)
        response = self.http.text(url, limit=_LARGE)
        if response.status_code in (403, 404):
            self.missing.append(url)
            return ""
        expect_file(url, response)
        return response.text

    def tags(self, project: str) -> list[str]:
        """A project's releases without the leading v, oldest first."""
        found = re.findall(r"refs/tags/v(\d+\.\d+\.\d+)$", self.text(REFS.format(project=project)), re.MULTILINE)
        return sorted(set(found), key=numbers)


@dataclass(frozen=True)
class Line:
    """A line of a table that is to be another one; `was` is empty where it is new."""

    file: str
    section: str
    text: str
    was: str = ""

    def __str__(self) -> str:
        return f"{self.file}  {self.section}  {self.text}" + (f"  # was {self.was}" if self.was else "")


@dataclass(frozen=True)
class Kubeadm:
    """What kubeadm of a release runs."""

    etcd: str
    coredns: str
    pause: str

    @classmethod
    def parse(cls, text: str, version: Version) -> "Kubeadm":
        """Out of its constants.go. Raises ValueError when it is another file."""
        found = {name: re.search(rf'\b{name}\s*= "([^"]+)"', text) for name in _CONSTANTS}
        if not all(found.values()):
            msg = f"constants.go of {version} lacks {', '.join(name for name in _CONSTANTS if not found[name])}"
            raise ValueError(msg)
        etcd, coredns, pause = (found[name][1] for name in _CONSTANTS)  # type: ignore[index]
        own = re.search(rf'^\s*{version.minor}:\s*"([^"]+)",$', text, re.MULTILINE)  # in SupportedEtcdVersion
        return cls(own[1] if own else etcd, coredns, pause)


_CONSTANTS = ("DefaultEtcdVersion", "CoreDNSVersion", "PauseVersion")


def newer(known: Table, upstream: Upstream) -> Iterator[Line]:
    """Everything that is to be changed."""
    yield from _kubernetes(known, upstream)
    yield from _components(known, upstream)
    for plugin in CNIS.values():
        if isinstance(plugin, Released):
            yield from _plugin(plugin, upstream)


def _kubernetes(known: Table, upstream: Upstream) -> Iterator[Line]:
    """Patch releases of known minor releases, then new minor releases until there is none."""
    for minor in count(20):
        stable = upstream.text(STABLE.format(minor=minor)).strip()
        if not stable and minor > known.newest.minor:
            upstream.missing.pop()  # it is not out yet
            return
        row = known.kubernetes.get(f"1.{minor}")
        if not stable or (row and Version.parse(stable).patch <= row.patch):
            continue
        section, version = f'[kubernetes."1.{minor}"]', Version.parse(stable)
        yield Line(RELEASES, section, f"patch = {version.patch}", str(row.patch) if row else "")
        if row is None:
            yield Line(RELEASES, section, f'runtime = "{known.row_of(version).runtime}"')
            yield Line(RELEASES, section, f'crictl = "1.{minor}.0"')
        yield from _images(row, version, section, upstream)


def _images(row: Row | None, version: Version, section: str, upstream: Upstream) -> Iterator[Line]:
    tags: dict[str, Tags] = {"coredns": row.coredns if row else (), "etcd": row.etcd if row else ()}
    pause = row.pause if row else ""
    for patch in range(row.patch + 1 if row else 0, version.patch + 1):
        release = Version(1, version.minor, patch)
        text = upstream.text(CONSTANTS.format(version=release))
        if not text:
            continue
        kubeadm = Kubeadm.parse(text, release)
        for name, tag in (("coredns", kubeadm.coredns), ("etcd", kubeadm.etcd)):
            if not tags[name] or tags[name][0][1] != tag:
                tags[name] = ((patch, tag), *tags[name])
        pause = kubeadm.pause
    if pause and (row is None or pause != row.pause):
        yield Line(RELEASES, section, f'pause = "{pause}"', row.pause if row else "")
    for name, found in tags.items():
        before: Tags = getattr(row, name) if row else ()
        if found != before:
            yield Line(RELEASES, section, f"{name} = {_inline(found)}", _inline(before) if before else "")


def _inline(tags: Tags) -> str:
    return "{ " + ", ".join(f'{first} = "{tag}"' for first, tag in reversed(tags)) + " }"


def _components(known: Table, upstream: Upstream) -> Iterator[Line]:
    for name, project in COMPONENTS.items():
        tags = upstream.tags(project)
        for line, runtime in known.runtimes.items():
            now = str(getattr(runtime, name.replace("-", "_")))
            if (newest := _newest(tags, now, 2)) != now:
                yield Line(RELEASES, f'[runtimes."{line}"]', f'{name} = "{newest}"', now)
        if tags and name == "containerd" and (line := ".".join(tags[-1].split(".")[:2])) not in known.runtimes:
            yield Line(RELEASES, f'[runtimes."{line}"]', f'containerd = "{tags[-1]}"')
    if (newest := _newest(upstream.tags("helm/helm"), known.helm, 1)) != known.helm:
        yield Line(RELEASES, "", f'helm = "{newest}"', known.helm)


def _plugin(plugin: Released, upstream: Upstream) -> Iterator[Line]:
    name, tags = plugin.name, upstream.tags(plugin.repository)
    for row in plugin.table.releases:
        newest, file, section = _newest(tags, row.version, 2), f"kubeon/cni/{name}.toml", f"since = {row.since}"
        if newest == row.version:
            continue
        yield Line(file, section, f'version = "{newest}"', row.version)
        if row.sha256:
            (artifact,) = plugin.manifests(a_spec(f"v1.{row.since}.0", networking={"plugin": name}))
            manifest = upstream.text(artifact.url.replace(f"/v{row.version}/", f"/v{newest}/"))
            yield Line(file, section, f'sha256 = "{hashlib.sha256(manifest.encode()).hexdigest()}"', row.sha256)
    if tags and numbers(tags[-1])[:2] > numbers(plugin.table.releases[0].version)[:2]:
        yield Line(f"kubeon/cni/{name}.toml", "[[releases]]", f'version = "{tags[-1]}"')


def _newest(tags: Sequence[str], now: str, parts: int) -> str:
    """The newest of those that begin with the same numbers; `now` where none does."""
    alike = [tag for tag in (*tags, now) if tag.split(".")[:parts] == now.split(".")[:parts]]
    return max(alike, key=numbers)


def main(words: Sequence[str] | None = None, http: Http | None = None) -> int:
    """Print them."""
    parser = argparse.ArgumentParser(prog="./dev releases", description=__doc__)
    parser.add_argument("--mirror", default="", help="base URL that has the original URLs as paths")
    flags = parser.parse_args(words)
    upstream = Upstream(http or Http(), Sources(mirror=flags.mirror or None))
    try:
        lines = list(newer(table(), upstream))
    except (KubeonError, ValueError) as error:
        hint = "nothing was changed; it takes the Internet, or --mirror URL with the same files"
        print(f"cannot say what is newer: {error}\n{hint}", file=sys.stderr)
        return 1
    print("\n".join(map(str, lines)) or "nothing is newer")
    for url in upstream.missing:
        print(f"not there, so nothing is known of it: {url}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
