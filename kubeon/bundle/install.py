"""Scripts that ask a host which files it lacks, and that install what is sent. Hosts need coreutils, tar and gzip."""

import shlex
from collections.abc import Mapping

from kubeon.bundle.archives import Member
from kubeon.spec.material import FileArtifact

INSTALLED = "/var/lib/kubeon/installed"  # paths, a line each: what `kubeon destroy` takes away
ASIDE = "/var/lib/kubeon/found/files"  # what lay at such a path before kubeon came: `kubeon destroy` puts it back
STAGE = "/var/lib/kubeon/stage"
WAITING = "/var/lib/kubeon/upgrade"  # stands for /: what an upgrade has brought, until its turn comes


def lacking_script(members: Mapping[str, Member]) -> str:
    """Read-only shell that prints the paths that are missing or differ, one a line."""
    asked = "".join(f"is_there {m.sha256} {m.mode:o} {shlex.quote(path)}\n" for path, m in sorted(members.items()))
    return _IS_THERE + asked


def install_script(artifact: FileArtifact, members: Mapping[str, Member], *, root: str = "") -> str:
    """Shell that reads from standard input what `Store.packed` gave, and installs each member whole or not at all.

    A program that runs keeps its old file: the new one is renamed over it. Fails when anything came damaged. `root` is
    a folder that stands for / (tests).
    """
    script = f"root={shlex.quote(root)}\n" + _PLACE
    if not artifact.is_archive:
        ((path, member),) = members.items()
        script += f'new="$root"{shlex.quote(path)}.kubeon-new\nmkdir -p "${{new%/*}}"\ngzip -dc >"$new"\n'
        return script + f'place {member.sha256} {member.mode:o} "$new" {shlex.quote(path)}\n'
    script += _UNPACK
    return script + "".join(
        f'place {m.sha256} {m.mode:o} "$stage"/{shlex.quote(m.source)} {shlex.quote(path)}\n'
        for path, m in sorted(members.items())
    )


def activate_script(members: Mapping[str, Member], *, owing: Mapping[str, str] | None = None) -> str:
    """Shell that puts into place what waits below WAITING, where it differs, and prints the paths that it changed.

    `owing`: by path a file to leave before it is changed, for whoever has to do something about that later.
    """
    return (
        "root=''\n"
        + _PLACE
        + _ACTIVATE
        + "".join(
            f"activate {m.sha256} {m.mode:o} {shlex.quote(path)} {(owing or {}).get(path, '')}".rstrip() + "\n"
            for path, m in sorted(members.items())
        )
    )


_UNPACK = """\
rm -rf "$stage"
mkdir -p "$stage"
tar --no-same-owner -xzf - -C "$stage"
"""
# With the processor's instructions for it openssl is five times faster than coreutils; not every host has it.
_CHECKSUM = """\
if command -v openssl >/dev/null; then
    checksum() { openssl dgst -sha256 -r | cut -d' ' -f1; }
else
    checksum() { sha256sum | cut -d' ' -f1; }
fi
"""
_IS_THERE = f"""\
{_CHECKSUM}
is_there() {{
    if [ "$(stat -c %a "$3" 2>/dev/null)" != "$2" ] || [ "$(checksum <"$3")" != "$1" ]; then
        printf '%s\\n' "$3"
    fi
}}
"""

# Written beside its place, on the same file system, checked there, and renamed: nobody ever sees half a program.
_PLACE = f"""\
set -e
{_CHECKSUM}
umask 022
stage=$root{STAGE}
new=
trap 'rm -rf "$stage"; rm -f "$new"' EXIT # half a file on a full disk keeps it full
place() {{
    target=$root$4
    if ! grep -qxF "$4" "$root{INSTALLED}" 2>/dev/null; then
        mkdir -p "$root{ASIDE}${{4%/*}}" "${{target%/*}}"
        if [ -e "$target" ]; then cp -p "$target" "$root{ASIDE}$4"; fi
        printf '%s\\n' "$4" >>"$root{INSTALLED}"
    fi
    new=$target.kubeon-new
    if [ "$3" != "$target.kubeon-new" ]; then cp "$3" "$target.kubeon-new"; fi
    if [ "$(checksum <"$target.kubeon-new")" != "$1" ]; then
        rm -f "$target.kubeon-new"
        echo "$4 came damaged" >&2
        exit 1
    fi
    chmod "$2" "$target.kubeon-new"
    mv -f "$target.kubeon-new" "$target"
}}
"""
_ACTIVATE = f"""\
activate() {{
    if [ "$(stat -c %a "$3" 2>/dev/null)" != "$2" ] || [ "$(checksum <"$3")" != "$1" ]; then
        if [ -n "${{4-}}" ]; then : >"$4"; fi
        place "$1" "$2" "{WAITING}$3" "$3"
        printf '%s\\n' "$3"
    fi
}}
"""
