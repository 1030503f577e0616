"""A user's command on a host: run so that it can be ended from afar, with all its children."""

import shlex
from collections.abc import Sequence
from importlib import resources

GRACE = 5  # seconds between SIGTERM and SIGKILL


def command_script(words: Sequence[str], *, size: int = 0) -> str:
    """A script that runs a command on the first `size` bytes of standard input and ends with its exit code.

    One word alone is a line for the shell, several are a program and its arguments as they are. The command is ended
    when standard input ends; what has made itself a daemon of another session by then lives on.
    """
    whole = ["sh", "-c", words[0]] if len(words) == 1 else ["sh", "-c", 'exec "$@"', "sh", *words]
    head = f"size={size} grace={GRACE}\nset -- {shlex.join(whole)}\n"
    return head + resources.files("kubeon.hosts").joinpath("command.sh").read_text(encoding="utf-8")
