"""python -m tests.ssh.loopback ...: kubeon, for which every host 10.a.b.c is 127.a.b.c, where the tests' sshd listens.

A cluster's nodes cannot have loopback addresses, and other ones would have to be given to this machine by root.
"""

from dataclasses import replace
from typing import Any

import pytest

from kubeon import cli
from kubeon.cluster.look import target_of
from kubeon.remote import cp, execute
from kubeon.transport.login import Target


def redirected(*given: Any) -> Target:
    """How to log in to a node, on loopback."""
    target = target_of(*given)
    return replace(target, address=f"127.{target.address.partition('.')[2]}")


def redirect(patch: pytest.MonkeyPatch) -> None:
    """From now on."""
    patch.setattr(execute, "target_of", redirected)
    patch.setattr(cp, "target_of", redirected)


if __name__ == "__main__":
    redirect(pytest.MonkeyPatch())
    cli.main()
