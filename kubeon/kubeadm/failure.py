"""What counts of what kubeadm said when it failed, and the one reason behind it, of what its host says. Pure.

kubeadm waits for what the kubelet and the runtime are to bring up, and when that does not come it only knows that its
time is over.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from kubeon.hosts.failure import Exit, Trouble

LINES, LONGEST = 12, 400  # of kubeadm's words on the screen; characters of another program's words
# The kubelet's thresholds (evictionHard) that kubeadm leaves as they are: imagefs.available 15 %, memory 100 MiB.
DISK_PRESSURE, MEMORY_PRESSURE = 85, 100 << 10
_ORDER = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")  # each needs those before it

# A failed check in RunChecks (cmd/kubeadm/app/preflight/checks.go), and how kubeadm ends (HandleError in
# cmd/kubeadm/app/util/errors; v1.20 has no "error: " before it, and FATAL in the errors of an upgrade).
_COUNTS = re.compile(r"\s*\[ERROR |error: |error execution phase |.*\bFATAL\b")
_NOISE = re.compile(r"\s*\[|[IWE]\d{4} |To see the stack trace")
_KLOG = re.compile(r"[EF]\d{4} \S+ +\d+ [^\]]*\] ")
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
_MESSAGE = re.compile(r'"(?:[^"\\]|\\.)*"')
_LAST = re.compile(r'Error: |panic: |F\d{4} |E\d{4} |.*"level":"(?:error|panic|fatal)"')  # words of one that ends
_BY_DESIGN = re.compile(r"leader ?election lost", re.IGNORECASE)  # a manager whose API server went: it starts again
_WRAPPED = re.compile(
    r'^failed to "\w+" for .*? with \w+: |^"?Failed to create sandbox for pod \S+ |rpc error: code = \w+ desc = '
)
# Kinds of errors in pkg/kubelet/container/sync_result.go and pkg/kubelet/images/types.go, and containerd's own words.
_CREATION = {
    r"CreatePodSandbox|create sandbox|RunPodSandbox": "no sandbox can be made",
    r"ErrImage|ImagePull|pull image": "its image cannot be had",
}


@dataclass(frozen=True)
class Reason:
    """Why, in one line with the evidence, and where to look."""

    what: str
    hint: str


def what_counts(said: str) -> str:
    """The last lines that count of kubeadm's standard error; the last lines at all where it has no such form."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    found, counts = [], False
    for line in lines:
        counts = bool(_COUNTS.match(line)) or (counts and not _NOISE.match(line))  # an error may have several lines
        if counts:
            found.append(line.strip())
    return "\n".join((found or lines)[-LINES:])


def reason_of(seen: Trouble) -> Reason | None:
    """The one reason, the deepest one that shows: without a runtime no kubelet, without that no etcd, and so on."""
    return next((reason for find in (_of_units, _of_pods, _of_pressure) for reason in find(seen)), None)


def told(seen: Trouble) -> Iterator[tuple[str, str]]:
    """(program, what it said) of all that was found, for the log."""
    for name, lines in (("kubelet", seen.kubelet), ("containerd", seen.runtime)):
        if unit := seen.units.get(name):
            yield "systemd", f"{name} is {unit.active} ({unit.sub}), {unit.restarts} restarts"
        yield from ((name, line) for line in lines[-15:])
    for container in seen.containers or ():
        yield "crictl", f"{container.pod}: {container.name} is {container.state}, attempt {container.attempt}"
    for each in seen.exits:
        yield "crictl", _ended(each)
        yield from ((each.name, line) for line in each.said[-10:])
    for disk in seen.disks:
        yield "df", f"{disk.folder}: {disk.used_percent} % used of {disk.mount}"
    if seen.memory:
        yield "meminfo", f"{seen.memory[0] >> 10} of {seen.memory[1] >> 10} MiB available"


