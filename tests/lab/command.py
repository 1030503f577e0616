"""Running programs for the lab: a list of words in, text out, an error that shows what the program said."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class LabError(Exception):
    """Something the lab needs did not work; the text says what, and what the program printed."""


def run(
    words: Sequence[str],
    *,
    stdin: str | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = 600,
) -> subprocess.CompletedProcess[str]:
    """Run one program and return its result; `timeout` in seconds. Raises LabError if it fails and `check` is set."""
    full = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            list(words),
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            env=full,
            cwd=cwd,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise LabError(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(words)}: no end after {timeout} s") from None
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(words)}: exit {done.returncode}: {said}")
    return done
