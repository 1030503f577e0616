"""What hosts have said, on its way to a terminal."""

import json

import pytest

from kubeon.errors import CommandError, HostErrors, OperationError
from kubeon.printable import printable, visible

SAID = {
    "a report of kubeadm's": ("\x1b[0;37mCGROUPS_CPU\x1b[0m: \x1b[0;32menabled\x1b[0m\n", "CGROUPS_CPU: enabled\n"),
    "a title of the window": ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
    "a cleared screen": ("before\x1b[2Jafter", "beforeafter"),
    "one byte that begins a sequence": ("\x9b2J", "\\u009b2J"),
    "a line over another": ("w1: no\rok", "w1: no\\u000dok"),
    "lines of Windows": ("one\r\ntwo", "one\ntwo"),
    "writing turned round": ("\u202egnp.exe", "\\u202egnp.exe"),
    "half of what is no text": ("a\udcff", "a\\udcff"),
    "a sequence within one": ("\x1b[\x1b[0m2J", "\\u001b[2J"),
    "text": ("Überall\tgut ✓ 中文\n", "Überall\tgut ✓ 中文\n"),
}


@pytest.mark.parametrize(("text", "shown"), SAID.values(), ids=SAID)
def test_a_terminal_shows_and_does_not_obey(text: str, shown: str) -> None:
    """Colours go, and whatever else it would obey can be seen."""
    assert printable(text) == shown


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    """Of all that a string can hold."""
    everything = "".join(map(chr, range(0x110000)))

    left = [char for char in printable(everything) if not (char.isprintable() or char in "\n\t\xad")]

    assert not [
        char for char in left if ord(char) < 0xA0 or 0x2028 <= ord(char) <= 0x202E or 0xD800 <= ord(char) < 0xE000
    ]


def test_a_string_in_json_stays_what_it_is() -> None:
    """It is written another way."""
    value = {"stdout": "\x1b[31mred\x9b\x7f\u202e\t✓"}

    text = visible(json.dumps(value, ensure_ascii=False))

    assert json.loads(text) == value
    assert all(char.isprintable() for char in text)


def test_errors_hold_no_colours() -> None:
    """Whatever becomes of them: the screen, the log, the journal, JSON."""
    error = CommandError("kubeadm failed", command_exit_code=1, why="\x1b[0;31mno\x1b[0m", hint="\x07")
    several = HostErrors({"w1": error, "\x1b[1mw2": OperationError("x")})

    assert (error.why, error.said, error.hint) == ("no", "no", "\\u0007")
    assert several.why == "w1: kubeadm failed: no\nw2: x"
