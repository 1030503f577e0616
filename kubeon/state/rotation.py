"""A rotation of CAs that is under way: old and new ones, keys and all, and how far it has come.

It is written before any host sees a new CA and goes when the last host has forgotten the old one, so no key is lost on
the way. The stage says what is true of every host; what is true of one host, that host says.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from kubeon.errors import StateError
from kubeon.state.files import explained, read_file, write_file

Files = Mapping[str, bytes]
_KEPT = re.compile(r"pki-until-(\d{8}T\d{6}Z)$")


class Stage(StrEnum):
    """What is to be done next, everywhere."""

    TRUST = "trust"  # old and new trusted together
    ISSUE = "issue"  # certificates from the new CAs
    DROP = "drop"  # the old ones trusted no more

    @property
    def rest(self) -> tuple["Stage", ...]:
        """This stage and those that follow."""
        every = tuple(Stage)
        return every[every.index(self) :]


@dataclass(frozen=True)
class Rotation:
    """`names` are the CAs that are rotated; `old` and `new` are whole sets, as `Authorities.to_files` gives them."""

    names: tuple[str, ...]
    stage: Stage
    old: Files
    new: Files


class RotationRecord:
    """The folder rotation/ in a cluster's record, which is there as long as one is under way."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Rotation | None:
        """The one under way. Raises StateError when it is damaged."""
        stage = read_file(self.path / "stage")
        if stage is None:
            return None
        word, *names = stage.decode(errors="replace").split()
        try:
            return Rotation(tuple(names), Stage(word), self._files("old"), self._files("new"))
        except ValueError as error:
            hint = "it holds one of: " + ", ".join(Stage)
            raise StateError(f"{self.path / 'stage'} is damaged", why=str(error), hint=hint) from error

    def write(self, rotation: Rotation) -> None:
        """Begin one, or go on with it: the stage comes last, so that what it stands for is there."""
        for kind, files in (("old", rotation.old), ("new", rotation.new)):
            for name, content in files.items():
                write_file(self.path / kind / name, content)
        write_file(self.path / "stage", " ".join((rotation.stage, *rotation.names, "\n")).encode())

    def end(self, now: datetime) -> Path:
        """It is over: keep the old CAs beside the record, in case of need, and say where."""
        backup = self.path.with_name(f"pki-until-{now:%Y%m%dT%H%M%SZ}")
        with explained(self.path):
            (self.path / "stage").unlink()
            (self.path / "old").rename(backup)
            shutil.rmtree(self.path)
        return backup

    def past(self) -> list[tuple[str, bytes]]:
        """(day, ca.crt that was the cluster's until then) of those that are over, oldest first."""
        with explained(self.path):
            found = sorted((match[1], path) for path in self.path.parent.glob("*") if (match := _KEPT.match(path.name)))
        return [("-".join((day[:4], day[4:6], day[6:8])), read_file(path / "ca.crt") or b"") for day, path in found]

    def _files(self, kind: str) -> dict[str, bytes]:
        folder = self.path / kind
        with explained(folder):
            paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {path.relative_to(folder).as_posix(): read_file(path) or b"" for path in paths}
