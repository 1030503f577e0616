"""Writing the user's kubeconfig: whole or not at all, once backed up, never beside kubectl."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubeon.errors import StateError
from kubeon.kube.kubeconfig import check, has, merge, remove, rename
from kubeon.waiting import SYSTEM_CLOCK, Clock, wait_until

BACKUP = ".kubeon-backup"
LOCK_WAIT = 10  # seconds
_OTHER = "or leave it alone: --no-kubeconfig; or use another one: --kubeconfig FILE"


def write_merged(
    path: Path,
    cluster_name: str,
    admin_text: str,
    server: str,
    *,
    switch: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> bool:
    """Merge a cluster into the kubeconfig at `path` (see `kubeconfig.merge`) and say whether it changed.

    A symbolic link is followed, not replaced. The file as it was before kubeon first changed it is kept beside it as
    NAME.kubeon-backup. Raises StateError when the file cannot be merged into, read, written, or is locked; then it
    is as before.
    """
    return _write(path, lambda text: merge(text, cluster_name, admin_text, server, switch=switch), clock)


def write_updated(path: Path, cluster_name: str, admin_text: str, server: str, *, clock: Clock = SYSTEM_CLOCK) -> bool:
    """`write_merged` where the kubeconfig has the cluster already; one that does not is left alone."""

    def change(text: str | None) -> str:
        known = text or ""
        return merge(known, cluster_name, admin_text, server) if has(known, cluster_name) else known

    return path.exists() and _write(path, change, clock)


def check_mergeable(path: Path, cluster_name: str, authority_pem: str) -> None:
    """Raise StateError when `write_merged` could not do its work, as far as reading tells: before anything is begun."""
    target = path.resolve()
    try:
        text = target.read_text(encoding="utf-8") if target.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"cannot read the kubeconfig {path}", why=str(error), hint=_OTHER) from error
    folder = next(parent for parent in target.parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise StateError(f"cannot write the kubeconfig {path}", why=f"{folder} cannot be written", hint=_OTHER)
    try:
        check(text, cluster_name, authority_pem)
    except StateError as error:
        error.hint = error.hint or _OTHER
        error.what = error.what.replace("the kubeconfig", f"the kubeconfig {path}", 1)
        raise


def write_removed(path: Path, cluster_name: str, *, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Take a cluster out of the kubeconfig at `path` (see `kubeconfig.remove`) and say whether it changed.

    Raises StateError as `write_merged` does; a file that does not exist is left so.
    """
    return path.exists() and _write(path, lambda text: remove(text or "", cluster_name), clock)


def write_renamed(path: Path, old: str, new: str, *, clock: Clock = SYSTEM_CLOCK) -> bool:
    """Give a cluster another name in the kubeconfig at `path` (see `kubeconfig.rename`) and say whether it changed.

    Raises StateError as `write_merged` does; a file that does not exist is left so.
    """
    return path.exists() and _write(path, lambda text: rename(text or "", old, new), clock)


def check_renamable(path: Path, old: str, new: str) -> None:
    """Raise StateError when `write_renamed` could not do its work, as far as reading tells."""
    try:
        rename(path.read_text(encoding="utf-8") if path.exists() else "", old, new)
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"cannot read the kubeconfig {path}", why=str(error), hint=_OTHER) from error


def _write(path: Path, change: Callable[[str | None], str], clock: Clock) -> bool:
    target = path.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock(target, clock):
            before = target.read_text(encoding="utf-8") if target.exists() else None
            after = change(before)
            if after == before:
                return False
            if before is not None:
                _back_up(target, before)
            _replace(target, after)
            return True
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"cannot update the kubeconfig {path}", why=str(error)) from error


@contextmanager
def _lock(target: Path, clock: Clock) -> Iterator[None]:
    """kubectl's own lock (client-go/tools/clientcmd/loader.go: lockFile), so that neither loses the other's change."""
    lock = target.with_name(target.name + ".lock")

    def taken() -> bool:
        with suppress(FileExistsError):
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
            return True
        return False

    if not wait_until(taken, seconds=LOCK_WAIT, clock=clock):
        raise StateError(
            f"the kubeconfig {target} is locked", why=f"{lock} exists", hint=f"if no kubectl is running: rm {lock}"
        )
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _back_up(target: Path, text: str) -> None:
    backup = target.with_name(target.name + BACKUP)
    if not backup.exists():
        _replace(backup, text, like=target)


def _replace(target: Path, text: str, *, like: Path | None = None) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mkstemp: mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _keep_owner(like or target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _keep_owner(old: Path, new: Path) -> None:
    """With sudo, the file would become root's and the user could not read it any more."""
    with suppress(FileNotFoundError, PermissionError):
        status = old.stat()
        os.chown(new, status.st_uid, status.st_gid)
