"""Small text files that a host should hold, and the one script that makes it so."""

import hashlib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class File:
    """A text file as it should be on a host. A `secret` one is never shown in a plan, a log or an error."""

    path: str
    content: str = field(repr=False)
    mode: int = 0o644
    secret: bool = False

    def __post_init__(self) -> None:
        if self.content and not self.content.endswith("\n"):
            msg = f"{self.path}: a text file ends with a newline"
            raise ValueError(msg)


def ensure_files_script(files: Iterable[File], *, stamp: str = "") -> str:
    """A script that writes the files that differ, each whole or not at all, and prints the paths it changed.

    A file is written beside its place, with its mode, and renamed over it: a reader never sees half of it. `stamp` is a
    file (or several, with spaces between) made before the first change, which tells a later run that a restart is owed.
    The script ends at the first file that cannot be written.
    """
    return (
        f"stamp={shlex.quote(stamp)}\n"
        + _ENSURE
        + "".join(
            f"ensure_file {shlex.quote(file.path)} {file.mode:o} <<'{_end(file)}'\n{file.content}{_end(file)}\n"
            for file in files
        )
    )


def _end(file: File) -> str:
    return "KUBEON_" + hashlib.sha256(file.content.encode()).hexdigest()[:16]


_ENSURE = """\
ensure_file() {
    # hidden, because the kubelet takes every other file beside a static pod for one more
    temporary="${1%/*}/.${1##*/}.kubeon-new"
    # a full disk must not end in half a file under the right name
    # the file's own mode says who may read it, so folders are open
    if ! { (umask 022 && mkdir -p "${1%/*}") && (umask 077 && cat >"$temporary") && chmod "$2" "$temporary"; }; then
        rm -f "$temporary"
        printf '%s cannot be written\\n' "$1" >&2
        exit 1
    fi
    if [ "$(stat -c %a "$1" 2>/dev/null)" = "$2" ] && cmp -s "$temporary" "$1"; then
        rm -f "$temporary"
    else
        for owed in $stamp; do : >"$owed" || exit; done
        mv -f "$temporary" "$1" || exit
        printf '%s\\n' "$1"
    fi
}
"""
