"""Checksum files, as upstream projects publish them: a bare hash, or `sha256sum` lines for several files."""

import re

from kubeon.errors import BundleError

_LINE = re.compile(r"(?P<hash>[0-9a-fA-F]{64})(?:[ \t]+\*?(?P<name>\S.*?))?[ \t]*")


def checksum_in(text: str, file_name: str, url: str) -> str:
    """The sha256 of `file_name`. Raises BundleError when `text`, which came from `url`, is no checksum file of it."""
    lines = [line for line in text.splitlines() if line.strip()]
    matches = [match for line in lines if (match := _LINE.fullmatch(line.strip()))]
    if len(lines) > 500 or not matches:
        start = lines[0].strip()[:60] if lines else ""
        raise BundleError(
            f"{url} is not a checksum file",
            why=f"it begins with {start!r}" if start else "it is empty",
            hint="open the URL in a browser; a mirror or a proxy may serve something else under this name",
        )
    for match in matches:
        if match["name"] and match["name"].rpartition("/")[2] == file_name:
            return match["hash"].lower()
    if len(matches) == 1 and not matches[0]["name"]:
        return matches[0]["hash"].lower()
    raise BundleError(f"{url} has no checksum for {file_name}", why=f"it has {len(matches)} others")