def _of_units(seen: Trouble) -> Iterator[Reason]:
    """One that runs for a moment between two starts waits for the next one most of the time."""
    for name, lines in (("containerd", seen.runtime), ("kubelet", seen.kubelet)):
        unit = seen.units.get(name)
        if unit and (unit.active == "failed" or unit.sub == "auto-restart"):
            last = next((line for line in reversed(lines) if '"command failed"' in line), lines[-1] if lines else "")
            why = _words(last) or f"{unit.result}, exit code {unit.exit_code}"
            yield Reason(f"{name} does not run: {why}", f"on that host: journalctl -u {name}")


def _of_pods(seen: Trouble) -> Iterator[Reason]:
    """The first static pod that does not run, in the order in which they need each other."""
    for name in sorted(seen.static_pods, key=lambda name: (*_ORDER, name).index(name)):
        newest = max(
            (each for each in seen.containers or () if each.name == name), key=lambda each: each.attempt, default=None
        )
        last = next((each for each in seen.exits if each.name == name), None)
        if newest and newest.state == "running" and last and any(map(_BY_DESIGN.search, last.said)):
            continue
        if newest and last and (newest.state == "exited" or (last.code and 0 < newest.attempt == last.attempt + 1)):
            look = f"on that host: crictl ps -a --name {name}, and crictl logs of what it shows"
            yield Reason(_ended(last), look)
        elif seen.containers is not None and newest is None:
            about = re.compile(rf'[/:"]{re.escape(name)}-')  # kube-system/NAME-NODE, or {Name:NAME-NODE,Uid:...}
            if line := next((line for line in (*seen.kubelet[::-1], *seen.runtime[::-1]) if about.search(line)), ""):
                what = next((what for mark, what in _CREATION.items() if re.search(mark, line)), "cannot be started")
                look = "on that host: journalctl -u kubelet -u containerd"
                yield Reason(f"{name}: {what}: {_words(line)}", look)


def _of_pressure(seen: Trouble) -> Iterator[Reason]:
    for disk in seen.disks:
        if disk.used_percent > DISK_PRESSURE:
            of = "inodes" if disk.scarce == "inodes" else "space"
            what = f"{disk.used_percent} % of the {of} of {disk.mount} ({disk.folder}) is used"
            yield Reason(f"{what}: under DiskPressure no pods are started", f"on that host: df -h {disk.folder}")
    if seen.memory and seen.memory[0] < MEMORY_PRESSURE:
        what = f"{seen.memory[0] >> 10} of {seen.memory[1] >> 10} MiB of memory are available"
        yield Reason(f"{what}: under MemoryPressure no pods are started", "on that host: free -m")


def _ended(each: Exit) -> str:
    code = f"{each.code}" if each.reason in ("", "Error", "Completed") else f"{each.code}, {each.reason}"
    last = next((line for line in reversed(each.said) if _LAST.match(line)), each.said[-1] if each.said else "")
    return f"{each.name} ended with exit code {code}" + (f": {_words(last)}" if last else "")


def _words(line: str) -> str:
    """What a line of a log says, without its time and place: the error where it has one, else the message."""
    rest = _KLOG.sub("", line, count=1)
    if line.startswith("{"):  # zap's and klog's JSON
        with suppress(ValueError, AttributeError, RecursionError):
            found = json.loads(line)
            rest = str(found.get("error") or found.get("err") or found.get("msg"))
    elif rest.startswith(('"', "time=")):  # klog's structured form, logrus'
        found = dict(_PAIR.findall(rest))
        message = _MESSAGE.match(rest)
        rest = _unquoted(
            found.get("err") or found.get("error") or found.get("msg") or (message[0] if message else rest)
        )
    rest = _WRAPPED.sub("", _unquoted(_WRAPPED.sub("", rest))).removeprefix("Error: ").strip()
    return rest if len(rest) <= LONGEST else f"... {rest[-LONGEST:]}"  # what is wrapped last came first


def _unquoted(text: str) -> str:
    """Of a string of Go's."""
    if text.startswith('"'):
        with suppress(ValueError):
            return str(json.loads(text))
    return text.strip('"')
