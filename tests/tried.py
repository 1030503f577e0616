"""The record of what was done on real hosts: `python -m tests.tried FILE` puts into tried.yaml what is in FILE.

The tests' driver adds a line to it for every operation that ended well, where KUBEON_TRIED names it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from kubeon import quick_yaml
from kubeon.bundle.kubeadm import machine_architecture
from kubeon.spec.releases import components
from kubeon.spec.tried import OPERATIONS, UPGRADE_FROM, Run, parse_runs
from kubeon.state.home import Home
from tests.lab import hosts

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "kubeon/spec/tried.yaml"
STAMPED = frozenset({"v1.20.15"})  # the lab builds v1.20.2 and calls it so: nothing was seen of it
_UPGRADE = UPGRADE_FROM.split()[0]


def note(home: Path, words: Sequence[str]) -> None:
    """This command line ended well on the control machine `home`."""
    place = os.environ.get("KUBEON_TRIED")
    did = next((one for one in (*OPERATIONS, _UPGRADE) if list(words[: len(one.split())]) == one.split()), "")
    journals = list((home / "clusters").glob("*/journal.jsonl"))
    if not place or not did or "--dry-run" in words or not (journals or did == "destroy"):
        return
    path = Path(place)
    if did == "destroy":
        name, facts = words[1], _last(path, f"{home}/{words[1]}")
    else:
        name = max(journals, key=lambda each: each.stat().st_mtime_ns).parent.name
        facts = _facts(home, name)
        before = _last(path, f"{home}/{name}").get("release", facts["release"])
        did = f"{UPGRADE_FROM}{before}" if did == _UPGRADE else did
        if did == f"{UPGRADE_FROM}{facts['release']}":
            return  # other components for the same release
    if facts:
        with path.open("a") as file:
            file.write(json.dumps({**facts, "cluster": f"{home}/{name}", "did": did}) + "\n")


def _facts(home: Path, name: str) -> dict[str, str]:
    spec = Home(home).known(name)
    bases = {host.address: host.base for host in hosts.known()}
    return {
        "release": spec.version,
        "distribution": bases.get(str(spec.nodes[0].address), "unknown"),
        "architecture": machine_architecture(),
        "runtime": f"{spec.runtime.name} {components(spec).containerd}",
        "network": spec.networking.plugin,
        "load-balancer": spec.load_balancer.mode,
    }


def _last(path: Path, cluster: str) -> dict[str, str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    found: dict[str, str] = next((line for line in reversed(lines) if line["cluster"] == cluster), {})
    return {name: text for name, text in found.items() if name not in ("cluster", "did")}


def merged(known: Iterable[Run], lines: Iterable[str], *, by: str, when: date, commit: str) -> list[dict[str, Any]]:
    """The record with what the lines tell; what was done by hand goes where it has been done so."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in map(json.loads, lines):
        if line["release"] not in STAMPED:
            kind = tuple(text for name, text in line.items() if name not in ("cluster", "did"))
            found.setdefault(kind, []).append(line["did"])
    rows = []
    for run in known:
        row = run.model_dump(by_alias=True) | {"did": list(run.did)}
        new = found.get(_kind(row))
        if new is None or (run.by != by and not (run.by == "hand" and set(run.did) <= set(new))):
            rows.append(row)
    names = ("release", "distribution", "architecture", "runtime", "network", "load-balancer")
    for kind, did in found.items():
        end = {"when": when.replace(), "commit": commit, "by": by}  # a date of its own: YAML would refer to the first
        rows.append(dict(zip(names, kind, strict=True)) | {"did": _in_order(did)} | end)
    return rows


def _kind(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(text for name, text in row.items() if name not in ("did", "when", "commit", "by"))


def _in_order(did: Iterable[str]) -> list[str]:
    return sorted(set(did), key=lambda one: (OPERATIONS.index(one) if one in OPERATIONS else len(OPERATIONS), one))


def main(words: Sequence[str] | None = None, record: Path = RECORD) -> int:
    """Write the record afresh."""
    parser = argparse.ArgumentParser(prog="./dev tried")
    parser.add_argument("file", type=Path)
    parser.add_argument("--by", choices=("check", "soak"), default="soak")
    flags = parser.parse_args(words)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    text = record.read_text(encoding="utf-8")
    lines = flags.file.read_text(encoding="utf-8").splitlines()
    rows = merged(parse_runs(text), lines, by=flags.by, when=datetime.now(UTC).date(), commit=commit)
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    written = head + quick_yaml.dump(rows, sort_keys=False, width=120)
    parse_runs(written)  # it is what kubeon reads
    record.write_text(written, encoding="utf-8")
    print(f"{record}: {len(rows)} runs; ./dev golden writes them into docs/support.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
