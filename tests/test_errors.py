"""Exit codes of many hosts' errors."""

import pytest

from kubeon.errors import BlockedError, BundleError, CommandError, HostErrors, KubeonError

FULL = CommandError("no room", command_exit_code=1)
MISSING = BundleError("404")
WAITED = BlockedError("stopped before Join")


@pytest.mark.parametrize(
    ("errors", "exit_code"),
    [
        ((FULL, FULL), 5),
        ((MISSING, MISSING), 7),
        ((MISSING, WAITED), 7),
        ((FULL, MISSING), 5),
        ((FULL, WAITED), 5),
    ],
)
def test_hosts_that_fail_for_one_reason_keep_its_exit_code(errors: tuple[KubeonError, ...], exit_code: int) -> None:
    """A mirror that lacks a file is no host's fault, however many hosts wanted it."""
    together = HostErrors({f"host{number}": error for number, error in enumerate(errors)})

    assert together.exit_code == exit_code
