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
from kubeon.operations.certificates import RenewResult, wanted_certificates
from kubeon.operations.certificates import renew as renew_certificates
from kubeon.operations.copying import CopyResult, copy
from kubeon.operations.creation import create, preflight
from kubeon.operations.destruction import destroy
from kubeon.operations.etcd import DefragResult, EtcdReport, MemberReport, defragment, etcd_report
from kubeon.operations.etcd_restore import RestoreResult, restore_snapshot
from kubeon.operations.etcd_snapshots import SnapshotResult, list_snapshots, take_snapshot
from kubeon.operations.execution import ExecResult, execute
from kubeon.operations.forgetting import ForgetResult, forget
from kubeon.operations.inspection import Inspection
from kubeon.operations.inspection import Shown as ShownCertificate
from kubeon.operations.inspection import inspect as inspect_certificates
from kubeon.operations.removal import remove
from kubeon.operations.renaming import RenameResult, rename
from kubeon.operations.rotation import Pods, RotateResult
from kubeon.operations.rotation import check_names as check_authorities
from kubeon.operations.rotation import rotate as rotate_authorities
from kubeon.operations.steps import ADD, ADOPT, CREATE, REMOVE, RENEW
from kubeon.operations.switching import SwitchResult, switch
from kubeon.operations.upgrading import upgrade

__all__ = [
    "ADD",
    "ADOPT",
    "CREATE",
    "REMOVE",
    "RENEW",
    "CopyResult",
    "CreateResult",
    "DefragResult",
    "DestroyResult",
    "EtcdReport",
    "ExecResult",
    "ForgetResult",
    "Inspection",
    "MemberReport",
    "NodeResult",
    "Options",
    "Plan",
    "Pods",
    "RemoveResult",
    "RenameResult",
    "RenewResult",
    "RestoreResult",
    "RotateResult",
    "ShownCertificate",
    "SnapshotResult",
    "SwitchResult",
    "UpgradeResult",
    "add",
    "adopt",
    "check_authorities",
    "copy",
    "create",
    "defragment",
    "destroy",
    "etcd_report",
    "execute",
    "forget",
    "information",
    "inspect_certificates",
    "list_snapshots",
    "preflight",
    "remove",
    "rename",
    "renew_certificates",
    "restore_snapshot",
    "rotate_authorities",
    "switch",
    "take_snapshot",
    "upgrade",
    "wanted_certificates",
]
