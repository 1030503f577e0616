"""Binaries: kubeadm, kubelet, kubectl, the runtime, CNI plugins. What a host holds already is not sent again."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from kubeon.bundle.archives import Member
from kubeon.hosts.host import Host
from kubeon.phases.context import Cluster, Step
from kubeon.spec.material import FileArtifact

TIMEOUT = 1800  # seconds for one artifact on a slow line
BLOCK = 1 << 20
INSTALLED = "/var/lib/kubeon/installed"  # paths, a line each: what `kubeon destroy` takes away
ASIDE = "/var/lib/kubeon/found/files"  # what lay at these paths before: put back by `kubeon destroy`
# Staged on the file system it is going to, checked, and renamed: a reader sees the old file or the new one, never half.
_INSTALL = f"""
install_member() {{
    target=$2 mode=$3 sum=$4
    mkdir -p "${{target%/*}}" {ASIDE}
    if ! grep -qxF "$target" {INSTALLED} 2>/dev/null; then
        if [ -e "$target" ]; then mkdir -p "{ASIDE}${{target%/*}}"; cp -p "$target" "{ASIDE}$target"; fi
        printf '%s\\n' "$target" >>{INSTALLED}
    fi
    [ "$1" = "$target.kubeon-new" ] || cp "$1" "$target.kubeon-new"
    printf '%s  %s\\n' "$sum" "$target.kubeon-new" | sha256sum -c --quiet - >&2
    chmod "$mode" "$target.kubeon-new"
    mv -f "$target.kubeon-new" "$target"
    printf '%s\\n' "$target"
}}
"""
STAGE = "/var/lib/kubeon/stage"


class InstallFiles(Step):
    """One question for everything, then one stream for each artifact that is missing or differs."""

    name = "install-files"
    title = "Install Kubernetes and the runtime"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Names and versions, for a host that is new."""
        if host.facts.cluster_marker:
            return ()
        return ("install " + ", ".join(f"{one.name} {one.version}" for one in ctx.material(host).files),)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Ask for checksums, send what differs, check again on the host before anything is put in place."""
        artifacts = {artifact: ctx.store.members(artifact) for artifact in ctx.material(host).files}
        present = _checksums(host, [path for members in artifacts.values() for path in members])
        changes = []
        for artifact, members in artifacts.items():
            differing = {path: one for path, one in members.items() if present.get(path) != (one.sha256, one.mode)}
            if differing:
                ctx.reporter.note(f"sending {artifact.name} {artifact.version}", host=host.name)
                _send(ctx, host, artifact, differing)
                changes.append(f"{artifact.name} {artifact.version}")
        return changes


def _checksums(host: Host, paths: Sequence[str]) -> Mapping[str, tuple[str, int]]:
    words = " ".join(map(shlex.quote, paths))
    script = f'for path in {words}; do\n    [ -f "$path" ] || continue\n'
    script += '    printf "%s %s %s\\n" "$(stat -c %a "$path")" "$(sha256sum <"$path" | cut -c1-64)" "$path"\ndone\n'
    found = {}
    for line in host.ask(script, timeout=300, what="look at installed files").splitlines():
        mode, checksum, path = line.split(" ", 2)
        found[path] = (checksum, int(mode, 8))
    return found


def _send(ctx: Cluster, host: Host, artifact: FileArtifact, members: Mapping[str, Member]) -> None:
    script = "set -e\n" + _INSTALL
    if artifact.is_archive:
        script += f"rm -rf {STAGE}\nmkdir -p {STAGE}\ntrap 'rm -rf {STAGE}' EXIT\n"
        script += f"tar --no-same-owner -xzf - -C {STAGE}\n"
        sources = {path: f"{STAGE}/{_member(artifact, path)}" for path in members}
    else:
        (path,) = members
        script += f"mkdir -p {shlex.quote(str(Path(path).parent))}\ngzip -dc >{shlex.quote(path)}.kubeon-new\n"
        sources = {path: f"{path}.kubeon-new"}
    for path, member in members.items():
        words = ("install_member", sources[path], path, f"{member.mode:o}", member.sha256)
        script += shlex.join(words) + "\n"
    stdin = _blocks(ctx.store.packed(artifact))
    host.change(script, stdin=stdin, timeout=TIMEOUT, what=f"install {artifact.name}")


def _member(artifact: FileArtifact, path: str) -> str:
    """Which part of an archive lies at this path on a host."""
    for rule in artifact.installs:
        if path == rule.path:
            return rule.member
        if rule.path.endswith("/") and path.startswith(rule.path):
            return str(PurePosixPath(rule.member) / path.removeprefix(rule.path))
    raise AssertionError(path)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
