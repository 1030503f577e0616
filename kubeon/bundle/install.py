"""Scripts that ask a host which files it lacks, and that install what is sent. Hosts need coreutils, tar and gzip."""

import shlex
from collections.abc import Mapping

from kubeon.bundle.archives import Member
from kubeon.spec.material import FileArtifact


def lacking_script(members: Mapping[str, Member]) -> str:
    """Read-only shell that prints the paths that are missing or differ, one a line."""
    asked = "".join(f"is_there {m.sha256} {m.mode:o} {shlex.quote(path)}\n" for path, m in sorted(members.items()))
    return _IS_THERE + asked


def install_script(artifact: FileArtifact, members: Mapping[str, Member]) -> str:
    """Shell that reads from standard input what `Store.packed` gave, and installs each member whole or not at all.

    A program that runs keeps its old file: the new one is renamed over it. Fails when anything came damaged.
    """
    places = "".join(
        f"place {m.sha256} {m.mode:o} {shlex.quote(m.source or 'whole')} {shlex.quote(path)}\n"
        for path, m in sorted(members.items())
    )
    unpack = 'tar -xzf - -C "$work"' if artifact.is_archive else 'gzip -dc >"$work/whole"'
    return _PLACE + unpack + "\n" + places


_IS_THERE = """\
is_there() {
    if [ "$(stat -c %a "$3" 2>/dev/null)" != "$2" ] || [ "$(sha256sum <"$3" | cut -d' ' -f1)" != "$1" ]; then
        printf '%s\\n' "$3"
    fi
}
"""

_PLACE = """\
set -e
umask 022
work=$(mktemp -d /var/tmp/kubeon.XXXXXX)
trap 'rm -rf "$work"' EXIT
place() {
    if [ "$(sha256sum <"$work/$3" | cut -d' ' -f1)" != "$1" ]; then
        echo "$4 came damaged" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$4")"
    cp "$work/$3" "$4.kubeon-new"
    chmod "$2" "$4.kubeon-new"
    chown 0:0 "$4.kubeon-new"
    mv -f "$4.kubeon-new" "$4"
}
"""
