"""How a host is right now: one read-only script, one round trip, parsed into values. `kubeon cluster-info` asks it.

As with facts, missing is a value: an answer that was cut off after some sections gives what those say.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from typing import Any

from kubeon.hosts.gather import sections_of

GIVEN_UP = (124, 143)  # exit codes of timeout, coreutils' and busybox'
_EXIT = re.compile(r"\n?@@exit (\d+)\s*\Z")
_END = "KUBEON_ASK"
_LAST = """\
section clock-last
date +%s.%N
section end
exit 0
"""


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


@dataclass(frozen=True)
class Answer:
    """What a script printed that only some hosts are asked to run."""

    text: str
    exit_code: int | None  # None: it had not ended when the answer was cut off

    @property
    def well(self) -> bool:
        """Did it end well?"""
        return self.exit_code == 0

    @property
    def why(self) -> str:
        """Its last line; for when it did not."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        if self.exit_code in (None, *GIVEN_UP):
            return "it does not answer in time"
        return lines[-1] if lines else f"exit code {self.exit_code}"


@dataclass(frozen=True)
class HostHealth:
    """What one host says of itself. Empty or None: it did not say."""

    hostname: str = ""
    os_name: str = ""
    kernel: str = ""
    uptime: float | None = None  # seconds
    cluster_marker: str = ""
    units: dict[str, Unit] = field(default_factory=dict)
    kubelet_says: str = ""  # the last line of its journal, where it does not run
    disks: tuple[Disk, ...] = ()
    static_pods: tuple[str, ...] = ()  # files in /etc/kubernetes/manifests, without ".yaml"
    containers: tuple[Container, ...] | None = None  # of kube-system; None: the runtime did not say
    certificates: dict[str, bytes] = field(default_factory=dict)  # path: PEM
    # The host's clock minus the control machine's lies between these, in seconds. Sure, however slow the network is.
    clock: tuple[float, float] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)  # of the scripts asked besides, by name
    complete: bool = False  # the answer came whole


def health_script(asked: Mapping[str, tuple[int, str]], *, root: str = "") -> str:
    """The script. `asked` are more read-only scripts by name, each with the seconds that it gets."""
    library = resources.files("kubeon.hosts").joinpath("health.sh").read_text(encoding="utf-8")
    calls = "".join(f"ask {name} {seconds} <<'{_END}'\n{text}{_END}\n" for name, (seconds, text) in asked.items())
    return f"root={shlex.quote(root)}\n{library}{calls}{_LAST}"


def parse_health(text: str, sent: datetime, received: datetime) -> HostHealth:
    """Read what the script printed; it was sent and had answered at these moments of the control machine's clock."""
    part = sections_of(text)
    return HostHealth(
        hostname=_line(part, "hostname"),
        os_name=_os_name(part.get("os-release", "")),
        kernel=_line(part, "kernel"),
        uptime=_number(_line(part, "uptime").partition(" ")[0]),
        cluster_marker=_line(part, "cluster-marker"),
        units=_units(part.get("units", "")),
        kubelet_says=["", *_lines(part, "kubelet-says")][-1],
        disks=_disks(part.get("disks", "")),
        static_pods=tuple(line.removesuffix(".yaml") for line in _lines(part, "static-pods")),
        containers=_containers(part.get("containers", "")),
        certificates=_certificates(part.get("certificates", "")),
        clock=_clock(_line(part, "clock-first"), _line(part, "clock-last"), sent, received),
        answers={name.removeprefix("ask "): _answer(body) for name, body in part.items() if name.startswith("ask ")},
        complete="end" in part,
    )


def _lines(part: Mapping[str, str], name: str) -> list[str]:
    return [line.strip() for line in part.get(name, "").splitlines() if line.strip()]


def _line(part: Mapping[str, str], name: str) -> str:
    return next(iter(_lines(part, name)), "")


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else None


def _os_name(text: str) -> str:
    match = re.search(r"^PRETTY_NAME=(.*)$", text, re.MULTILINE)
    return match[1].strip("\"' ") if match else ""


def _units(text: str) -> dict[str, Unit]:
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
                int(_number(value.get("ExecMainStatus", "")) or 0),
                int(_number(value.get("NRestarts", "")) or 0),
            )
    return units


def _disks(text: str) -> tuple[Disk, ...]:
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


def _containers(text: str) -> tuple[Container, ...] | None:
    try:
        listed: list[dict[str, Any]] = json.loads(text)["containers"] or []
        newest: dict[tuple[str, str], Container] = {}
        for each in sorted(listed, key=lambda each: int(each["createdAt"])):
            name, pod = each["metadata"]["name"], each["labels"]["io.kubernetes.pod.name"]
            state = str(each["state"]).removeprefix("CONTAINER_").lower()
            newest[name, pod] = Container(name, pod, state, int(each["metadata"].get("attempt", 0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(newest.values())


def _certificates(text: str) -> dict[str, bytes]:
    parts = re.split(r"^file (\S+)\n", text, flags=re.MULTILINE)[1:]
    pairs: Iterable[tuple[str, str]] = zip(parts[::2], parts[1::2], strict=True)
    return {path: pem.encode() for path, pem in pairs if "-----END CERTIFICATE-----" in pem}


def _answer(text: str) -> Answer:
    match = _EXIT.search(text)
    return Answer(_EXIT.sub("", text).strip("\n"), int(match[1]) if match else None)


def _clock(first: str, last: str, sent: datetime, received: datetime) -> tuple[float, float] | None:
    """Its first reading was taken after `sent`, its last one before `received`, whatever took how long."""
    begin, end = _reading(first), _reading(last or first)
    if begin is None or end is None:
        return None
    low, high = end[0] - received.timestamp(), begin[1] - sent.timestamp()
    return (low, high) if low <= high else None


def _reading(text: str) -> tuple[float, float] | None:
    """A date that knows no %N gives whole seconds: any moment of that second."""
    match = re.match(r"(\d+)(\.\d+)?", text)
    if not match:
        return None
    whole = float(match[1])
    return (whole + float(match[2]),) * 2 if match[2] else (whole, whole + 1)
