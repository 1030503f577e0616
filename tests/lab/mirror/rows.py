"""The table of what goes with which release: material.toml."""

import functools
import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

from tests.lab.mirror.store import HERE


@dataclass(frozen=True)
class Row:
    """A release that Go modules are served of, with the versions of what goes with it."""

    release: str
    etcd: str
    coredns: str
    containerd: str
    runc: str
    cni_plugins: str
    crictl: str
    tags: tuple[str, ...] = ()
    staging: dict[str, str] = field(default_factory=dict)

    @property
    def components(self) -> dict[str, str]:
        """Those that kubeon fetches as files."""
        return {
            "containerd": self.containerd,
            "runc": self.runc,
            "cni-plugins": self.cni_plugins,
            "crictl": self.crictl,
        }


@functools.cache
def table() -> dict[str, Any]:
    """The file's content."""
    return tomllib.loads((HERE / "material.toml").read_text())


@functools.cache
def rows() -> dict[str, Row]:
    """All releases, oldest first."""
    default = table()["default"]
    found = {}
    for release in sorted(table()["release"], key=numbers):
        entry = {**default, **table()["release"][release]}
        tags, staging = tuple(entry.pop("tags", ())), entry.pop("staging", {})
        fields = {name.replace("-", "_"): version for name, version in entry.items()}
        found[release] = Row(release, tags=tags, staging=staging, **fields)
    return found


def nearest(release: str) -> Row:
    """The release's own row, else the newest that is not newer in its minor version, else the oldest."""
    minor = numbers(release)[:2]
    older = [row for name, row in rows().items() if numbers(name)[:2] <= minor]
    return rows().get(release) or (older or list(rows().values()))[-1 if older else 0]


def numbers(version: str) -> list[int]:
    """For sorting: v1.20.15 comes after v1.20.2."""
    return [int(number) for number in re.findall(r"\d+", version)]
