"""Host keys that the cluster's own known_hosts holds."""

from pathlib import Path

from kubeon.state.files import read_file, write_file


def forget_host(path: Path, address: str) -> None:
    """Take the keys of a host out, on any port: another machine may come under its address."""
    content = read_file(path) or b""
    kept = [line for line in content.splitlines(keepends=True) if not _is_of(line, address)]
    if len(kept) < len(content.splitlines()):
        write_file(path, b"".join(kept))


def _is_of(line: bytes, address: str) -> bool:
    words = line.split(maxsplit=1)
    name = words[0].decode(errors="replace") if words else ""
    return name == address or name.startswith(f"[{address}]:")
