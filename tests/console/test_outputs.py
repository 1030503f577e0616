"""Output of commands on many hosts."""

import pytest

from kubeon.console.outputs import LONGEST, MOST, Folded, Kept, Streamed, folded
from kubeon.errors import KubeonError


class Written:
    """What was written, in order."""

    def __init__(self) -> None:
        self.out, self.err = b"", b""

    def __call__(self, data: bytes, is_error: bool) -> None:
        """Remember it."""
        if is_error:
            self.err += data
        else:
            self.out += data


def test_lines_are_passed_on_whole() -> None:
    """However they are cut up on their way; hosts and streams do not mix."""
    written = Written()
    streamed = Streamed(written)

    for host, data, is_error in (
        ("w1", b"on", False),
        ("w2", b"two\nthr", False),
        ("w1", b"bad\n", True),
        ("w1", b"e\n\nand ", False),
        ("w2", b"ee\n", False),
    ):
        streamed.output(host, data, is_error)
    streamed.ended("w1", "")
    streamed.ended("w2", "")

    assert written.out == b"w2: two\nw1: one\nw1: \nw2: three\nw1: and \n"
    assert written.err == b"w1: bad\n"


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    """Memory is bounded by the longest line."""
    written = Written()
    streamed = Streamed(written)

    for _ in range(3 * LONGEST // 1000):
        streamed.output("w1", b"x" * 1000, False)
    before = len(written.out)
    streamed.ended("w1", "")

    assert before > 2 * LONGEST
    assert written.out.count(b"x") == 3 * LONGEST // 1000 * 1000


def test_too_much_is_not_kept() -> None:
    """Where output waits for its end there is a limit, and the error says what to do."""
    kept = Kept()
    kept.output("w1", bytes(MOST), False)

    with pytest.raises(KubeonError, match="more than 64 MiB of output") as caught:
        kept.output("w1", b"x", False)

    assert "--group" in caught.value.hint


def test_the_same_is_shown_once_and_most_first() -> None:
    """How it ended belongs to what is the same."""
    written = Written()
    fold = Folded(written)
    for number, (out, how) in enumerate([(b"a", ""), (b"b\n", ""), (b"b\n", ""), (b"b\n", "exit code 1")], 1):
        fold.output(f"w{number}", out, False)
        fold.ended(f"w{number}", how)

    fold.finish()

    assert written.out == b"==> w[2-3] (2 hosts) <==\nb\n==> w1 <==\na\n==> w4: exit code 1 <==\nb\n"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["w1"], "w1"),
        (["w3", "w1", "w2", "cp1"], "cp1,w[1-3]"),
        (["w9", "w10", "w12"], "w[9-10,12]"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n9", "n010"], "n[9,010]"),
        (["a-1.x", "a-2.x", "a-1.y"], "a-[1-2].x,a-1.y"),
        (["alpha", "beta"], "alpha,beta"),
    ],
)
def test_names_in_short(names: list[str], short: str) -> None:
    """As clush and pdsh write them."""
    assert folded(names) == short
