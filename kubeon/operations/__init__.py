"""The table of contents: what each operation consists of."""

from kubeon.operations.addition import add
from kubeon.operations.base import (
    CreateResult,
    DestroyResult,
    NodeResult,
    Options,
    Plan,
    RemoveResult,
)
from kubeon.operations.creation import create, preflight
from kubeon.operations.destruction import destroy
from kubeon.operations.forgetting import ForgetResult, forget
from kubeon.operations.removal import remove
from kubeon.operations.renaming import RenameResult, rename
from kubeon.operations.steps import ADD, CREATE, REMOVE

__all__ = [
    "ADD",
    "CREATE",
    "REMOVE",
    "CreateResult",
    "DestroyResult",
    "ForgetResult",
    "NodeResult",
    "Options",
    "Plan",
    "RemoveResult",
    "RenameResult",
    "add",
    "create",
    "destroy",
    "forget",
    "preflight",
    "remove",
    "rename",
]
