"""How a host is right now: one read-only script, one round trip, parsed into values. `kubeon cluster-info` asks it.

As with facts, missing is a value: an answer that was cut off after some sections gives what those say.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubeon.hosts.gather import sections_of
from kubeon.hosts.looking import (
    Container,
    Disk,
    Unit,
    line_of,
    lines_of,
    looking_library,
    number_of,
    parse_containers,
    parse_disks,
    parse_units,
)
from kubeon.hosts.marks import UNMARKED, Mark

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
class Answer:
    """What a script printed that only some hosts are asked to run."""

    text: str
    exit_code: int | None  # None: it had not ended when the answer was cut off
    said: str = ""  # the end of its standard error, where programs warn beside a good answer

    @property
    def well(self) -> bool:
        """Did it end well?"""
        return self.exit_code == 0

    @property
    def why(self) -> str:
        """Its last line, of standard error where there is one; for when it did not."""
        lines = [line.strip() for text in (self.text, self.said) for line in text.splitlines() if line.strip()]
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
    mark: Mark = UNMARKED
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
    library = looking_library("health.sh", root=root)
    calls = "".join(f"ask {name} {seconds} <<'{_END}'\n{text}{_END}\n" for name, (seconds, text) in asked.items())
    return f"{library}{calls}{_LAST}"


def parse_health(text: str, sent: datetime, received: datetime) -> HostHealth:
    """Read what the script printed; it was sent and had answered at these moments of the control machine's clock."""
    part = sections_of(text)
    return HostHealth(
        hostname=line_of(part, "hostname"),
        os_name=_os_name(part.get("os-release", "")),
        kernel=line_of(part, "kernel"),
        uptime=number_of(line_of(part, "uptime").partition(" ")[0]),
        mark=Mark.parse(line_of(part, "cluster-marker")),
        units=parse_units(part.get("units", "")),
        kubelet_says=["", *lines_of(part, "kubelet-says")][-1],
        disks=parse_disks(part.get("disks", "")),
        static_pods=tuple(line.removesuffix(".yaml") for line in lines_of(part, "static-pods")),
        containers=parse_containers(part.get("containers", "")),
        certificates=_certificates(part.get("certificates", "")),
        clock=_clock(line_of(part, "clock-first"), line_of(part, "clock-last"), sent, received),
        answers=dict(_answers(part)),
        complete="end" in part,
    )


def _os_name(text: str) -> str:
    match = re.search(r"^PRETTY_NAME=(.*)$", text, re.MULTILINE)
    return match[1].strip("\"' ") if match else ""


def _certificates(text: str) -> dict[str, bytes]:
    parts = re.split(r"^file (\S+)\n", text, flags=re.MULTILINE)[1:]
    pairs: Iterable[tuple[str, str]] = zip(parts[::2], parts[1::2], strict=True)
    return {path: pem.encode() for path, pem in pairs if "-----END CERTIFICATE-----" in pem}


def _answers(part: Mapping[str, str]) -> Iterator[tuple[str, Answer]]:
    for section, body in part.items():
        asked, _, name = section.partition(" ")
        if asked == "ask":
            match = _EXIT.search(body)
            code = int(match[1]) if match else None
            yield name, Answer(_EXIT.sub("", body).strip("\n"), code, part.get(f"said {name}", "").strip())


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
