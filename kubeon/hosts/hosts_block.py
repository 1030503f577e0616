"""kubeon's marked block in /etc/hosts: exact lines between two markers, and nothing else in the file is touched."""

import shlex
from collections.abc import Iterable, Sequence

Entry = tuple[str, Sequence[str]]
"""An address and its names."""


def begin_marker(cluster: str) -> str:
    """The line before the block."""
    return f"# BEGIN kubeon {cluster}"


def end_marker(cluster: str) -> str:
    """The line after the block."""
    return f"# END kubeon {cluster}"


def render_block(cluster: str, entries: Iterable[Entry]) -> str:
    """The block with its markers; "" when there are no entries."""
    lines = [f"{address} {' '.join(names)}" for address, names in entries]
    return "\n".join((begin_marker(cluster), *lines, end_marker(cluster), "")) if lines else ""


def parse_block(text: str, cluster: str) -> tuple[Entry, ...]:
    """The entries of a cluster's block in the text of /etc/hosts; none where it has no block."""
    _, begun, rest = f"\n{text}\n".partition(f"\n{begin_marker(cluster)}\n")
    inside, ended, _ = f"\n{rest}".partition(f"\n{end_marker(cluster)}\n")
    lines = (line.split() for line in inside.splitlines()) if begun and ended else ()
    return tuple((words[0], tuple(words[1:])) for words in lines if len(words) > 1)


def replace_block(text: str, cluster: str, entries: Iterable[Entry]) -> str:
    """The text of /etc/hosts with the block as it should be, where it was or else at the end; no entries: without it.

    A second block of the same name goes. Of a beginning without its end only that line goes, so that nothing that
    somebody else wrote can be lost. What the awk program in changes.sh does is the same; a test compares them.
    """
    lines = text.splitlines()
    block = render_block(cluster, entries).splitlines()
    begin, end = begin_marker(cluster), end_marker(cluster)
    kept: list[str] = []
    place = -1
    index = 0
    while index < len(lines):
        if lines[index] in (begin, end):
            place = len(kept) if place < 0 else place
            following = [i for i in range(index + 1, len(lines)) if lines[i] in (begin, end)]
            if lines[index] == begin and following and lines[following[0]] == end:
                index = following[0]
        else:
            kept.append(lines[index])
        index += 1
    place = len(kept) if place < 0 else place
    return "".join(f"{line}\n" for line in (*kept[:place], *block, *kept[place:]))


def block_call(cluster: str, entries: Iterable[Entry]) -> str:
    """The shell that makes it so, after the functions of changes.sh: prints a line when /etc/hosts changed."""
    block = render_block(cluster, entries)
    return f"ensure_hosts_block {shlex.quote(cluster)} <<'KUBEON_HOSTS'\n{block}KUBEON_HOSTS\n"
