"""Addresses, routes and ports out of what ip and ss print."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network

from kubeon.hosts.facts import Interface

_UNREACHABLE = {"unreachable", "blackhole", "prohibit", "throw"}
_ROUTE_TYPES = {"unicast", "local", "broadcast", "multicast", "anycast", "nat"}


def parse_interfaces(text: str) -> tuple[Interface, ...]:
    """Interfaces with their addresses, from `ip -o -4 addr show`; what is no address is left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = re.match(r"\d+:\s+(\S+)\s+inet\s+(\d[\d.]*)(?:\s+peer\s+\S+)?(/\d+)?", line)
        if match and _is_network(match[2] + (match[3] or "")):
            # a point-to-point address is written "10.0.0.1 peer 10.0.0.2/32"
            found.setdefault(match[1].split("@")[0], []).append(match[2] + (match[3] or "/32"))
    return tuple(Interface(name, tuple(addresses)) for name, addresses in found.items())


def _is_network(text: str) -> bool:
    try:
        IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def parse_routes(text: str) -> Iterable[tuple[str, str]]:
    """Destinations and the interfaces they lead to; the first of several wins. Routes to nowhere do not count."""
    seen: set[str] = set()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] in _UNREACHABLE:
            continue
        destination = words[1] if words[0] in _ROUTE_TYPES and len(words) > 1 else words[0]
        if destination in seen or not (destination == "default" or _is_network(destination)):
            continue
        seen.add(destination)
        device = words[words.index("dev") + 1] if "dev" in words[:-1] else ""
        yield (destination if "/" in destination or destination == "default" else f"{destination}/32"), device


def parse_ports(text: str) -> dict[int, str]:
    """Listening TCP ports and processes, from `ss -ltnp` or lines "hex 192B"; "" where the process is not told."""
    ports: dict[int, str] = {}
    for line in text.splitlines():
        words = line.split()
        if match := re.fullmatch(r"hex ([0-9A-F]{1,4})", line.strip()):
            ports.setdefault(int(match[1], 16), "")
        elif line.startswith("LISTEN") and len(words) >= 4:
            port = words[3].rpartition(":")[2]
            process = re.search(r'users:\(\("([^"]*)"', line)
            if port.isascii() and port.isdigit():
                ports[int(port)] = ports.get(int(port)) or (process[1] if process else "")
    return ports
