"""How a shell script travels: as data on standard input, run whole or not at all.

A remote command line can be seen by every user of the machine (`ps`), and a shell that reads its script from a
connection starts to run it before all of it has come. So the command line holds only a small loader: it reads exactly
the script's bytes, checks that the last line came too, and then runs it. The rest of standard input is the script's.
"""

import secrets
import shlex
from dataclasses import dataclass

_END = "#kubeon:end"
_LOADER = f'''\
script=$(head -c %d)
case $script in
*"{_END}") eval "$script" ;;
*) echo "the script did not arrive whole" >&2; exit 74 ;;
esac'''
# sudo on the RHEL family drops /usr/local from PATH; LC_ALL keeps outputs that we parse in English.
_PRELUDE = """\
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
printf '%s\\n' {mark}
"""
# For what a user runs: the environment is the login's, and both outputs are marked, for both are shown.
_OWN_PRELUDE = """\
printf '%s\\n' {mark}
printf '%s\\n' {mark} >&2
"""


@dataclass(frozen=True)
class Parcel:
    """A script made ready to travel: the command line, the bytes for standard input, and the mark in its output."""

    command: str
    payload: bytes
    mark: str

    def output(self, stdout: str) -> str | None:
        """What the script printed, without what a login shell (~/.bashrc, banners) printed before it.

        None: it never began.
        """
        _, found, rest = stdout.partition(self.mark + "\n")
        return rest if found else None


def pack(script: str, *, sudo: bool = False, sudo_password: str | None = None, own: bool = False) -> Parcel:
    """Make a script ready to travel; with `sudo` it runs as root, for whom `sudo_password` is typed if given.

    With `own` it keeps the environment of the login, and the mark stands in both of its outputs.
    sudo -k makes sudo read the password every time, so that a cached credential never leaves it for the script to read.
    """
    mark = f"kubeon-{secrets.token_hex(8)}"
    prelude = _OWN_PRELUDE if own else _PRELUDE
    # names of files may hold bytes that are no text
    body = (prelude.format(mark=mark) + script.rstrip("\n") + "\n" + _END).encode(errors="surrogateescape")
    words = ["sh", "-c", _LOADER % len(body)] if own else ["env", "LC_ALL=C", "sh", "-c", _LOADER % len(body)]
    payload = body
    if sudo and sudo_password is not None:
        words = ["sudo", "-k", "-S", "-p", "", "--", *words]
        payload = sudo_password.encode() + b"\n" + body
    elif sudo:
        words = ["sudo", "-n", "--", *words]
    return Parcel(shlex.join(words), payload, mark)
