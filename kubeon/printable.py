"""Text that others have said, hosts above all, made fit for a terminal: it is shown there, and never obeyed."""

import re

_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48's CSI sequences: colours, and where the cursor goes
# Controls of ASCII but newline and tab, DEL, C1 (U+009B begins a sequence, too), separators of lines, what turns the
# direction of writing round, and halves of what is no text.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Without colours; what else a terminal would obey is made visible."""
    return visible(_COLOURS.sub("", text.replace("\r\n", "\n")))


def visible(text: str) -> str:
    """Controls as \\u001b: in a text of JSON its strings are the same as before."""
    return _UNSEEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
