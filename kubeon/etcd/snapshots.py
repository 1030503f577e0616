"""Snapshots on a host: how one is taken out of a running member, looked at, sent in pieces and cleared away.

Everything lies below /var/lib/etcd: that folder alone is the same for the host and for etcd's container.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubeon.errors import OperationError

DATA = "/var/lib/etcd"  # kubeadm's place for etcd's data; the members' own is its folder `member`
WORK = f"{DATA}/.kubeon-snapshot"
SNAPSHOT = f"{WORK}/snapshot.db"
ETCDUTL = "/usr/local/lib/kubeon/etcdutl"  # on hosts whose image of etcd has none
PIECE = 8 << 20  # bytes
RESERVE = 256  # MiB that have to stay free on etcd's disk: a full one stops the cluster

_SAVE = """\
rm -rf {work}
need=$(($(stat -c %s {data}/member/snap/db) / 1048576 + {reserve}))
free=$(df -Pk {data} | awk 'END {{ print int($4 / 1024) }}')
if [ "$free" -lt "$need" ]; then
    echo "{data} has $free MiB free, and a snapshot beside the data needs $need" >&2
    exit 1
fi
(umask 077 && mkdir {work}) || exit
trap 'code=$?; [ $code = 0 ] || rm -rf {work}' EXIT
(
{save}) >&2 || exit
"""
_DESCRIBE = """\
if (
{version}) >/dev/null 2>&1; then
(
{etcdutl})
elif [ -x {tool} ]; then
{tool} {words}
else
(
{etcdctl})
fi || exit
printf '\\n%s %s\\n' "$(sha256sum <{file} | cut -d' ' -f1)" "$(stat -c %s {file})"
"""
_SEND = "dd if={file} bs={piece} skip={number} count=1 2>/dev/null | gzip -1 | base64 -w 0\n"
CLEAR = f"rm -rf {WORK}\n"


@dataclass(frozen=True)
class Content:
    """What a snapshot file holds; `hash` is etcd's own over all keys, `size` in bytes."""

    revision: int
    hash: int
    keys: int
    sha256: str
    size: int


def save_script(save: str) -> str:
    """Take a snapshot: `save` is a script that writes SNAPSHOT. A failure leaves nothing behind."""
    return _SAVE.format(work=WORK, data=DATA, reserve=RESERVE, save=save)


def describe_script(inside: Callable[..., str], file: str = SNAPSHOT) -> str:
    """Print what `parse_content` reads. `inside` makes a script of words; etcd 3.6 has only etcdutl for this.

    Where its image lacks that, ETCDUTL has to be there (`cluster.etcdutl`).
    """
    words = ("snapshot", "status", file, "-w", "json")
    return _DESCRIBE.format(
        version=inside("etcdutl", "version"),
        etcdutl=inside("etcdutl", *words),
        etcdctl=inside("etcdctl", *words),
        tool=ETCDUTL,
        words=" ".join(words),
        file=file,
    )


def send_script(number: int) -> str:
    """Print a piece of the snapshot, packed and as text; nothing past its end."""
    return _SEND.format(file=SNAPSHOT, piece=PIECE, number=number)


def parse_content(output: str) -> Content:
    """What `describe_script` printed. Raises OperationError when etcd's tool, though it did not fail, told nothing."""
    found = [line for line in output.splitlines() if line.startswith("{") and '"revision"' in line]
    words = (output.splitlines() or [""])[-1].split()
    if not found or len(words) != 2:
        raise OperationError("etcd's tool does not say what the snapshot holds", why=output.strip()[-500:])
    status = json.loads(found[0])
    return Content(int(status["revision"]), int(status["hash"]), int(status["totalKey"]), words[0], int(words[1]))


def file_problem(path: Path) -> str:
    """Why a file on this machine is no whole snapshot; "" when it is one.

    etcd ends what it hands out with the SHA-256 of all before it; database pages are multiples of 512 bytes.
    """
    size, digest = path.stat().st_size, hashlib.sha256()
    if size % 512 != digest.digest_size:
        return "it does not end with etcd's checksum: it was cut off, or is a copy of a member's own file"
    with path.open("rb") as file:
        left = size - digest.digest_size
        while left and (block := file.read(min(left, 1 << 20))):
            digest.update(block)
            left -= len(block)
        return "" if file.read() == digest.digest() else "its content does not fit etcd's checksum at its end"
