"""Tables of versions: TOML beside the module that it belongs to, checked strictly.

Imported when a table is first asked for (see `releases`), so that commands that ask for none start without.
"""

import tomllib
from importlib import resources
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from kubeon.spec.versions import OLDEST, Version

Bare = Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]  # a version without the leading v


class Strict(BaseModel):
    """A part of a table: nothing missing, nothing more, no type guessed."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _newest_first(tags: Any) -> Any:
    """{"0": tag, "5": tag} of TOML."""
    return tuple(sorted(((int(first), tag) for first, tag in tags.items()), reverse=True))


Tags = Annotated[tuple[tuple[int, str], ...], BeforeValidator(_newest_first), Field(min_length=1)]


class Runtime(Strict):
    """A line of containerd with what goes with it. `ends`: year and month when upstream's support does."""

    containerd: Bare
    runc: Bare
    cni_plugins: Bare = Field(alias="cni-plugins")
    ends: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d$")]


class Row(Strict):
    """One minor release. `etcd` and `coredns` hold (first patch release, tag), newest first."""

    patch: int  # the newest patch release whose images are known
    runtime: str  # which line of `runtimes`
    crictl: Bare
    pause: str
    coredns: Tags
    etcd: Tags


class Table(Strict):
    """releases.toml."""

    helm: Bare
    runtimes: dict[str, Runtime]
    kubernetes: dict[str, Row]

    @model_validator(mode="after")
    def _whole(self) -> "Table":
        minors = [f"{OLDEST[0]}.{OLDEST[1] + index}" for index in range(len(self.kubernetes))]
        if [*self.kubernetes] != minors:
            msg = f"rows of kubernetes are not {minors[0]} to {minors[-1]}, in that order"
            raise ValueError(msg)
        for minor, row in self.kubernetes.items():
            if row.runtime not in self.runtimes or row.etcd[-1][0] or row.coredns[-1][0]:
                msg = f"{minor}: its line of runtimes, or the tag of its first patch release, is missing"
                raise ValueError(msg)
        return self

    @property
    def newest(self) -> Version:
        """The newest minor release, with its newest patch release."""
        return self.newest_patch(OLDEST[1] + len(self.kubernetes) - 1)

    def newest_patch(self, minor: int) -> Version:
        """The newest patch release that is known of a minor one in the table."""
        return Version(1, minor, self.kubernetes[f"1.{minor}"].patch)

    def row_of(self, version: Version) -> Row:
        """The row of a release; the newest row for a release that is newer than the table."""
        newest = self.newest.minor
        return self.kubernetes[f"1.{min(version.minor, newest) if version.major == 1 else newest}"]

    def runtime_of(self, version: Version) -> Runtime:
        """The line of containerd for a release."""
        return self.runtimes[self.row_of(version).runtime]


def _known_order(releases: "tuple[PluginRelease, ...]") -> "tuple[PluginRelease, ...]":
    minors = [one.since for one in releases]
    if minors != sorted(set(minors), reverse=True):
        msg = "releases are not in the order of `since`, newest first"
        raise ValueError(msg)
    return releases


class PluginRelease(Strict):
    """One row: from the minor release 1.`since` of Kubernetes on, until the row above."""

    since: int
    version: Bare
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = ""  # of the manifest
    tested: int = 0  # the newest minor release that upstream tests it with; 0: no list of upstream's, or an old row
    kernel: tuple[int, int] = Field(default=(0, 0), strict=False)  # the oldest that its documentation asks for


class PluginTable(Strict):
    """The rows of one plug-in."""

    releases: Annotated[tuple[PluginRelease, ...], Field(min_length=1, strict=False), AfterValidator(_known_order)]

    @property
    def oldest(self) -> int:
        """The oldest minor release of Kubernetes that there is a row for."""
        return self.releases[-1].since

    def row_of(self, version: Version) -> PluginRelease:
        """What goes with a Kubernetes release; the oldest row where nothing does."""
        return next((row for row in self.releases if version.at_least(row.since)), self.releases[-1])


T = TypeVar("T", bound=Strict)


def read_table(model: type[T], package: str, name: str) -> T:
    """The file `name` that lies in a package (`read_table(Table, "kubeon.spec", "releases.toml")`)."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return model.model_validate(tomllib.loads(text))
