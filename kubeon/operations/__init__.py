"""The table of contents: what each operation consists of."""

from kubeon.operations import information
from kubeon.operations.addition import add
from kubeon.operations.adoption import adopt
from kubeon.operations.base import (
    CreateResult,
    DestroyResult,
    NodeResult,
    Options,
    Plan,
    RemoveResult,
    UpgradeResult,
)
from kubeon.operations.copying import CopyResult, copy
from kubeon.operations.creation import create, preflight
from kubeon.operations.destruction import destroy
from kubeon.operations.etcd import DefragResult, EtcdReport, MemberReport, defragment, etcd_report
from kubeon.operations.etcd_restore import RestoreResult, restore_snapshot
from kubeon.operations.etcd_snapshots import SnapshotResult, list_snapshots, take_snapshot
from kubeon.operations.execution import ExecResult, execute
from kubeon.operations.forgetting import ForgetResult, forget
from kubeon.operations.removal import remove
from kubeon.operations.renaming import RenameResult, rename
from kubeon.operations.steps import ADD, ADOPT, CREATE, REMOVE
from kubeon.operations.upgrading import upgrade

__all__ = [
    "ADD",
    "ADOPT",
    "CREATE",
    "REMOVE",
    "CopyResult",
    "CreateResult",
    "DefragResult",
    "DestroyResult",
    "EtcdReport",
    "ExecResult",
    "ForgetResult",
    "MemberReport",
    "NodeResult",
    "Options",
    "Plan",
    "RemoveResult",
    "RenameResult",
    "RestoreResult",
    "SnapshotResult",
    "UpgradeResult",
    "add",
    "adopt",
    "copy",
    "create",
    "defragment",
    "destroy",
    "etcd_report",
    "execute",
    "forget",
    "information",
    "list_snapshots",
    "preflight",
    "remove",
    "rename",
    "restore_snapshot",
    "take_snapshot",
    "upgrade",
]
