"""What is read of hosts that may be ill, by whoever looks: units, disks, containers. `looking.sh` prints it."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Unit:
    """A systemd unit, in systemd's words."""

    name: str  # "kubelet"
    load: str = ""  # loaded, not-found, masked
    active: str = ""  # active, activating, inactive, failed
    sub: str = ""  # running, dead, auto-restart
    result: str = ""  # success, exit-code, signal ...
    exit_code: int = 0
    restarts: int = 0

    @property
    def runs(self) -> bool:
        """Is it up?"""
        return self.active in ("active", "reloading")


@dataclass(frozen=True)
class Disk:
    """The file system behind a folder."""

    folder: str
    mount: str  # where it is mounted; folders with the same one share it
    total_kib: int
    free_kib: int  # for ordinary users, as df says
    used_percent: int  # of space, or of inodes where those are scarcer
    scarce: str = "space"  # or "inodes"


@dataclass(frozen=True)
class Container:
    """The newest container of its name and pod."""

    name: str
    pod: str
    state: str  # running, exited, created, unknown
    attempt: int = 0


def looking_library(script: str, *, root: str = "", **variables: str) -> str:
    """The text of a script that needs looking.sh, with its variables."""
    folder = resources.files("kubeon.hosts")
    texts = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("looking.sh", script)]
    given = {"root": root, "deadline": "", **variables}
    return "".join([*(f"{name}={shlex.quote(value)}\n" for name, value in given.items()), *texts])


def lines_of(part: Mapping[str, str], name: str) -> list[str]:
    """Lines of a section that hold anything."""
    return [line.strip() for line in part.get(name, "").splitlines() if line.strip()]


def line_of(part: Mapping[str, str], name: str) -> str:
    """The first one; "" when there is none."""
    return next(iter(lines_of(part, name)), "")


def number_of(text: str) -> float | None:
    """A number that is one."""
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def parse_units(text: str) -> dict[str, Unit]:
    """What systemctl show printed, by name without ".service"."""
    units = {}
    for block in text.split("\n\n"):
        value = dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        name = value.get("Id", "").removesuffix(".service")
        if name:
            units[name] = Unit(
                name,
                value.get("LoadState", ""),
                value.get("ActiveState", ""),
                value.get("SubState", ""),
                value.get("Result", ""),
                int(number_of(value.get("ExecMainStatus", "")) or 0),
                int(number_of(value.get("NRestarts", "")) or 0),
            )
    return units


def parse_disks(text: str) -> tuple[Disk, ...]:
    """df's lines, two for each folder; a file system without a limit on inodes prints "-" for them."""
    found: dict[str, Disk] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 8 or not re.fullmatch(r"\d+%", words[6]):
            continue
        kind, folder, _, total, _, free, percent, mount = words[:8]
        used = int(percent.removesuffix("%"))
        if kind == "space" and total.isdigit() and free.isdigit():
            found[folder] = Disk(folder, mount, int(total), int(free), used)
        elif kind == "inodes" and folder in found and used > found[folder].used_percent:
            disk = found[folder]
            found[folder] = Disk(folder, mount, disk.total_kib, disk.free_kib, used, "inodes")
    return tuple(found.values())


def parse_containers(text: str) -> tuple[Container, ...] | None:
    """The newest of each name and pod, of crictl's JSON; None when it is none."""
    try:
        listed: list[dict[str, Any]] = json.loads(text)["containers"] or []
        newest: dict[tuple[str, str], Container] = {}
        for each in sorted(listed, key=lambda each: int(each["createdAt"])):
            name, pod = each["metadata"]["name"], each["labels"]["io.kubernetes.pod.name"]
            state = str(each["state"]).removeprefix("CONTAINER_").lower()
            newest[name, pod] = Container(name, pod, state, int(each["metadata"].get("attempt", 0)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return tuple(newest.values())
