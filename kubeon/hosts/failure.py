"""Why a host's control plane or kubelet does not come up: one read-only script, parsed into values.

As with facts, missing is a value. What the values mean is judged in `kubeadm.failure`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any

from kubeon.hosts.gather import sections_of
from kubeon.hosts.looking import (
    Container,
    Disk,
    Unit,
    line_of,
    looking_library,
    number_of,
    parse_containers,
    parse_disks,
    parse_units,
)

SECONDS = 20  # for the whole script, which itself begins nothing after 12
_QUOTED = "| "
_CRI_LINE = re.compile(r"\S+ (?:stdout|stderr) [FP] ?")  # what the runtime puts before each line of a container
_FRACTION = re.compile(r"\.\d+")  # crictl prints nanoseconds, of which datetime knows no more than six digits


@dataclass(frozen=True)
class Exit:
    """A container of the system that has ended, in the time that counts."""

    name: str
    attempt: int
    code: int
    reason: str = ""  # Error, OOMKilled, Completed
    said: tuple[str, ...] = ()  # its last lines


@dataclass(frozen=True)
class Trouble:
    """What a host says. Empty or None: it did not say."""

    units: dict[str, Unit] = field(default_factory=dict)
    static_pods: tuple[str, ...] = ()  # files in /etc/kubernetes/manifests, without ".yaml"
    containers: tuple[Container, ...] | None = None  # of kube-system; None: the runtime did not say
    kubelet: tuple[str, ...] = ()  # its errors, as it has written them into the journal
    runtime: tuple[str, ...] = ()  # containerd's
    exits: tuple[Exit, ...] = ()  # the newest first
    disks: tuple[Disk, ...] = ()
    memory: tuple[int, int] | None = None  # KiB that are available, and in all


def failure_script(since: float, *, root: str = "") -> str:
    """The script; what is older than so many seconds does not count."""
    return looking_library("failure.sh", root=root, since=str(ceil(since)))


def parse_failure(text: str, since: float) -> Trouble:
    """Read what the script printed."""
    part = sections_of(text)
    return Trouble(
        units=parse_units(part.get("units", "")),
        static_pods=tuple(name.removesuffix(".yaml") for name in part.get("static-pods", "").split()),
        containers=parse_containers(part.get("containers", "")),
        kubelet=_quoted(part.get("kubelet-log", "")),
        runtime=_quoted(part.get("runtime-log", "")),
        exits=tuple(_exits(part, (number_of(line_of(part, "clock")) or 0) - since)),
        disks=parse_disks(part.get("disks", "")),
        memory=_memory(part.get("memory", "")),
    )


def _quoted(text: str) -> tuple[str, ...]:
    lines = (line[len(_QUOTED) :].rstrip() for line in text.splitlines() if line.startswith(_QUOTED))
    return tuple(line for line in lines if line)


def _exits(part: Mapping[str, str], begin: float) -> Iterator[Exit]:
    """In the order of the script: crictl lists the newest first."""
    for section, body in part.items():
        if section.startswith("exited "):
            try:
                status = json.loads(body)["status"]
                if _moment(str(status["finishedAt"])) >= begin:
                    yield _exit(status, part)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue


def _exit(status: Mapping[str, Any], part: Mapping[str, str]) -> Exit:
    log = _quoted(part.get(f"log {status.get('logPath')}", ""))
    return Exit(
        name=str(status["metadata"]["name"]),
        attempt=int(status["metadata"].get("attempt", 0)),
        code=int(status.get("exitCode", 0)),
        reason=str(status.get("reason", "")),
        said=tuple(_CRI_LINE.sub("", line, count=1) for line in log),
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(_FRACTION.sub("", text)).timestamp()


def _memory(text: str) -> tuple[int, int] | None:
    found = dict(re.findall(r"^Mem(Total|Available): +(\d{1,15}) kB$", text, re.MULTILINE))
    return (int(found["Available"]), int(found["Total"])) if len(found) == 2 else None
