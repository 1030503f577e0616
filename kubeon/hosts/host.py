"""One machine behind one node: what kubeon asks of it and changes on it."""

import base64
import shlex
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from kubeon.errors import CommandError, ConnectError, LostError
from kubeon.hosts.facts import Facts
from kubeon.hosts.files import File, ensure_files_script
from kubeon.spec.model import NodeSpec
from kubeon.transport.base import Result, Transport

# Scripts that change a host hold this lock (on a folder that always exists, so that asking leaves no file behind):
# a script whose kubeon was killed goes on by itself, and the next run waits for its end before it looks at the host.
# Who waits for longer than a moment says for what: a script that changes a host notes what it is, and since when.
BUSY = 75  # exit code of a script that has waited for another one in vain, and done nothing
_LOCK = f"""\
exec 9</run
if ! flock {{mode}} -w 2 9; then
    flock -s -n 9 || echo "@@kubeon waits $(date +%s) $(cat /run/kubeon-busy 2>/dev/null)"
    if ! flock {{mode}} -w {{seconds}} 9; then
        echo "a command of an earlier run is still busy on this host: $(cut -d ' ' -f 2- /run/kubeon-busy)" >&2
        exit {BUSY}
    fi
fi
"""
_BUSY = """\
echo "$(date +%s)" {what} >/run/kubeon-busy
"""
_WAITS = "@@kubeon waits "
_UNIT = """
reload=
if ! systemctl is-enabled --quiet {unit}; then
    systemctl enable --quiet --no-reload {unit} && echo "{unit} enabled" || exit
    reload=yes
fi
if [ -e {stamp} ] || [ "$reload" ]; then systemctl daemon-reload; fi
if [ -e {stamp} ] && systemctl is-active --quiet {unit}; then
    systemctl restart {unit} && echo "{unit} restarted" || exit
elif [ -n "{start}" ] && ! systemctl is-active --quiet {unit}; then
    systemctl start {unit} && echo "{unit} started" || exit
fi
rm -f {stamp}
"""
LOCK_WAIT = 240  # seconds
SESSIONS = 8  # scripts at once over one connection; sshd allows 10 unless it was told otherwise (MaxSessions)
ERROR_LINES, SAID_LINES = 12, 200  # of what a script that fails has said: for the screen, and for whoever looks closer


class Host:
    """A machine, reached through one connection. The bootstrap node is asked by all lanes, a few at a time."""

    def __init__(self, node: NodeSpec, name: str, transport: Transport) -> None:
        self.node = node
        self.name = name  # the node's name
        self.address = str(node.address)
        self.transport = transport
        self.facts = Facts()
        self.used_password = False  # the login was by password, so no key of ours was there
        self.on_wait: Callable[[str], None] = lambda text: None  # told for what a script of ours waits here
        self._sessions = threading.Semaphore(SESSIONS)

    def __repr__(self) -> str:
        return f"Host({self.name!r}, {self.address!r})"

    def ask(
        self,
        script: str,
        *,
        timeout: float = 60,
        what: str = "",
        stdin: Sequence[bytes] = (),
        wait: bool = True,
        again: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run a script that changes nothing on the host itself and return its standard output.

        With `wait` it waits for the end of whatever changes the host just now. `on_line` gets each line as it comes.
        When the connection is lost it is run once more, over a new one, unless `again` is off; not with `on_line`,
        which has had lines.
        Raises CommandError when it fails.
        """
        if wait:
            script, timeout = _LOCK.format(mode="-s", seconds=LOCK_WAIT) + script, timeout + LOCK_WAIT
        try:
            return self._run(script, stdin, timeout, what, on_line, waits=wait)
        except LostError:
            if on_line or not again:
                raise
            return self._run(script, stdin, timeout, what, on_line, waits=wait)

    def change(
        self,
        script: str,
        *,
        timeout: float = 300,
        what: str = "",
        stdin: Iterable[bytes] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """Run a script that changes the host, alone on it, and return its standard output.

        `what` says in an error what was tried ("install packages"). Raises CommandError when the script fails.
        """
        alone = _LOCK.format(mode="-x", seconds=LOCK_WAIT) + _BUSY.format(what=shlex.quote(what or "a command"))
        return self._run(alone + script, stdin, timeout + LOCK_WAIT, what, on_line, waits=True)

    def command(self, *words: str, timeout: float = 300, what: str = "") -> str:
        """Run one command (quoted here, once) that changes the host, and return its standard output."""
        return self.change(shlex.join(words) + "\n", timeout=timeout, what=what or " ".join(words[:2]))

    def read_files(self, paths: Iterable[str]) -> dict[str, bytes]:
        """What these files hold, by path; a file that is not there is left out."""
        script = "".join(
            f"if [ -f {path} ]; then printf '%s ' {path}; base64 <{path} | tr -d '\\n'; echo; fi\n"
            for path in map(shlex.quote, paths)
        )
        lines = (line.partition(" ") for line in self.ask(script, what="read files").splitlines())
        return {path: base64.b64decode(content) for path, _, content in lines}

    def ensure_files(self, files: Iterable[File], *, what: str = "write files") -> list[str]:
        """Write the files that differ and return their paths."""
        return _paths(self.change(ensure_files_script(files), what=what))

    def ensure_unit(self, unit: str, files: Iterable[File], *, start: bool = True) -> list[str]:
        """Write a unit's files, enable it, start it, and restart it when a file of its changed; return what changed.

        A restart that is still owed from a run that was cut off is made up for.
        """
        stamp = restart_stamp(unit)
        script = ensure_files_script(files, stamp=stamp)
        script += _UNIT.format(unit=unit, stamp=stamp, start="yes" if start else "")
        return self.change(script, what=f"start {unit}").splitlines()

    def _run(
        self,
        script: str,
        stdin: Iterable[bytes],
        timeout: float,
        what: str,
        on_line: Callable[[str], None] | None,
        *,
        waits: bool,
    ) -> str:
        def pass_on(line: str) -> None:
            if line.startswith(_WAITS):
                self.on_wait(_waiting(line))
            elif on_line:
                on_line(line)

        listens = pass_on if on_line or waits else None
        try:
            with self._sessions:
                result = self.transport.run(script, stdin=stdin, timeout=timeout, on_line=listens)
        except ConnectError as error:
            error.host = self.name
            raise
        if result.stdout.startswith(_WAITS):
            result = replace(result, stdout=result.stdout.partition("\n")[2])
        if result.exit_code:
            raise CommandError(
                f"{what or 'a command'} failed (exit code {result.exit_code})",
                command_exit_code=result.exit_code,
                why=last_lines(result),
                said=last_lines(result, SAID_LINES),
                host=self.name,
            )
        return result.stdout


def restart_stamp(unit: str) -> str:
    """A file that says that this unit runs with what was before, until `ensure_unit` has restarted it."""
    return f"/run/kubeon-restart-{unit}"


def _waiting(line: str) -> str:
    """Of what a script says that waits: the time there, since when the other one is busy, and what it is."""
    now, since, what = [*line.removeprefix(_WAITS).split(" ", 2), "", ""][:3]
    ago = f", which began {int(now) - int(since)} s ago" if since.isdecimal() else ""
    return f"waits for a command of an earlier run to end: {what or 'not known which'}{ago}"


def _paths(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("/")]


def last_lines(result: Result, count: int = ERROR_LINES) -> str:
    """The last lines that a failed script printed: standard error, or standard output when that is empty."""
    text = result.stderr.strip() or result.stdout.strip()
    return "\n".join(text.splitlines()[-count:])
