"""What has been done on real hosts: tried.yaml, which `./dev tried` writes and which is read when first asked.

What is not in it was tested on files: configuration, certificates, tables, and operations on fakes.
"""

from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from kubeon import quick_yaml
from kubeon.spec.tables import Strict
from kubeon.spec.versions import Version

UPGRADE_FROM = "upgrade from "
OPERATIONS = (
    *("create", "add", "del", "destroy", "adopt", "lb switch", "conformance"),
    *("certs renew", "certs rotate-ca", "etcd snapshot save", "etcd snapshot restore"),
)


def _operation(text: str) -> str:
    if text.startswith(UPGRADE_FROM):
        Version.parse(text.removeprefix(UPGRADE_FROM))
    elif text not in OPERATIONS:
        msg = f"{text!r} is none of {', '.join(OPERATIONS)}, and not `{UPGRADE_FROM}v1.X.Y`"
        raise ValueError(msg)
    return text


def _release(text: str) -> str:
    return str(Version.parse(text))


class Run(Strict):
    """What ended well, on clusters of one kind. A release that was only stamped on another's code is not one."""

    release: Annotated[str, AfterValidator(_release)]
    distribution: str  # of the hosts: its os-release's ID, a hyphen, its VERSION_ID
    architecture: str
    runtime: str  # name and version
    network: str
    load_balancer: str = Field(alias="load-balancer")
    did: Annotated[
        tuple[Annotated[str, AfterValidator(_operation)], ...],
        Field(min_length=1, strict=False),
    ]
    when: date
    commit: str
    by: Literal["check", "soak", "hand"]  # by hand: somebody did it and wrote it down

    @property
    def version(self) -> Version:
        """The release, to compare."""
        return Version.parse(self.release)

    def names(self, kind: str) -> str:
        """What it says of a kind of thing that kubeon supports."""
        return {
            "kubernetes": f"v{self.version.major}.{self.version.minor}",
            "os": self.distribution.partition("-")[0],
            "architecture": self.architecture,
            "runtime": self.runtime.partition(" ")[0],
            "network": self.network,
            "load-balancer": self.load_balancer,
        }[kind]


def parse_runs(text: str) -> tuple[Run, ...]:
    """The runs that a file tells of. Raises ValueError when it is not of this form."""
    return TypeAdapter(tuple[Run, ...]).validate_python(tuple(quick_yaml.load(text)))


@cache
def tried() -> tuple[Run, ...]:
    """All that is on record, the newest release first."""
    runs = parse_runs(resources.files("kubeon.spec").joinpath("tried.yaml").read_text(encoding="utf-8"))
    return tuple(sorted(runs, key=lambda run: run.version, reverse=True))
