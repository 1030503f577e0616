"""Files and folders of the control machine to hosts: one round trip that compares, one that sends what differs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from secrets import token_hex

from kubeon.cluster.options import UPLOADS
from kubeon.engine.phase import Phase
from kubeon.errors import UsageError
from kubeon.hosts.copying import (
    Compared,
    Entry,
    Kind,
    Wanted,
    compare_script,
    parse_compared,
    put_script,
    shown,
)
from kubeon.remote.execute import Reached
from kubeon.remote.local_files import blocks, sources
from kubeon.remote.transfer import Copying, Progress


def upload(paths: Sequence[str], dest: str) -> Sequence[Phase[Copying, Reached]]:
    """The phases of an upload. Looks at the sources now, once for all hosts. Raises UsageError."""
    found = sources(paths)
    entries, places = [entry for entry, _ in found], [place for _, place in found]
    alone = len(paths) == 1 and not dest.endswith("/") and len(entries) == 1 and entries[0].kind is not Kind.FOLDER
    alone = alone and not Path(paths[0]).is_dir()
    if not entries and not Path(paths[0]).is_dir():
        raise UsageError("there is nothing to copy")
    wanted = Wanted(dest, tuple(entries), parents=dest.endswith("/"), alone=alone)
    compared: dict[str, Compared] = {}
    return (_Compare(wanted, compared), _Send(wanted, compared, places))


class _Compare(Phase[Copying, Reached]):
    name = "compare"
    title = "Compare"

    def __init__(self, wanted: Wanted, compared: dict[str, Compared]) -> None:
        self._wanted, self._compared = wanted, compared
        self._script = compare_script(wanted)

    def run_on(self, ctx: Copying, host: Reached) -> Sequence[str]:
        output = ctx.run(host, self._script, "looking at what is there").decode(errors="replace")
        compared = parse_compared(self._wanted, output)
        self._compared[host.name] = compared
        ctx.answers[host.name].unchanged = sum(e.kind is not Kind.FOLDER for _, e in compared.of("same"))
        return ()


class _Send(Phase[Copying, Reached]):
    name = "send"
    title = "Send"
    limit = UPLOADS

    def __init__(self, wanted: Wanted, compared: dict[str, Compared], places: Sequence[Path]) -> None:
        self._wanted, self._compared, self._places = wanted, compared, places

    def run_on(self, ctx: Copying, host: Reached) -> Sequence[str]:
        compared = self._compared[host.name]
        changes = compared.of("new", "attributes")
        if not changes and compared.entries:
            return ()
        files = [(number, entry) for number, entry in compared.of("new") if entry.kind is Kind.FILE]
        size = sum(entry.size for _, entry in files)
        progress = Progress(ctx, host.name, size)
        script = put_script(self._wanted, compared, token_hex(6))
        ctx.run(host, script, "writing", stdin=self._content(files, progress))
        answer = ctx.answers[host.name]
        answer.copied, answer.size = sum(entry.kind is not Kind.FOLDER for _, entry in changes), size
        return tuple(shown(entry.path) for _, entry in changes)

    def _content(self, files: Sequence[tuple[int, Entry]], progress: Progress) -> Iterator[bytes]:
        for number, entry in files:
            for block in blocks(self._places[number], entry.size):
                yield block
                progress.add(len(block))
